/**
 * What cojson's tests import for their SQLite driver leads to our storage, and what our storage imports of cojson leads to
 * the sources under test, so that both sides share one instance. Everything else is as installed.
 */
import { dirname, join, sep } from "node:path";
import { fileURLToPath } from "node:url";

const shim = join(dirname(fileURLToPath(import.meta.url)), "shim");

/** @param {string} cojson The directory of the installed package. */
export function resolveToNativeStorage(cojson) {
  const tests = join(cojson, "src", "tests") + sep;
  return {
    name: "jazz-native-storage-conformance",
    enforce: "pre",
    resolveId(source, importer) {
      if (source === "cojson") return join(cojson, "src", "index.ts");
      const internal = /^cojson\/dist\/(.+)\.js$/.exec(source);
      if (internal) return join(cojson, "src", `${internal[1]}.ts`);
      if (!importer?.startsWith(tests)) return undefined;
      if (source === "libsql") return join(shim, "libsql.mjs");
      if (importer === `${tests}testStorage.ts` && /^\.\.\/storage\/sqlite(Async)?$/.test(source)) {
        return join(shim, "storage.mjs");
      }
      return undefined;
    },
  };
}
