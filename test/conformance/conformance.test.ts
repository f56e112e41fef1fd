/** ONNX's own tests, on the TypeScript reference and on the compiled model. EXPECTED.md says what is to be expected; UPDATE=1 writes it. */
import { readFileSync, writeFileSync } from "node:fs";
import { expect, test } from "vitest";
import { runAll, summary } from "./outcomes.ts";
import { isPresent, root } from "./suite.ts";

const expected = new URL("EXPECTED.md", import.meta.url);

test.skipIf(!isPresent)("passes and fails ONNX's tests as EXPECTED.md says", async () => {
  const text = summary(await runAll());
  console.log(text);
  if (process.env["UPDATE"] === "1") writeFileSync(expected, text);
  expect(text).toBe(readFileSync(expected, "utf8"));
});

if (!isPresent) console.log(`skipped: ONNX's tests are not at ${root}`);
