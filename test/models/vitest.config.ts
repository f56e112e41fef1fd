import { defineConfig } from "vitest/config";

/** Minutes of work: two files at a time. */
export default defineConfig({
  test: {
    include: ["test/models/*.test.ts"],
    maxWorkers: 2,
    testTimeout: 900_000,
  },
});
