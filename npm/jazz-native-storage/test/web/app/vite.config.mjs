import { dirname, join, resolve } from "node:path";
import { defineConfig } from "vite";

const tests = resolve(import.meta.dirname, "../..");
const here = (file) => join(import.meta.dirname, file);

/** What the tests of the package import, in a browser. */
const STAND_INS = {
  vitest: join(tests, "elsewhere/vitest.ts"),
  "node:fs": here("node.ts"),
  "node:os": here("node.ts"),
  "node:path": here("node.ts"),
  [resolve(tests, "../src/index.js")]: here("package.ts"),
  [join(tests, "flavours.js")]: here("flavours.ts"),
};

const standIns = {
  name: "stand-ins",
  enforce: "pre",
  resolveId(imported, importer) {
    if (importer === undefined || dirname(importer) !== tests) return undefined;
    return STAND_INS[imported.startsWith(".") ? resolve(tests, imported) : imported];
  },
};

export default defineConfig({
  logLevel: "warn",
  plugins: [standIns],
  // The workers of the tests wait for what they load before they do anything.
  worker: { format: "es" },
  build: {
    target: "es2022",
    outDir: "../../../../../target/web/lab",
    emptyOutDir: true,
    rollupOptions: { input: ["index.html", "old.html", "tests.html"].map(here) },
  },
});
