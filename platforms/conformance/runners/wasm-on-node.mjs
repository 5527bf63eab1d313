/** The WebAssembly module on Node's file system, as a binding for `node.mjs`. */
import { readFileSync } from "node:fs";
import { NodeHost } from "../../../npm/jazz-native-storage/dist/host/node-host.js";
import { initSync, setHost } from "../../../npm/jazz-native-storage/dist/wasm/jazz_native_storage_wasm.js";

const module = new URL(
  "../../../npm/jazz-native-storage/dist/wasm/jazz_native_storage_wasm_bg.wasm",
  import.meta.url,
);
initSync({ module: readFileSync(module) });
setHost(new NodeHost());

export * from "../../../npm/jazz-native-storage/dist/wasm/jazz_native_storage_wasm.js";
