/** Rounding of weights: within the limits, better than to the nearest, and right where it can be checked by trying everything. */
import { expect, test } from "vitest";
import { roundHalfEven } from "../../compiler/lower/rescale.ts";
import { areSafe, keepTo, pairsOf, runsOf } from "../../compiler/lower/weight-sets.ts";
import { factor, solve } from "../../compiler/quantize/cholesky.ts";
import { type Moments, prepare, prepareBlind, roundingErrors, roundWeights } from "../../compiler/quantize/gptq.ts";
import { shortScale } from "../../compiler/quantize/scale-candidates.ts";
import { pairsFit, runOf, runsFit } from "../../format/packings.ts";
import { randomNumbers } from "../passes/evaluation.ts";

/** Moments of correlated inputs, and of the same inputs with errors. */
function momentsOf(depth: number, observations: number, seed: number): Moments {
  const random = randomNumbers(seed);
  const mix = Float64Array.from({ length: depth * depth }, () => random() - 0.5);
  const covariance = new Float64Array(depth * depth);
  const cross = new Float64Array(depth * depth);
  for (let n = 0; n < observations; n++) {
    const source = Float64Array.from({ length: depth }, () => random() - 0.5);
    const x = Float64Array.from(source, (_, i) => source.reduce((sum, s, j) => sum + s * mix[i * depth + j]!, 0));
    const seen = x.map((value) => value + (random() - 0.5) * 0.05);
    for (let i = 0; i < depth; i++) {
      for (let j = 0; j < depth; j++) {
        const at = i * depth + j;
        covariance[at] = covariance[at]! + (seen[i]! * seen[j]!) / observations;
        cross[at] = cross[at]! + (x[i]! * seen[j]!) / observations;
      }
    }
  }
  return { depth, observations, covariance, cross };
}

function weightsOf(count: number, seed: number): Float32Array {
  const random = randomNumbers(seed);
  return Float32Array.from({ length: count }, () => random() + random() + random() - 1.5);
}

const total = (data: Float64Array): number => data.reduce((a, b) => a + b, 0);

const noPause = async (): Promise<void> => {};

test("a matrix is the product of its factor and its transpose, and solving undoes multiplying", () => {
  for (const size of [1, 2, 3, 7, 33]) {
    const { covariance } = momentsOf(size, size * 4, size);
    const { upper, lower } = factor(covariance, size)!;
    for (let i = 0; i < size; i++) {
      for (let j = 0; j < size; j++) {
        let sum = 0;
        for (let k = 0; k < size; k++) sum += upper[i * size + k]! * upper[j * size + k]!;
        expect(sum).toBeCloseTo(covariance[i * size + j]!, 10);
        expect(lower[j * size + i]).toBe(upper[i * size + j]);
      }
    }
    const v = Float64Array.from({ length: size }, (_, i) => i - 2);
    const t = v.map((_, j) => v.reduce((sum, x, i) => sum + x * covariance[i * size + j]!, 0));
    solve({ size, upper, lower, isDiagonal: false }, t);
    t.forEach((x, i) => expect(x).toBeCloseTo(v[i]!, 4));
  }
  expect(factor(Float64Array.of(1, 2, 2, 1), 2)).toBeNull();
  expect(factor(Float64Array.of(Number.NaN), 1)).toBeNull();
});

test.each([8, 4, 3, 2] as const)(
  "weights of %d bits stay within their levels and add less noise than rounding to nearest",
  async (bits) => {
    const levels = 2 ** (bits - 1) - 1;
    for (const depth of [2, 9, 31, 64]) {
      const weights = weightsOf(6 * depth, depth);
      const prepared = (await prepare(weights, momentsOf(depth, 400, depth + 1), null, noPause))!;
      const { values, scales, errors } = roundWeights(prepared, { bits, sets: null, leastScales: new Float64Array(6) });
      expect(values.every((q) => Math.abs(q) <= levels)).toBe(true);
      const nearest = values.map((_, i) =>
        Math.max(-levels, Math.min(levels, roundHalfEven(weights[i]! / scales[Math.floor(i / depth)]!))),
      );
      expect(total(errors)).toBeLessThanOrEqual(total(roundingErrors(prepared, nearest, scales)) * 1.000001);
      const measured = roundingErrors(prepared, values, scales);
      errors.forEach((error, o) => expect(measured[o]! / error).toBeCloseTo(1, 6));
    }
  },
);

