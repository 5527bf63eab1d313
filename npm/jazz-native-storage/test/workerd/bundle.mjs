/**
 * A Worker as `wrangler` makes it: one module of JavaScript, by the same bundler and with the same conditions, and beside it
 * the WebAssembly that it imports.
 */
import { readFileSync } from "node:fs";
import { basename, resolve } from "node:path";
import { build } from "esbuild";

/** This folder and the one of the checkout. */
export const here = import.meta.dirname;
export const root = resolve(here, "../../../..");

const SOURCES = resolve(here, "../../src");
const BUILT = resolve(here, "../../dist");

/** The modules of a Worker, for miniflare; `alias` replaces what is imported, by the ends of resolved paths or by names. */
export async function bundle(entry, { alias = {}, define = {} } = {}) {
  const files = new Map();
  const result = await build({
    entryPoints: [entry],
    bundle: true,
    write: false,
    format: "esm",
    target: "es2024",
    conditions: ["workerd", "worker", "browser"],
    mainFields: ["browser", "module", "main"],
    external: ["node:*", "cloudflare:*"],
    define,
    logLevel: "error",
    plugins: [
      {
        name: "worker",
        setup(plugins) {
          plugins.onResolve({ filter: /\.wasm(\?module)?$/ }, ({ path, resolveDir }) => {
            const file = resolve(resolveDir, path.replace("?module", ""));
            files.set(basename(file), file);
            return { path: `./${basename(file)}`, external: true };
          });
          plugins.onResolve({ filter: /./ }, ({ path, importer, resolveDir }) => {
            const full = path.startsWith(".") ? resolve(resolveDir, path) : path;
            const found = Object.keys(alias).find((end) => full === end || full.endsWith(`/${end}`));
            if (found !== undefined && importer !== alias[found]) return { path: alias[found] };
            // Tests import sources; what is tested is the package as it is built.
            return full.startsWith(SOURCES) ? { path: full.replace(SOURCES, BUILT) } : undefined;
          });
        },
      },
    ],
  });
  const [code] = result.outputFiles;
  return [
    { type: "ESModule", path: "worker.mjs", contents: code.text },
    ...Array.from(files, ([path, file]) => ({ type: "CompiledWasm", path, contents: readFileSync(file) })),
  ];
}
