/** Where the bytes of a file go: all of them are accounted for, each once. */
import { expect, test } from "vitest";
import { compile, type FileParts } from "../../compiler/index.ts";
import { fileParts } from "../../compiler/report/file-parts.ts";
import { runtimeModule } from "../../host/builds.ts";
import { readEqm } from "../../host/reader.ts";
import { createScanner } from "../../host/scanner.ts";
import { randomNumbers } from "../passes/evaluation.ts";
import { floatTensor, ints, model, node, value } from "../support/onnx-model.ts";

const random = randomNumbers(3);
const numbers = (count: number): number[] => Array.from({ length: count }, () => Math.fround(random() - 0.5));

/** Two layers that share their weights' values, and a sum with a constant. */
const NETWORK = model({
  nodes: [
    node("Conv", ["x", "w", "b"], ["a"], { pads: ints(1, 1, 1, 1) }, { name: "one" }),
    node("Conv", ["a", "v", "b"], ["c"], { pads: ints(1, 1, 1, 1) }, { name: "two" }),
    node("Add", ["c", "offset"], ["y"], {}, { name: "sum" }),
  ],
  inputs: [value("x", [1, 8, 6, 6])],
  initializers: (() => {
    const weights = numbers(8 * 8 * 9);
    return [
      floatTensor("w", [8, 8, 3, 3], weights),
      floatTensor("v", [8, 8, 3, 3], weights),
      floatTensor("b", [8], numbers(8)),
      floatTensor("offset", [1, 8, 6, 6], numbers(288)),
    ];
  })(),
});

function sum({ steps: _, ...parts }: FileParts): number {
  return Object.values(parts).reduce((a, b) => a + b, 0);
}

test.each(["float32", "int8"] as const)("every byte of a file in %s is accounted for", async (precision) => {
  const { bytes, report } = await compile(NETWORK, { precision, minSqnrDb: -100 });
  const file = report.file!;
  expect(sum(file)).toBe(bytes.length);
  expect(file.steps.reduce((total, step) => total + step.weights + step.others, 0)).toBe(file.constants);
  expect(file.steps.filter(({ nodes }) => nodes.includes("sum"))).toEqual([
    expect.objectContaining({ weights: 0, others: expect.any(Number) }),
  ]);
  expect(fileParts(bytes, readEqm(bytes, createScanner(await runtimeModule("plain"))))).toEqual(file);
});

test("what stands once counts for the first step that reads it", async () => {
  const { report } = await compile(NETWORK, { precision: "float32", compression: "none" });
  const layers = report.file!.steps.filter(({ op }) => op === "Conv");
  expect(layers).toEqual([expect.objectContaining({ nodes: ["one"], weights: 8 * 8 * 9 * 4, others: 32 })]);
});