/** Of each set of an output's weights, by the definitions of format/packings.ts, what its positive and its negative weights add up to. */
function sumsOf(
  values: Int8Array,
  depth: number,
  setOf: (k: number) => number,
): readonly { readonly more: number; readonly less: number }[] {
  const sums = new Map<number, { more: number; less: number }>();
  values.forEach((q, i) => {
    const set = Math.floor(i / depth) * 2 * depth + setOf(i % depth);
    const { more, less } = sums.get(set) ?? { more: 0, less: 0 };
    sums.set(set, { more: more + Math.max(0, q), less: less - Math.min(0, q) });
  });
  return [...sums.values()];
}

test.each(["pairs", "runs"] as const)(
  "%s of weights keep to their limit, at less noise than scales that hold the largest of them",
  async (kind) => {
    for (const depth of [2, 5, 24, 65]) {
      const weights = weightsOf(8 * depth, depth + 3);
      const sets = (kind === "pairs" ? pairsOf : runsOf)(1, depth)!;
      const prepared = (await prepare(weights, momentsOf(depth, 500, depth), null, noPause))!;
      const { values, scales, errors } = roundWeights(prepared, { bits: 8, sets, leastScales: new Float64Array(8) });
      const wide = new Float32Array(8);
      for (let o = 0; o < 8; o++) {
        const row = weights.subarray(o * depth, (o + 1) * depth);
        for (let k = 0; k < depth; k++) {
          const together = row.filter((w, i) => sets.sets[i] === sets.sets[k] && (kind === "pairs" || w * row[k]! > 0));
          wide[o] = Math.max(wide[o]!, Math.abs(row[k]!) / 127, together.reduce((sum, w) => sum + Math.abs(w), 0) / 127);
        }
      }
      for (const { more, less } of sumsOf(values, depth, kind === "pairs" ? (k) => k >> 1 : runOf))
        expect(kind === "pairs" ? more + less : Math.max(more, less)).toBeLessThanOrEqual(128);
      expect(keepTo(sets, values)).toBe(true);
      const nearest = values.map((_, i) => roundHalfEven(weights[i]! / wide[Math.floor(i / depth)]!));
      expect(total(errors)).toBeLessThan(total(roundingErrors(prepared, nearest, wide)));
      expect(scales.every((s) => s > 0)).toBe(true);
    }
  },
);

test("runs of a weight far larger than the others keep to their limit, with scales held above it and below it", async () => {
  for (const depth of [8, 21, 40]) {
    const weights = weightsOf(6 * depth, depth + 9).map((w, i) => (i % 7 === 0 ? w * 30 : w));
    const prepared = (await prepare(weights, momentsOf(depth, 300, depth + 2), null, noPause))!;
    for (const least of [0, 0.01, 3]) {
      const { values } = roundWeights(prepared, { bits: 8, sets: runsOf(1, depth), leastScales: new Float64Array(6).fill(least) });
      for (const { more, less } of sumsOf(values, depth, runOf)) expect(Math.max(more, less)).toBeLessThanOrEqual(128);
    }
  }
});

test("sets that so few levels keep to anyway change nothing", async () => {
  const depth = 37;
  const prepared = (await prepare(weightsOf(5 * depth, 4), momentsOf(depth, 300, 6), null, noPause))!;
  const [pairs, runs] = [pairsOf(1, depth)!, runsOf(1, depth)!];
  expect([127, 64, 63, 32, 31].map((levels) => [areSafe(pairs, levels), areSafe(runs, levels)])).toEqual([
    [false, false],
    [true, false],
    [true, false],
    [true, true],
    [true, true],
  ]);
  const rule = { bits: 8, leastScales: new Float64Array(5) } as const;
  expect(roundWeights(prepared, { ...rule, levels: 63, sets: pairs })).toEqual(roundWeights(prepared, { ...rule, levels: 63, sets: null }));
  expect(roundWeights(prepared, { ...rule, levels: 31, sets: runs })).toEqual(roundWeights(prepared, { ...rule, levels: 31, sets: null }));
  expect(roundWeights(prepared, { ...rule, levels: 127, sets: runs })).not.toEqual(
    roundWeights(prepared, { ...rule, levels: 127, sets: null }),
  );
});

