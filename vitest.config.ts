import { defineConfig } from "vitest/config";

/** The everyday tests. Files share the workers' modules: a test that changes what others see puts it back. */
export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    exclude: ["**/node_modules/**", "test/models/**", "test/conformance/**", "test/hosts/**"],
    isolate: false,
    testTimeout: 60_000,
  },
});
