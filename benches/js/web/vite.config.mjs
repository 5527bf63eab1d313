import { defineConfig } from "vite";

/** @param {string} name */
const page = (name) => new URL(`${name}.html`, import.meta.url).pathname;

export default defineConfig({
  logLevel: "warn",
  worker: { format: "es" },
  build: {
    target: "es2022",
    outDir: "../../../target/web/bench",
    emptyOutDir: true,

    rollupOptions: { input: { ours: page("ours"), indexeddb: page("indexeddb") } },
  },
});