test("what is a pair and what is a run is where weights stand in the packed depth, as packings say", () => {
  const random = randomNumbers(11);
  for (const [segments, length] of [
    [1, 1],
    [1, 7],
    [1, 30],
    [3, 8],
    [3, 7],
    [2, 12],
    [2, 5],
  ] as const) {
    const depth = segments * length;
    const [pairs, runs] = [pairsOf(segments, length), runsOf(segments, length)];
    expect([pairs !== null, runs !== null]).toEqual([pairsFit(segments, length), runsFit(segments, length)]);
    const placeOf = (k: number): number => Math.floor(k / length) * 2 * Math.ceil(length / 2) + (k % length);
    const run = (place: number): number => 2 * Math.floor(place / 8) + ([0, 1, 4, 5].includes(place % 8) ? 0 : 1);
    for (let round = 0; round < 200; round++) {
      const values = Int8Array.from({ length: 2 * depth }, () => Math.floor((random() - 0.5) * (round % 2 === 0 ? 160 : 100)));
      const inPairs = sumsOf(values, depth, (k) => Math.floor(placeOf(k) / 2));
      const inRuns = sumsOf(values, depth, (k) => run(placeOf(k)));
      if (pairs) expect(keepTo(pairs, values)).toBe(inPairs.every(({ more, less }) => more + less <= 128));
      if (runs) expect(keepTo(runs, values)).toBe(inRuns.every(({ more, less }) => more <= 128 && less <= 128));
    }
  }
});

test("one weight is rounded to the nearest multiple of its scale; zeros stay zeros with a scale; a least scale is kept", () => {
  const rule = { bits: 8, sets: null, leastScales: Float64Array.of(0, 0, 0.5) } as const;
  const { values, scales } = roundWeights(prepareBlind(Float32Array.of(1, 0, 0, 0, 1, 2), 2), rule);
  expect(values[0]! * scales[0]!).toBeCloseTo(1, 2);
  expect([...values.subarray(2, 4)]).toEqual([0, 0]);
  expect(scales[1]).toBeGreaterThan(0);
  expect(scales[2]).toBeGreaterThanOrEqual(0.5);
  expect([...values.subarray(4)]).toEqual([2, 4]);
});

test("inputs that never vary, fewer observations than inputs, and moments that are not finite are all survived", async () => {
  const still = { depth: 3, observations: 10, covariance: new Float64Array(9), cross: new Float64Array(9) };
  const weights = Float32Array.of(0.3, -1, 0.25);
  const prepared = (await prepare(weights, still, null, noPause))!;
  prepared.refitted.forEach((w, k) => expect(w).toBeCloseTo(weights[prepared.order[k]!]!, 10));
  const few = (await prepare(weightsOf(40, 1), momentsOf(40, 5, 2), null, noPause))!;
  expect(few.refitted.every(Number.isFinite)).toBe(true);
  expect(await prepare(weights, { ...still, covariance: still.covariance.map(() => Number.NaN) }, null, noPause)).toBeNull();
});

test("of scales whose error does not matter the largest is taken, and where it does the best is", async () => {
  for (const depth of [9, 31, 64]) {
    const weights = weightsOf(6 * depth, depth);
    const prepared = (await prepare(weights, momentsOf(depth, 400, depth + 1), null, noPause))!;
    for (const sets of [null, pairsOf(1, depth), runsOf(1, depth)]) {
      const rule = { bits: 8, sets, leastScales: new Float64Array(6) } as const;
      const best = roundWeights(prepared, rule);
      expect(roundWeights(prepared, { ...rule, negligible: new Float64Array(6) })).toEqual(best);
      const negligible = best.errors.map((error, o) => error * [4, 16, 64, 0, 1e4, 0.5][o]!);
      const { values, scales, errors } = roundWeights(prepared, { ...rule, negligible });
      for (const [o, factor] of [1.2, 2, 3, 1, 3.5, 1].entries()) {
        const row = values.subarray(o * depth, (o + 1) * depth);
        expect(errors[o]).toBeLessThanOrEqual(Math.max(negligible[o]!, best.errors[o]!));
        expect(scales[o]! / best.scales[o]!).toBeGreaterThanOrEqual(factor);
        expect(row.reduce((most, q) => Math.max(most, Math.abs(q)), 0)).toBeGreaterThanOrEqual(12);
      }
      expect([scales[3], scales[5]]).toEqual([best.scales[3], best.scales[5]]);
    }
  }
});

test("a short scale is next to the given one, and two bytes of the product are the same of all", () => {
  const random = randomNumbers(5);
  let short = 0;
  for (let i = 0; i < 500; i++) {
    const [scale, input, result] = [random() ** 4, random() ** 4, i % 5 === 0 ? 1 : random()].map((x) => Math.fround(x + 1e-6)) as [
      number,
      number,
      number,
    ];
    const found = shortScale(scale, input, result);
    expect(Math.fround(found)).toBe(found);
    expect(Math.abs(found / scale - 1)).toBeLessThan(2 ** -4.9);
    const product = Math.fround(Math.fround(input * found) / result);
    if (new Uint16Array(Float32Array.of(product).buffer)[0] === 0x5555) short++;
  }
  expect(short).toBeGreaterThanOrEqual(495);
});
