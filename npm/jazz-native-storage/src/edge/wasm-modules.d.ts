/** What a static import of a WebAssembly file gives where none can be compiled from bytes. */
declare module "*.wasm" {
  const module: WebAssembly.Module;
  // biome-ignore lint/style/noDefaultExport: it is what the platform makes of the file
  export default module;
}
