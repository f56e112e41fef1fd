/** Weights of fewer than eight bits: which layers get them, how they are rounded, and that every build runs them alike. */
import { expect, test } from "vitest";
import { encodeNibbles } from "../../compiler/emit/nibbles.ts";
import { compile } from "../../compiler/index.ts";
import { int8Nodes } from "../../compiler/quantize/scope.ts";
import { chooseWeightBits, type WeightBits } from "../../compiler/quantize/weight-bits.ts";
import { quantizeWeights } from "../../compiler/quantize/weights.ts";
import * as Packing from "../../format/packings.ts";
import { runtimeModule } from "../../host/builds.ts";
import { readEqm } from "../../host/reader.ts";
import { createScanner } from "../../host/scanner.ts";
import type { Tensor } from "../../host/tensor.ts";
import { graphOf, randomNumbers } from "../passes/evaluation.ts";
import { floatTensor, int, ints, model, node, type TensorSpec, value } from "../support/onnx-model.ts";

function chosen(text: string, bits: WeightBits): Readonly<Record<string, number>> {
  const graph = graphOf(text);
  return Object.fromEntries(chooseWeightBits(graph, int8Nodes(graph, new Set()), bits));
}

const TWO_ENDS = `input x float32[1,4,8,8]
%a ? = Conv(%x, <wa float32[4,4,1,1]>)
%r ? = Relu(%a)
%b ? = Conv(%r, <wb float32[4,4,1,1]>)
%d ? = Conv(%b, <wd float32[4,1,3,3]>) group=4
%g ? = Conv(%d, <wg float32[4,2,1,1]>) group=2
%p ? = Conv(%g, <wp float32[4,4,1,1]>)
%q ? = Conv(%g, <wq float32[4,4,1,1]>)
%s ? = Conv(%r, <ws float32[4,4,1,1]>)
output %p
output %q
output %s
`;

test("depthwise layers keep eight bits, and so do those at either end where there are to be five or fewer", () => {
  expect(chosen(TWO_ENDS, 7)).toEqual({ a: 7, b: 7, g: 7, p: 7, q: 7, s: 7 });
  expect(chosen(TWO_ENDS, 6)).toEqual({ a: 6, b: 6, g: 6, p: 6, q: 6, s: 6 });
  expect(chosen(TWO_ENDS, 5)).toEqual({ b: 5, g: 5 });
  expect(chosen(TWO_ENDS, 4)).toEqual({ b: 4, g: 4 });
  expect(chosen(TWO_ENDS, 2)).toEqual({ b: 2, g: 2 });
  expect(chosen(TWO_ENDS, 8)).toEqual({});
});

test.each([
  [7, 63],
  [6, 31],
  [5, 15],
  [4, 7],
  [3, 3],
  [2, 1],
] as const)("weights of %i bits are within ±%i, and no other scale that ends in the range is closer", (bits, levels) => {
  const random = randomNumbers(bits);
  const data = Float32Array.from({ length: 6 * 50 }, () => (random() + random() + random() - 1.5) * 3);
  const weights: Tensor = { dtype: "float32", shape: [6, 50], data };
  const { values, scales } = quantizeWeights(weights, 0, 1, null, bits);
  for (const q of values.data) expect(Math.abs(Number(q))).toBeLessThanOrEqual(levels);
  const errorOf = (c: number, scale: number): number => {
    let sum = 0;
    for (const x of data.subarray(c * 50, c * 50 + 50)) {
      const q = Math.max(-levels, Math.min(levels, Math.round(x / scale)));
      sum += (x - q * scale) ** 2;
    }
    return sum;
  };
  scales.forEach((scale, c) => {
    const largest = data.subarray(c * 50, c * 50 + 50).reduce((m, x) => Math.max(m, Math.abs(x)), 0);
    expect(scale).toBeLessThanOrEqual((largest / levels) * (1 + 1e-6));
    for (let part = 0.2; part <= 1; part += 0.02)
      expect(errorOf(c, scale)).toBeLessThanOrEqual(errorOf(c, (largest * part) / levels) * 1.0001);
  });
});

test("a channel of zeros of few bits has a scale", () => {
  const { values, scales } = quantizeWeights({ dtype: "float32", shape: [2, 3], data: Float32Array.of(0, 0, 0, 1, 2, 3) }, 0, 1, null, 4);
  expect([...values.data]).toEqual([0, 0, 0, 2, 5, 7]);
  expect([...scales].every((s) => s > 0 && Number.isFinite(s))).toBe(true);
});

function weights(name: string, dims: number[], seed: number): TensorSpec {
  const random = randomNumbers(seed);
  const count = dims.reduce((a, b) => a * b, 1);
  return floatTensor(
    name,
    dims,
    Array.from({ length: count }, () => Math.fround(random() + random() - 1)),
  );
}

