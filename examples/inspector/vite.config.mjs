import { defineConfig } from "vite";

export default defineConfig({
  logLevel: "warn",
  worker: { format: "es" },
  build: {
    target: "es2022",
    // cojson is one piece.
    chunkSizeWarningLimit: 2000,
    outDir: "../../target/web/inspector",
    emptyOutDir: true,
  },
});
