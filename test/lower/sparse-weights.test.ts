/** Zeros among int8 weights: left out in blocks where that is faster, and never seen in a result. */
import { expect, test } from "vitest";
import { type Sparse, sparseForm } from "../../compiler/lower/sparse.ts";
import { weightsOf } from "../../compiler/report/step-weights.ts";
import { compileGraph, GraphRunner } from "../../compiler/run/graph-runner.ts";
import * as ConvI8 from "../../format/steps/conv-i8.ts";
import type { Tensor } from "../../host/tensor.ts";
import { evaluateGraph, graphOf } from "../passes/evaluation.ts";
import { plainModule } from "../support/small-model.ts";
import { randomSource } from "../support/step-bench.ts";

/** Weights of `outputs` rows of `depth` values, of which blocks of eight rows by `columns` (of single weights by 0) are left at `percent` of the places; most are small beside `limit`. */
function sparseWeights(outputs: number, depth: number, columns: number, percent: number, limit = 120): Int8Array {
  const next = randomSource(outputs * depth + columns + percent);
  const weights = new Int8Array(outputs * depth);
  const value = (): number => Math.round((((next() % 201) + (next() % 201) + (next() % 201) + (next() % 201) - 400) / 400) * limit);
  const [tall, wide] = columns === 0 ? [1, 1] : [8, columns];
  for (let n = 0; n < outputs; n += tall) {
    for (let k = 0; k < depth; k += wide) {
      if (next() % 100 >= percent) continue;
      for (let o = n; o < Math.min(outputs, n + tall); o++)
        for (let i = k; i < Math.min(depth, k + wide); i++) weights[o * depth + i] = value();
    }
  }
  return weights;
}

/** One 3×3 convolution of 16 to 24 channels over 12 × 20 pixels: the words of its step, the part that it computes, and whether it gives the reference's values. */
function convolve(weights: Int8Array): { readonly words: Int32Array; readonly computed: number | undefined; readonly isExact: boolean } {
  const graph = graphOf(`input x float32[1,16,12,20]
%xq ? = QuantizeLinear(%x, {0.5}float32[], {3}int8[])
%xd ? = DequantizeLinear(%xq, {0.5}float32[], {3}int8[])
%w ? = DequantizeLinear({${weights.join(",")}}int8[24,16,3,3], {0.0078125}float32[])
%y ? = Conv(%xd, %w) pads=[1,1,1,1]
%yq ? = QuantizeLinear(%y, {2}float32[], {-5}int8[])
%yd ? = DequantizeLinear(%yq, {2}float32[], {-5}int8[])
output %yd
`);
  const next = randomSource(5);
  const x: Tensor = {
    dtype: "float32",
    shape: [1, 16, 12, 20],
    data: Float32Array.from({ length: 16 * 240 }, () => ((next() % 255) - 127) / 2),
  };
  const expected = evaluateGraph(graph, new Map([["x", x]]))[0]!.data as Float32Array;
  const compiled = compileGraph(graph, { producer: "test", name: "test" });
  const runner = new GraphRunner(compiled, plainModule);
  runner.run({ x });
  const got = runner.output(graph.outputNames[0]!) as Float32Array;
  const isExact = expected.every((y, i) => y === got[i]);
  runner.dispose();
  const { plan, constants } = compiled.program;
  const words = plan.steps.find((step) => step.length === ConvI8.WORDS)!;
  return { words, computed: weightsOf(words, constants)?.blocks?.computed, isExact };
}

/** [O][kH][kW][I] → [O][I][kH][kW]: blocks are adjacent inputs of a kernel position. */
function inputsFirst(weights: Int8Array): Int8Array {
  const result = new Int8Array(weights.length);
  for (let o = 0; o < 24; o++)
    for (let t = 0; t < 9; t++) for (let i = 0; i < 16; i++) result[(o * 16 + i) * 9 + t] = weights[(o * 9 + t) * 16 + i]!;
  return result;
}

test.each([
  ["half of the columns", 1, 50, ConvI8.BLOCKS_OF_1],
  ["half of the pairs of columns", 2, 50, ConvI8.BLOCKS_OF_2],
  ["a fifth of the columns", 1, 20, ConvI8.BLOCKS_OF_1],
  ["nothing", 1, 0, ConvI8.BLOCKS_OF_2],
  ["nearly all", 1, 85, 0],
  ["a twentieth of the weights, anywhere,", 0, 5, ConvI8.SCATTERED],
])("a convolution of which %s is left takes the faster kernel, to the same values", (_, columns, percent, mark) => {
  const { words, computed, isExact } = convolve(inputsFirst(sparseWeights(24, 144, columns, percent, 80)));
  expect(isExact).toBe(true);
  if (mark === 0) {
    expect(words[ConvI8.PAIR_SAFE]).toBeLessThan(2);
    expect(computed).toBeUndefined();
  } else {
    expect(words[ConvI8.PAIR_SAFE]).toBe(mark);
    expect(Math.abs(computed! - percent / 100)).toBeLessThan(0.1);
  }
});

/** The form of weights of 64 outputs of 256 inputs, in products of many rows. */
function formOf(weights: Int8Array, isFourBits = false): Sparse | null {
  return sparseForm(weights, 64, 256, 49, isFourBits);
}

test("zeros that lie anywhere leave a layer dense until most weights are gone", () => {
  const next = randomSource(3);
  const scattered = (percent: number): Int8Array =>
    Int8Array.from({ length: 64 * 256 }, () => (next() % 100 < percent ? (next() % 200) - 100 : 0));
  for (const percent of [100, 50, 20]) expect(formOf(scattered(percent))).toBeNull();
  for (const percent of [8, 5]) expect(formOf(scattered(percent))?.mark).toBe(ConvI8.SCATTERED);
  // With few rows, only what blocks leave out.
  expect(sparseForm(scattered(14), 64, 256, 15, false)).toBeNull();
  expect(sparseForm(scattered(5), 64, 256, 15, false)?.mark).toBe(ConvI8.BLOCKS_OF_1);
});

test("weights of four bits stay so unless more of them are gone", () => {
  const half = sparseWeights(64, 256, 1, 58, 8);
  expect(formOf(half)?.mark).toBe(ConvI8.BLOCKS_OF_1);
  expect(formOf(half, true)).toBeNull();
  expect(formOf(sparseWeights(64, 256, 1, 30, 8), true)?.mark).toBe(ConvI8.BLOCKS_OF_1);
});

test("weights too large to stand beside one another gain nothing from blocks", () => {
  expect(formOf(sparseWeights(64, 256, 1, 50).map((w) => (w === 0 ? 0 : w < 0 ? -127 : 127)))).toBeNull();
});

test("a single row of inputs takes blocks only where fewer are left", () => {
  const half = sparseWeights(64, 256, 2, 55, 80);
  expect(formOf(half)?.mark).toBe(ConvI8.BLOCKS_OF_2);
  expect(sparseForm(half, 64, 256, 1, false)).toBeNull();
  expect(sparseForm(sparseWeights(64, 256, 2, 30, 80), 64, 256, 1, false)?.mark).toBe(ConvI8.BLOCKS_OF_2);
});
