import { expect, test } from "vitest";
import type { Value } from "../../compiler/ir/graph.ts";
import { rescale } from "../../compiler/lower/rescale.ts";
import { biasScales, quantizeBias, quantizeWeights } from "../../compiler/quantize/weights.ts";
import type { Tensor } from "../../host/tensor.ts";
import { randomNumbers } from "../passes/evaluation.ts";

function tensor(shape: readonly number[], values: readonly number[]): Tensor {
  return { dtype: "float32", shape, data: Float32Array.from(values) };
}

test("each channel has the scale of its largest weight, on either axis", () => {
  const rows = quantizeWeights(tensor([2, 3], [1, -2, 0.5, 12.7, 6.36, 0.1]), 0, 1, null);
  expect([...rows.scales]).toEqual([Math.fround(2 / 127), Math.fround(12.7 / 127)]);
  expect([...rows.values.data]).toEqual([64, -127, 32, 127, 64, 1]);
  const columns = quantizeWeights(tensor([2, 3], [1, -2, 0.5, 12.7, 6.36, 0.1]), 1, 1, null);
  expect([...columns.scales]).toEqual([12.7, 6.36, 0.5].map((x) => Math.fround(Math.fround(x) / 127)));
  expect([...columns.values.data]).toEqual([10, -40, 127, 127, 127, 25]);
});

test("an inner axis of a tensor of rank 4 is quantized by its own elements", () => {
  const data = Array.from({ length: 24 }, (_, i) => i - 12);
  const { values, scales } = quantizeWeights(tensor([2, 3, 2, 2], data), 1, 1, null);
  expect([...scales]).toEqual([12, 8, 11].map((x) => Math.fround(x / 127)));
  data.forEach((x, i) =>
    expect(Math.abs(Number(values.data[i]) * scales[Math.floor(i / 4) % 3]! - x)).toBeLessThanOrEqual(
      scales[Math.floor(i / 4) % 3]! / 2 + 1e-6,
    ),
  );
});

test("weights stay within ±127 and within half a step", () => {
  const random = randomNumbers(7);
  const data = Array.from({ length: 64 * 27 }, () => (random() - 0.5) * 10 ** (4 * random() - 2));
  const { values, scales } = quantizeWeights(tensor([64, 3, 3, 3], data), 0, 0.1, null);
  values.data.forEach((q: number | bigint, i: number) => {
    expect(Math.abs(Number(q))).toBeLessThanOrEqual(127);
    expect(Math.abs(Number(q) * scales[Math.floor(i / 27)]! - data[i]!)).toBeLessThanOrEqual(scales[Math.floor(i / 27)]! * 0.50001);
  });
});

test("a channel of zeros has a scale, and keeps its bias", () => {
  const bias = Float32Array.of(3, 100, 0);
  const { values, scales } = quantizeWeights(tensor([3, 2], [0, 0, 0, 0, 0, 0]), 0, 0.02, bias);
  expect([...values.data]).toEqual([0, 0, 0, 0, 0, 0]);
  expect([...scales].every((s) => s > 0 && Number.isFinite(s))).toBe(true);
  const q = quantizeBias(bias, 0.02, scales);
  const units = biasScales(0.02, scales).data as Float32Array;
  bias.forEach((b, c) => expect(Math.abs(Number(q.data[c]) * units[c]! - b)).toBeLessThanOrEqual(Math.abs(b) * 1e-5 + units[c]!));
});

test("a bias that is huge beside its weights is kept, and the weights give way", () => {
  const bias = Float32Array.of(1e6, -3e9);
  const { scales } = quantizeWeights(tensor([2, 2], [1e-3, -1e-3, 1e-3, 0]), 0, 1e-4, bias);
  const q = quantizeBias(bias, 1e-4, scales);
  const units = biasScales(1e-4, scales).data as Float32Array;
  bias.forEach((b, c) => {
    expect(Math.abs(Number(q.data[c]))).toBeLessThanOrEqual(2 ** 29 + 64);
    expect(Math.abs(Number(q.data[c]) * units[c]! - b)).toBeLessThanOrEqual(Math.abs(b) * 1e-6);
  });
});

test.each([100_000, 1_000_000])("no input makes the sum of a layer over %i weights overflow int32", (depth) => {
  for (const zeroPoint of [-128, 0, 127]) {
    const weights = tensor([1, depth], new Array<number>(depth).fill(0.5));
    const bias = Float32Array.of(100);
    const inputScale = 1e-3;
    const { values, scales } = quantizeWeights(weights, 0, inputScale, bias);
    const integers = quantizeBias(bias, inputScale, scales).data as Int32Array;
    const input = { value: null as unknown as Value, scale: inputScale, zeroPoint };
    const folded = rescale(input, { values: values.data as Int8Array, outputs: 1, scales }, integers, null);
    expect(folded).not.toBeNull();
    expect(Math.abs(Number(values.data[0]) * scales[0]! - 0.5)).toBeLessThan(0.5 / 3);
  }
});

test("a layer of usual depth is not touched by the bound for deep ones", () => {
  const weights = tensor([1, 25_088], new Array<number>(25_088).fill(0.5));
  expect([...quantizeWeights(weights, 0, 1, null).scales]).toEqual([Math.fround(0.5 / 127)]);
});

test("a bias is rounded half to even", () => {
  expect([...quantizeBias(Float32Array.of(0.5, 1.5, -0.5, -1.5, 2.25), 1, Float32Array.of(1, 1, 1, 1, 1)).data]).toEqual(
    [0, 2, -0, -2, 2].map((x) => x | 0),
  );
});
