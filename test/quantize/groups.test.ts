/** Weights of few bits in groups: smaller noise, exact in every build, small in the file. */
import { expect, test } from "vitest";
import { type CompileOptions, compile, quantizeToOnnx } from "../../compiler/index.ts";
import { prepare, prepareBlind, roundWeights } from "../../compiler/quantize/gptq.ts";
import { groupingOf } from "../../compiler/quantize/groups.ts";
import { type WeightBits, weightLevels } from "../../compiler/quantize/weight-bits.ts";
import * as Packing from "../../format/packings.ts";
import { runtimeModule } from "../../host/builds.ts";
import { load } from "../../host/load.ts";
import { canonicalBytes, type Program } from "../../host/program.ts";
import { readEqm } from "../../host/reader.ts";
import { createScanner } from "../../host/scanner.ts";
import { randomNumbers } from "../passes/evaluation.ts";
import { floatTensor, ints, model, node, type TensorSpec, value } from "../support/onnx-model.ts";

const DEPTH = 96;
const OUTPUTS = 8;

/** Weights of which each sixteen have a range of their own. */
function unequal(count: number, seed: number): Float32Array {
  const random = randomNumbers(seed);
  const ranges = Array.from({ length: Math.ceil(count / 16) }, () => 0.1 + random() ** 2);
  return Float32Array.from({ length: count }, (_, i) => (random() + random() + random() - 1.5) * ranges[i >> 4]!);
}

const total = (data: Float64Array): number => data.reduce((a, b) => a + b, 0);

/** Factors that values show: the greatest common divisor of each group, null where all are 0. */
function divisors(values: Int8Array, depth: number, size: number): readonly (number | null)[] {
  const found: (number | null)[] = [];
  for (let row = 0; row < values.length; row += depth)
    for (let first = row; first < row + depth; first += size) {
      const own = values.subarray(first, Math.min(first + size, row + depth));
      const common = [15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1].find((f) => own.every((w) => w % f === 0))!;
      found.push(own.every((w) => w === 0) ? null : common);
    }
  return found;
}

test.each([4, 3, 2] as const)("groups of %i bits hold multiples of a factor, and lose less than one scale an output", async (bits) => {
  const weights = unequal(OUTPUTS * DEPTH, bits);
  const rule = { bits, sets: null, leastScales: new Float64Array(OUTPUTS) };
  const random = randomNumbers(7);
  const observed = Float64Array.from({ length: 400 * DEPTH }, (_, i) => random() + (i % 3 === 0 ? random() : 0) - 0.5);
  const covariance = new Float64Array(DEPTH * DEPTH);
  for (let n = 0; n < observed.length; n += DEPTH)
    for (let i = 0; i < DEPTH; i++)
      for (let j = 0; j < DEPTH; j++) covariance[i * DEPTH + j]! += (observed[n + i]! * observed[n + j]!) / 400;
  const moments = { depth: DEPTH, observations: 400, covariance, cross: covariance };
  for (const prepared of [prepareBlind(weights, DEPTH), (await prepare(weights, moments, null, async () => {}))!]) {
    const whole = roundWeights(prepared, rule).errors;
    for (const size of [8, 16, 40]) {
      const grouping = groupingOf(bits, DEPTH, size)!;
      const { values, errors } = roundWeights(prepared, { ...rule, grouping });
      const most = grouping.mostFactor * weightLevels(bits);
      expect(values.every((w) => Math.abs(w) <= most)).toBe(true);
      const factors = divisors(values, DEPTH, size);
      values.forEach((w, i) => {
        const factor = factors[Math.floor(i / DEPTH) * Math.ceil(DEPTH / size) + Math.floor((i % DEPTH) / size)] ?? 1;
        expect(Math.abs(w / factor)).toBeLessThanOrEqual(weightLevels(bits));
      });
      errors.forEach((error, o) => expect(error).toBeLessThanOrEqual(whole[o]!));
      expect(total(errors)).toBeLessThan(total(whole) * (size === 40 ? 1 : 0.8));
    }
  }
});

