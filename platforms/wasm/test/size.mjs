/** What an app has to load: fails if the module is larger than this. Raise a limit only for what is worth its time on a phone. */
import { readFile } from "node:fs/promises";
import { gzipSync } from "node:zlib";

const LIMITS = { raw: 740_000, gzip: 313_000 };

const file = new URL(
  "../../../npm/jazz-native-storage/dist/wasm/jazz_native_storage_wasm_bg.wasm",
  import.meta.url,
);
const module = await readFile(file);
const sizes = { raw: module.length, gzip: gzipSync(module, { level: 9 }).length };
for (const [kind, limit] of Object.entries(LIMITS)) {
  const size = sizes[kind];
  console.log(`WebAssembly module, ${kind}: ${size} bytes of at most ${limit}`);
  if (size > limit) {
    process.exitCode = 1;
  }
}
