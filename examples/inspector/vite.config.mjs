import { defineConfig } from "vite";

export default defineConfig({
  logLevel: "warn",
  worker: { format: "es" },
  build: { target: "es2022", outDir: "../../target/web/inspector", emptyOutDir: true },
});
