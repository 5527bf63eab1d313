import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

export default defineConfig({
  plugins: [react()],
  resolve: {
    // All that changes in an app: where jazz-tools opens its storage, it gets ours.
    alias: [{ find: /^cojson-storage-indexeddb$/, replacement: "jazz-native-storage/indexeddb" }],
  },
  // Our storage starts its worker itself, from a file of its own.
  worker: { format: "es" },
});