/** Two ends, a 3×3 layer, one of an odd number of channels, a depthwise and a grouped one. */
const NETWORK = model({
  nodes: [
    node("Conv", ["x", "w1"], ["a"], {}, { name: "first" }),
    node("Conv", ["a", "w2"], ["b"], { pads: ints(1, 1, 1, 1) }, { name: "square" }),
    node("Conv", ["b", "w3"], ["c"], { pads: ints(1, 1, 1, 1) }, { name: "odd" }),
    node("Conv", ["c", "wd"], ["d"], { group: int(9) }, { name: "depthwise" }),
    node("Conv", ["d", "w4"], ["e"], { group: int(3) }, { name: "grouped" }),
    node("Conv", ["e", "w5"], ["y"], {}, { name: "last" }),
  ],
  inputs: [value("x", [1, 3, 6, 6])],
  initializers: [
    ...[weights("w1", [8, 3, 1, 1], 1), weights("w2", [9, 8, 3, 3], 2), weights("w3", [9, 9, 3, 3], 3)],
    ...[weights("wd", [9, 1, 3, 3], 4), weights("w4", [12, 3, 1, 1], 5), weights("w5", [5, 12, 1, 1], 6)],
  ],
});

test.each([4, 3, 2] as const)("a model of %i bits holds them, says so, and is smaller", async (bits) => {
  const options = { minSqnrDb: -100 } as const;
  const { bytes, report } = await compile(NETWORK, { ...options, weights: bits });
  const layers = report.layers.map(({ name, weightBits, weightBytes }) => [name, weightBits, weightBytes]);
  expect(layers).toEqual([
    ["first", 8, 24],
    ["square", bits, Math.ceil((648 * bits) / 8)],
    ["odd", bits, Math.ceil((729 * bits) / 8)],
    ["depthwise", 8, 81],
    ["grouped", bits, Math.ceil((36 * bits) / 8)],
    ["last", 8, 60],
  ]);
  const { constants } = readEqm(bytes, createScanner(await runtimeModule("plain")));
  const packings = constants.map(({ packing, p0, p1, p2 }) => [packing, p0, p1, p2]).filter(([packing]) => packing === Packing.GEMM_I4);
  expect(packings).toEqual([
    [Packing.GEMM_I4, 9, 3, 24],
    [Packing.GEMM_I4, 9, 1, 81],
    [Packing.GEMM_I4, 4, 1, 3],
  ]);
  const eight = await compile(NETWORK, { ...options, weights: 8 });
  expect(bytes.length).toBeLessThan(eight.bytes.length - 600);
});

test.each([7, 6, 5] as const)("a model of %i bits is multiplied as one of eight, all of it pair-safe, and is smaller", async (bits) => {
  const { bytes, report } = await compile(NETWORK, { minSqnrDb: -100, weights: bits });
  const ends = bits === 5 ? 8 : bits;
  expect(report.layers.map(({ name, weightBits }) => [name, weightBits])).toEqual([
    ["first", ends],
    ["square", bits],
    ["odd", bits],
    ["depthwise", 8],
    ["grouped", bits],
    ["last", ends],
  ]);
  expect(report.layers.filter(({ weightBits, pairSafe }) => weightBits < 8 && !pairSafe)).toEqual([]);
  const eight = await compile(NETWORK, { minSqnrDb: -100, weights: 8 });
  expect(bytes.length).toBeLessThan(eight.bytes.length - (8 - bits) * 100);
});

test("a quantized model whose weights are int4 keeps them", async () => {
  const scalar = (name: string, x: number) => floatTensor(name, [], [x]);
  const nibbles = encodeNibbles(Uint8Array.from({ length: 8 * 16 }, (_, i) => ((i * 7) % 16) - 8)).subarray(4);
  const onnx = model({
    opset: 21,
    nodes: [
      node("QuantizeLinear", ["x", "sx", "zx"], ["xq"]),
      node("DequantizeLinear", ["xq", "sx", "zx"], ["xd"]),
      node("DequantizeLinear", ["w", "sw"], ["wd"], { axis: int(0) }),
      node("Conv", ["xd", "wd"], ["c"], {}, { name: "conv" }),
      node("QuantizeLinear", ["c", "sy", "zx"], ["yq"]),
      node("DequantizeLinear", ["yq", "sy", "zx"], ["y"]),
    ],
    inputs: [value("x", [1, 16, 2, 2])],
    initializers: [
      ...[scalar("sx", 0.05), scalar("sy", 0.5), { name: "zx", dims: [], dataType: 3, int32Data: [0] }],
      floatTensor(
        "sw",
        [8],
        [1, 2, 3, 4, 5, 6, 7, 8].map((s) => s / 16),
      ),
      { name: "w", dims: [8, 16, 1, 1], dataType: 22, rawData: nibbles },
    ],
  });
  const { bytes } = await compile(onnx, { precision: "float32" });
  const { constants } = readEqm(bytes, createScanner(await runtimeModule("plain")));
  expect(constants.filter(({ packing }) => packing === Packing.GEMM_I4).map(({ p0, p1, p2 }) => [p0, p1, p2])).toEqual([[8, 1, 16]]);
});
