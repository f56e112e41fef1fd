import { defineConfig } from "vitest/config";

/** Engines beside this Node, one file at a time: each takes the processors that there are. */
export default defineConfig({
  test: {
    include: ["test/hosts/*.test.ts"],
    fileParallelism: false,
    testTimeout: 600_000,
  },
});
