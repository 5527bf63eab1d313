/** The module that wasm-bindgen makes, which is built to stand here: the API, and how the module is loaded. */
export * from "../generated/wasm.js";

/** Loads the module: from beside this file, or what is given. */
// biome-ignore lint/style/noDefaultExport: it is what wasm-bindgen makes
export default function init(given?: {
  module_or_path: string | URL | Response | BufferSource | WebAssembly.Module | Promise<Response>;
}): Promise<unknown>;

/** Instantiates what is given, at once. */
export function initSync(given: { module: BufferSource | WebAssembly.Module }): unknown;
