/** A Worker that runs the cases for bindings, on the module as the entry for Workers loads it. */
import cases from "../../../../platforms/conformance/cases.json";
import { run } from "../../../../platforms/conformance/runners/run.mjs";
import * as module from "../../dist/wasm/jazz_native_storage_wasm.js";
import compiled from "../../dist/wasm/jazz_native_storage_wasm_bg.wasm";

// biome-ignore lint/style/noDefaultExport: Workers are default exports
export default {
  async fetch() {
    module.initSync({ module: compiled });
    const lines = [];
    await run("workerd", cases, module, null, (line) => lines.push(line));
    return Response.json(lines);
  },
};
