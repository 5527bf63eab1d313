/** The bindings that Node can load, as they were built in this checkout, and the files they consist of. */
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { loadBinding, platformTriple } from "../../../npm/jazz-native-storage/dist/native-node.js";

/**
 * @typedef {import("../../../npm/jazz-native-storage/dist/generated/native.js").NativeBinding} NativeBinding
 *
 * @typedef {object} Binding
 * @property {string} label
 * @property {string} file the machine code
 * @property {string[]} glue what an app has to have beside it
 * @property {() => Promise<NativeBinding>} load
 */

const root = new URL("../../../", import.meta.url);
const at = (/** @type {string} */ path) => fileURLToPath(new URL(path, root));

/** @satisfies {Record<string, Binding>} */
export const BINDINGS = {
  napi: {
    label: "Node-API addon",
    file: at(`npm/jazz-native-storage/native/jazz-native-storage.${platformTriple()}.node`),
    glue: [],
    load: async () => loadBinding(),
  },
  wasm: {
    label: "WebAssembly",
    file: at("npm/jazz-native-storage/dist/wasm/jazz_native_storage_wasm_bg.wasm"),
    glue: [at("npm/jazz-native-storage/dist/wasm/jazz_native_storage_wasm.js")],
    // By its address, for type checks do without the module: it is not in every build.
    load: () => import(new URL("platforms/conformance/runners/wasm-on-node.mjs", root).href),
  },
};

/** @typedef {keyof typeof BINDINGS} BindingName */

/** The library for Swift and Kotlin, by the names it has on the systems. */
export const SHARED_LIBRARIES = ["so", "dylib"].map((suffix) =>
  at(`target/release/libjazz_native_storage.${suffix}`),
);

/**
 * @param {string} name
 * @returns {name is BindingName}
 */
export function isBinding(name) {
  return Object.hasOwn(BINDINGS, name);
}

/** @param {BindingName} name */
export function isBuilt(name) {
  return [BINDINGS[name].file, ...BINDINGS[name].glue].every((file) => existsSync(file));
}