test("weights that are one group, or of more bits, have one scale an output", () => {
  expect(groupingOf(4, 32, 32)).toBeNull();
  expect(groupingOf(4, 33, 32)).not.toBeNull();
  expect(groupingOf(5, 64, 32)).toBeNull();
  expect(groupingOf(4, 64, undefined)).toBeNull();
  for (const bits of [4, 3, 2] as const)
    expect(groupingOf(bits, 64, 32)!.mostFactor * weightLevels(bits)).toBeLessThanOrEqual([7, 21, 49][bits - 2]!);
});

/** Weights whose ranges are equal within sixteen columns, in the order in which a file holds them: kernel row, kernel column, channel. */
function tensor(name: string, dims: readonly [number, number, number, number], seed: number): TensorSpec {
  const [outputs, channels, height, width] = dims;
  const depth = channels * height * width;
  const padded = Math.ceil(depth / 16) * 16;
  const rows = unequal(outputs * padded, seed);
  const at = (i: number): number => {
    const [o, c, tap] = [Math.floor(i / depth), Math.floor((i % depth) / (height * width)), i % (height * width)];
    return o * padded + tap * channels + c;
  };
  return floatTensor(
    name,
    [...dims],
    Array.from({ length: outputs * depth }, (_, i) => rows[at(i)]!),
  );
}

/** Two ends, a 3×3 layer of 72 columns in three segments, one of nine channels, and a layer of few columns. */
const NETWORK = model({
  nodes: [
    node("Conv", ["x", "w1"], ["a"], {}, { name: "first" }),
    node("Conv", ["a", "w2"], ["b"], { pads: ints(1, 1, 1, 1) }, { name: "square" }),
    node("Conv", ["b", "w3"], ["c"], { pads: ints(1, 1, 1, 1) }, { name: "odd" }),
    node("Conv", ["c", "w4"], ["d"], {}, { name: "narrow" }),
    node("Conv", ["d", "w5"], ["y"], {}, { name: "last" }),
  ],
  inputs: [value("x", [1, 3, 6, 6])],
  initializers: [
    ...[tensor("w1", [8, 3, 1, 1], 1), tensor("w2", [9, 8, 3, 3], 2), tensor("w3", [16, 9, 3, 3], 3)],
    ...[tensor("w4", [12, 16, 1, 1], 5), tensor("w5", [5, 12, 1, 1], 6)],
  ],
});

const ASKED = { minSqnrDb: -100 } as const;

/** Samples, a fresh iterable each time. */
function samples(): NonNullable<CompileOptions["calibration"]> {
  const random = randomNumbers(3);
  return Array.from({ length: 24 }, () => ({
    x: { dtype: "float32" as const, shape: [1, 3, 6, 6], data: Float32Array.from({ length: 108 }, () => random() * 2 - 1) },
  }));
}

async function programOf(bytes: Uint8Array): Promise<Program> {
  return readEqm(bytes, createScanner(await runtimeModule("plain")));
}

async function outputOf(bytes: Uint8Array): Promise<Float32Array> {
  const loaded = await load(bytes);
  const random = randomNumbers(9);
  const results = loaded.run({ x: Float32Array.from({ length: 108 }, () => random() * 2 - 1) });
  const output = (results["y"] as Float32Array).slice();
  loaded.dispose();
  return output;
}

