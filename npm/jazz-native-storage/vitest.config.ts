import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    testTimeout: 30_000,
    // Stores are real files, and some tests measure what two processes see: a machine of two cores is busy with one file.
    fileParallelism: false,
  },
});
