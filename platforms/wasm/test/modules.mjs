/** The modules that the tests run, and what they run on. They are where `cargo xtask test` builds them. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { NodeHost } from "../../../npm/jazz-native-storage/dist/host/node-host.js";

const root = resolve(import.meta.dirname, "../../..");
const require = createRequire(import.meta.url);
const native = join(root, "npm/jazz-native-storage/native");
const addon = existsSync(native) && readdirSync(native).find((file) => file.endsWith(".node"));

const built = (path) => pathToFileURL(join(root, path)).href;
const STORAGE = built("npm/jazz-native-storage/dist/wasm/jazz_native_storage_wasm");
const SUITE = built("target/wasm/file-suite/jazz_storage_file_suite");

const compiled = new Map();
let instances = 0;

/** A new instance of a module, with memory and open stores of its own. */
async function instance(url, host) {
  const instance = await import(`${url}.js?${instances++}`);
  if (!compiled.has(url)) compiled.set(url, new WebAssembly.Module(readFileSync(new URL(`${url}_bg.wasm`))));
  instance.initSync({ module: compiled.get(url) });
  if (host) instance.setHost(host);
  return instance;
}

/** The storage as WebAssembly; on Node's file system, unless it is given another host, or null for none. */
export const wasm = (host = new NodeHost()) => instance(STORAGE, host);

/** The checks of `FileIO`. */
export const fileSuite = () => instance(SUITE, new NodeHost());

/** The bindings there are, by their names. The addon need not have been built. */
export const bindings = { wasm, ...(addon && { napi: async () => require(join(native, addon)) }) };
