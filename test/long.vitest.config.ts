import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { defineConfig } from "vitest/config";

const HERE = import.meta.dirname;

/** The files whose random sweeps are longer here (test/support/sweep.ts). */
export default defineConfig({
  test: {
    include: readdirSync(HERE, { recursive: true, encoding: "utf8" })
      .filter((file) => file.endsWith(".test.ts") && !/node_modules/.test(file))
      .filter((file) => readFileSync(join(HERE, file), "utf8").includes("support/sweep.ts"))
      .map((file) => `test/${file.replaceAll("\\", "/")}`),
    env: { EQM_LONG: "1" },
    isolate: false,
    testTimeout: 600_000,
  },
});