test.each([
  [4, "gptq"],
  [3, "gptq"],
  [2, "gptq"],
  [3, "nearest"],
] as const)("a model of %i bits by %s in groups is closer, says so, and is the same in either coding", async (bits, rounding) => {
  const options = { ...ASKED, rounding, weights: bits as WeightBits, calibration: samples() };
  const whole = await compile(NETWORK, options);
  const { bytes, report } = await compile(NETWORK, { ...options, calibration: samples(), groupSize: 16 });
  expect(report.layers.map(({ name, weightBits, groupSize, weightBytes }) => [name, weightBits, groupSize, weightBytes])).toEqual([
    ["first", 8, undefined, 24],
    ["square", bits, 16, Math.ceil((648 * bits) / 8) + Math.ceil((9 * 5) / 2)],
    ["odd", bits, 16, Math.ceil((1296 * bits) / 8) + Math.ceil((16 * 6) / 2)],
    ["narrow", bits, undefined, Math.ceil((192 * bits) / 8)],
    ["last", 8, undefined, 60],
  ]);
  expect(report.outputs[0]!.sqnrDb).toBeGreaterThan(whole.report.outputs[0]!.sqnrDb + 1);
  const program = await programOf(bytes);
  expect(program.constants.filter(({ coding }) => coding?.encoding === Packing.GROUPED)).toHaveLength(2);
  const uncoded = await compile(NETWORK, { ...options, calibration: samples(), groupSize: 16, compression: "none" });
  const plain = await programOf(uncoded.bytes);
  // Codes of two bits take as much as the integers of four that they become.
  expect(plain.constants.filter(({ coding }) => coding?.encoding === Packing.GROUPED)).toHaveLength(bits === 2 ? 0 : 2);
  expect(plain.constants.map(canonicalBytes)).toEqual(program.constants.map(canonicalBytes));
  expect(await outputOf(uncoded.bytes)).toEqual(await outputOf(bytes));
});

test("groups of any weights are compiled without samples, and weights of eight bits stay as without them", async () => {
  const nearest = { ...ASKED, rounding: "nearest", pairSafe: false, weights: 4 } as const;
  const [whole, grouped] = [await compile(NETWORK, nearest), await compile(NETWORK, { ...nearest, groupSize: 16 })];
  expect(grouped.report.layers.flatMap(({ name, groupSize }) => (groupSize === 16 ? [name] : []))).toEqual(["square", "odd"]);
  for (const { groupSize, rounding } of grouped.report.layers) if (groupSize) expect(rounding!.now).toBeLessThan(rounding!.nearest * 0.6);
  const firsts = [whole, grouped].map(async ({ bytes }) => (await programOf(bytes)).constants[0]!.bytes);
  expect(await firsts[0]).toEqual(await firsts[1]);
});

test("an .onnx of weights in groups has one scale an output, and gives the same when it is compiled", async () => {
  const options = { ...ASKED, weights: 3, groupSize: 16 } as const;
  const { bytes: onnx } = await quantizeToOnnx(NETWORK, { ...options, calibration: samples() });
  const { bytes } = await compile(NETWORK, { ...options, calibration: samples() });
  const again = await compile(onnx);
  expect(await outputOf(again.bytes)).toEqual(await outputOf(bytes));
});

test.each([
  [{ groupSize: 7, weights: 4 }, "The option groupSize is 7; it takes a whole number from 8 to 1024."],
  [{ groupSize: 1025, weights: 4 }, "The option groupSize is 1025; it takes"],
  [{ groupSize: 16.5, weights: 4 }, "The option groupSize is 16.5; it takes"],
  [{ groupSize: 32 }, "The option groupSize is 32; it takes weights of 4 bits or fewer beside it."],
  [{ groupSize: 32, weights: 5 }, "The option groupSize is 32; it takes weights of 4 bits or fewer beside it."],
  [{ groupSize: 32, target: { latencyMs: 1 }, calibration: [] }, "The option groupSize is 32; it takes no target.latencyMs beside it"],
] as const)("%j is refused", async (options, message) => {
  await expect(compile(NETWORK, options as CompileOptions)).rejects.toMatchObject({
    code: "bad-option",
    fault: "usage",
    message: expect.stringContaining(message) as unknown,
  });
});

test("a model that comes quantized keeps its own scales: groups cannot be asked for", async () => {
  const { bytes } = await quantizeToOnnx(NETWORK, { ...ASKED, calibration: samples() });
  await expect(compile(bytes, { weights: 4, groupSize: 16 })).rejects.toMatchObject({ code: "already-quantized" });
});
