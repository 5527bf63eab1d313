import { join } from "node:path";
import { defineConfig } from "vite";

export default defineConfig({
  logLevel: "warn",
  // The workers of the tests wait for what they load before they do anything.
  worker: { format: "es" },
  build: {
    target: "es2022",
    outDir: "../../../../../target/web/lab",
    emptyOutDir: true,
    rollupOptions: { input: ["index.html", "old.html"].map((page) => join(import.meta.dirname, page)) },
  },
});
