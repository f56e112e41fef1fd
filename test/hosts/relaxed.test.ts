/**
 * The relaxed build, on an engine that has relaxed SIMD: the tests of what differs between builds once more, in a child process
 * under this Node, or Node 24 from test/hosts. Skipped with a line where neither has it.
 */
import { execFile } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, it } from "vitest";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const NODE = nodeWithRelaxedSimd();
if (NODE === undefined) console.warn("relaxed build skipped: no Node with relaxed SIMD (npm run hosts:install)");
const TESTS = [
  "steps/conv-i8",
  "steps/conv-i8-values",
  "steps/conv-i8-blocks",
  "steps/pack",
  "steps/pack-sparse",
  "steps/conv-f32",
  "steps/depthwise-f32",
  "steps/matmul-f32",
  "host/fast-float",
];

it.each([
  ["the relaxed build", "relaxed"],
  ["the relaxed build with the fused dot", "relaxed-fused"],
])("gives the bytes of the reference on %s", { skip: NODE === undefined }, async (_what, build) => {
  const { NODE_OPTIONS: _, VITEST: __, VITEST_POOL_ID: ___, VITEST_WORKER_ID: ____, ...env } = process.env;
  const args = ["node_modules/vitest/vitest.mjs", "run", "--reporter=json", ...TESTS.map((name) => `test/${name}.test.ts`)];
  const { stdout } = await promisify(execFile)(NODE as string, args, {
    cwd: ROOT,
    env: { ...env, EQM_BUILD: build },
    maxBuffer: 1 << 26,
  }).catch((error: { stdout: string; stderr: string }) => ({ stdout: error.stdout || error.stderr }));
  const report = JSON.parse(stdout.slice(stdout.indexOf("{"))) as { numPassedTests: number; numFailedTests: number; numTotalTests: number };
  expect(report.numFailedTests, stdout).toBe(0);
  expect(report.numPassedTests).toBe(report.numTotalTests);
  expect(report.numPassedTests).toBeGreaterThan(TESTS.length);
});

function nodeWithRelaxedSimd(): string | undefined {
  if (WebAssembly.validate(readFileSync(new URL("../../build/relaxed.wasm", import.meta.url)))) return process.execPath;
  const arch = process.arch === "arm64" ? "arm64" : "x64";
  const installed = fileURLToPath(new URL(`node_modules/node-linux-${arch}/bin/node`, import.meta.url));
  return existsSync(installed) ? installed : undefined;
}
