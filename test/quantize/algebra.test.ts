/** The compiler's WebAssembly linear algebra against the same sums in TypeScript, bit for bit. */
import { describe, expect, test } from "vitest";
import { roundHalfEven } from "../../compiler/lower/rescale.ts";
import { matesOf, pairsOf, runsOf, type WeightSets } from "../../compiler/lower/weight-sets.ts";
import { LANES, multiply, quadraticForms, transposed, Workspace } from "../../compiler/quantize/algebra.ts";
import { factor, solve } from "../../compiler/quantize/cholesky.ts";
import { prepare, roundWeights } from "../../compiler/quantize/gptq.ts";
import { type ColumnGroups, columnGroups } from "../../compiler/quantize/groups.ts";
import type { WeightBits } from "../../compiler/quantize/weight-bits.ts";
import { randomNumbers } from "../passes/evaluation.ts";

const SIZES = [1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 33, 50];

const noPause = async (): Promise<void> => {};

function numbers(count: number, seed: number): Float64Array<ArrayBuffer> {
  const random = randomNumbers(seed);
  return Float64Array.from({ length: count }, () => random() + random() - 1);
}

/** A symmetric positive definite matrix. */
function definite(size: number, seed: number): Float64Array<ArrayBuffer> {
  const a = numbers(size * size, seed);
  const matrix = new Float64Array(size * size);
  for (let i = 0; i < size; i++) {
    for (let j = 0; j < size; j++) {
      let sum = i === j ? 0.1 : 0;
      for (let k = 0; k < size; k++) sum += a[i * size + k]! * a[j * size + k]!;
      matrix[i * size + j] = sum;
    }
  }
  return matrix;
}

function dot(a: Float64Array, b: Float64Array): number {
  const sums = [0, 0, 0, 0];
  const whole = a.length - (a.length % 4);
  for (let i = 0; i < a.length; i++) {
    const at = i < whole ? i % 4 : 0;
    sums[at] = sums[at]! + a[i]! * b[i]!;
  }
  return sums[0]! + sums[1]! + (sums[2]! + sums[3]!);
}

function upperOf(matrix: Float64Array, size: number): Float64Array {
  const upper = new Float64Array(size * size);
  for (let j = size - 1; j >= 0; j--) {
    let pivot = matrix[j * size + j]!;
    for (let k = j + 1; k < size; k++) pivot -= upper[j * size + k]! ** 2;
    upper[j * size + j] = Math.sqrt(pivot);
    const behind = (i: number): Float64Array => upper.subarray(i * size + j + 1, (i + 1) * size);
    for (let i = 0; i < j; i++) upper[i * size + j] = (matrix[i * size + j]! - dot(behind(i), behind(j))) / upper[j * size + j]!;
  }
  return upper;
}

function solved(upper: Float64Array, size: number, t: Float64Array): Float64Array {
  const v = t.slice();
  for (let i = size - 1; i >= 0; i--) {
    for (let k = i + 1; k < size; k++) v[i] = v[i]! - v[k]! * upper[i * size + k]!;
    v[i] = v[i]! / upper[i * size + i]!;
  }
  for (let k = 0; k < size; k++) {
    for (let i = 0; i < k; i++) v[k] = v[k]! - v[i]! * upper[i * size + k]!;
    v[k] = v[k]! / upper[k * size + k]!;
  }
  return v;
}

test.each(SIZES)("a factor of size %d is the one of fixed order, and so is what it solves for any number of rows", (size) => {
  const matrix = definite(size, size);
  const expected = upperOf(matrix, size);
  const found = factor(matrix, size)!;
  expect(found.upper).toEqual(expected);
  expect(found.lower).toEqual(transposed(expected, size));
  for (const count of [1, 2, LANES - 1, LANES, LANES + 1, 2 * LANES + 3]) {
    const rows = numbers(count * size, 31 * size + count);
    const t = rows.slice();
    solve(found, t);
    for (let o = 0; o < count; o++)
      expect(t.subarray(o * size, (o + 1) * size)).toEqual(solved(expected, size, rows.subarray(o * size, (o + 1) * size)));
  }
});

test("no rows and no columns are nothing", () => {
  const empty = factor(new Float64Array(0), 0)!;
  solve(empty, new Float64Array(0));
  expect(empty.upper).toHaveLength(0);
  expect(multiply([], { matrix: definite(3, 1), size: 3 })).toHaveLength(0);
});

describe("multiply", () => {
  test.each(SIZES)("adds up the products of rows of %d in the order of their columns", (size) => {
    const count = (size % 7) * 6 + 1;
    const rows = numbers(count * size, size);
    for (const height of [1, size, size + 5]) {
      const matrix = numbers(height * size, size + height);
      const of = (o: number, k: number): number => {
        let sum = 0;
        for (let i = 0; i < size; i++) sum += rows[o * size + i]! * matrix[k * size + i]!;
        return sum;
      };
      const expected = Float64Array.from({ length: count * height }, (_, at) => of(Math.floor(at / height), at % height));
      expect(multiply(rows, { matrix, size })).toEqual(expected);
    }
  });

  test.each(SIZES)("takes the lower half of a matrix of size %d, or adds to its diagonal", (size) => {
    const [rows, matrix] = [numbers(20 * size, size), numbers(size * size, size + 1)];
    const of = (at: number, isLower: boolean): number => {
      const [o, k] = [Math.floor(at / size), at % size];
      let sum = 0;
      for (let i = 0; i < (isLower ? k + 1 : size); i++) {
        sum += rows[o * size + i]! * matrix[k * size + i]!;
        if (!isLower && i === k) sum += rows[at]! * 0.37;
      }
      return sum;
    };
    expect(multiply(rows, { matrix, size, isLower: true })).toEqual(rows.map((_, at) => of(at, true)));
    expect(multiply(rows, { matrix, size, ridge: 0.37 })).toEqual(rows.map((_, at) => of(at, false)));
  });

  test("gives the form of float32 rows, row by row and column by column", () => {
    const [size, count] = [19, 21];
    const [rows, matrix] = [new Float32Array(numbers(count * size, 1)), numbers(size * size, 2)];
    let total = 0;
    for (let o = 0; o < count; o++) {
      for (let i = 0; i < size; i++) {
        let inner = 0;
        for (let j = 0; j < size; j++) inner += rows[o * size + j]! * matrix[i * size + j]!;
        total += inner * rows[o * size + i]!;
      }
    }
    expect(quadraticForms(rows, matrix, size)).toBe(total);
  });
});

/** What a weight may be beside those of its set that are rounded and those that are not yet, as gptq.ts states it. */
function share(t: number, { limit, bySign }: WeightSets, rounded: readonly number[], toCome: readonly number[]): number {
  const counts = (other: number): boolean => !bySign || other * t > 0;
  let room = limit;
  for (const q of rounded.filter(counts)) room -= Math.abs(q);
  const sharing = toCome.filter(counts);
  const excess = sharing.reduce((sum, other) => sum + Math.abs(other), Math.abs(t)) - room;
  return excess <= 0 ? room : Math.min(room, Math.round(Math.max(0, Math.abs(t) - excess / (sharing.length + 1))));
}

const SETS = { pairs: (depth: number) => pairsOf(1, depth), runs: (depth: number) => runsOf(1, depth), none: () => null };

/** What scales come to for a row, each weight rounded by itself: the factor of each group, and the error. */
function tried(
  row: Float64Array,
  scale: number,
  levels: number,
  sets: WeightSets | null,
  order: Int32Array,
  pivots: Float64Array,
  { groupOf, count, mostFactor }: ColumnGroups,
): { readonly factors: readonly number[]; readonly error: number } {
  const errorOf = (group: number, factor: number): number => {
    let error = 0;
    row.forEach((w, k) => {
      if (groupOf[k] !== group) return;
      const mates = sets ? [...order.keys()].filter((i) => i !== k && sets.sets[order[i]!] === sets.sets[order[k]!]) : [];
      const others = mates.map((i) => row[i]! / scale);
      const limit = sets ? Math.min(levels, Math.floor(share(w / scale, sets, [], others) / factor)) : levels;
      const d = Math.max(-limit, Math.min(limit, roundHalfEven(w / (scale * factor)))) * (scale * factor) - w;
      error += d * d * pivots[k]!;
    });
    return error;
  };
  let error = 0;
  const factors = Array.from({ length: count }, (_, group) => {
    const errors = Array.from({ length: mostFactor }, (_, f) => errorOf(group, f + 1));
    error += Math.min(...errors);
    return errors.indexOf(Math.min(...errors)) + 1;
  });
  return { factors, error };
}

test.each([
  { bits: 8, bound: "pairs", isSparse: false },
  { bits: 8, bound: "runs", isSparse: false },
  { bits: 8, bound: "runs", isSparse: true },
  { bits: 7, bound: "runs", isSparse: false },
  { bits: 8, bound: "none", isSparse: true },
  { bits: 4, bound: "none", isSparse: false },
  { bits: 2, bound: "none", isSparse: true },
  { bits: 4, bound: "none", isSparse: false, grouping: { size: 4, mostFactor: 9 } },
  { bits: 4, bound: "runs", isSparse: true, grouping: { size: 8, mostFactor: 15 } },
  { bits: 3, bound: "pairs", isSparse: false, grouping: { size: 5, mostFactor: 40 } },
  { bits: 2, bound: "none", isSparse: false, grouping: { size: 16, mostFactor: 7 } },
] as const)("rounding %j compensates in the stated order", async ({ bits, bound, isSparse, ...rule }) => {
  const grouping = ("grouping" in rule && rule.grouping) || null;
  for (const [depth, outputs] of [
    [1, 1],
    [2, 5],
    [9, 3],
    [18, 4],
    [31, 9],
  ] as const) {
    const seed = depth * 7 + outputs;
    const weights = new Float32Array(numbers(outputs * depth, seed));
    const support = isSparse ? Uint8Array.from(weights, (w) => (Math.abs(w) > 0.4 ? 1 : 0)) : null;
    if (support) for (let i = 0; i < weights.length; i++) weights[i] = weights[i]! * support[i]!;
    const moments = { depth, observations: 900, covariance: definite(depth, seed + 1), cross: definite(depth, seed + 2) };
    const prepared = (await prepare(weights, moments, support, noPause))!;
    const sets = SETS[bound](depth);
    const { values, scales, errors } = roundWeights(prepared, {
      bits: bits as WeightBits,
      grouping,
      sets,
      leastScales: new Float64Array(outputs),
    });
    const { order, refitted, factor: found } = prepared;
    const levels = 2 ** (bits - 1) - 1;
    const groups = columnGroups(order, grouping);
    const pivots = Float64Array.from({ length: depth }, (_, k) => found.upper[k * depth + k]! ** 2);
    for (let o = 0; o < outputs; o++) {
      const scale = scales[o]!;
      const row = refitted.subarray(o * depth, (o + 1) * depth);
      const { factors } = tried(row, scale, levels, sets, order, pivots, groups);
      const integers: number[] = [];
      let total = 0;
      for (let k = 0; k < depth; k++) {
        let sum = 0;
        for (let i = 0; i < k; i++) sum += (row[i]! - integers[i]! * scale) * found.lower[k * depth + i]!;
        const pivot = found.lower[k * depth + k]!;
        const target = row[k]! + sum / pivot;
        const f = factors[groups.groupOf[k]!]!;
        let limit = levels;
        if (prepared.support?.[o * depth + k] === 0) limit = 0;
        else if (sets) {
          const mates = Array.from({ length: depth }, (_, i) => i).filter((i) => i !== k && sets.sets[order[i]!] === sets.sets[order[k]!]);
          const rounded = mates.filter((i) => i < k).map((i) => integers[i]!);
          const toCome = mates.filter((i) => i > k).map((i) => row[i]! / scale);
          limit = Math.min(levels, Math.floor(share(target / scale, sets, rounded, toCome) / f));
        }
        const q = f * Math.max(-limit, Math.min(limit, roundHalfEven(target / scale / f)));
        integers.push(q);
        const error = target - q * scale;
        total += error * error * pivot * pivot;
        expect(values[o * depth + order[k]!]! - q).toBe(0);
      }
      expect(errors[o]).toBe(total);
    }
  }
});

test.each(["pairs", "runs", "none"] as const)("errors of scales are those of weights rounded each by itself (sets: %s)", (bound) => {
  for (const [size, count, groupSize, mostFactor, levels] of [
    [1, 3, 1, 1, 127],
    [2, 1, 2, 1, 127],
    [7, 4, 7, 1, 127],
    [24, 2, 24, 1, 127],
    [24, 3, 8, 9, 7],
    [21, 2, 8, 15, 3],
    [9, 3, 4, 7, 1],
  ] as const) {
    const [rows, pivots] = [numbers(size * count, size), numbers(size, 5).map((x) => x * x)];
    const scales = numbers(count * 6, 11).map((x) => Math.fround(0.002 + Math.abs(x) / 60));
    const sets = SETS[bound](size);
    const order = Int32Array.from({ length: size }, (_, k) => (k * 5) % size);
    const groups = columnGroups(order, { size: groupSize, mostFactor });
    const room = new Workspace();
    room.reserve(rows.length + (2 + groups.count * (1 + mostFactor)) * scales.length + 5 * size + 1);
    const [from, looked, weights] = [room.put(rows), room.put(scales), room.put(pivots)];
    const [mates, numbered] = [sets ? room.putBytes(matesOf(sets, order)) : 0, room.putBytes(groups.groupOf)];
    const [to, chosen, scratch] = [scales.length, groups.count * scales.length, groups.count * mostFactor * 6].map((n) => room.take(n)) as [
      number,
      number,
      number,
    ];
    const limits = [levels, sets?.limit ?? 0, sets?.bySign ? 1 : 0] as const;
    for (const factors of [0, chosen])
      room.kernels.scaleErrors(
        ...([from, count, size, looked, 6, weights] as const),
        ...limits,
        ...([mates, numbered, groups.count, mostFactor, to, factors, scratch] as const),
      );
    const expected = [...scales].map((scale, at) => {
      const row = Math.floor(at / 6);
      return tried(rows.subarray(row * size, (row + 1) * size), scale, levels, sets, order, pivots, groups);
    });
    expect([...room.doubles(to, scales.length)]).toEqual(expected.map(({ error }) => error));
    expect([...room.bytes(chosen, scales.length * groups.count)]).toEqual(expected.flatMap(({ factors }) => factors));
  }
});

test.each([2, 4, 6, 10, 16, 38])("outer products are taken off the lower triangle of %d columns, and nothing behind it", (pitch) => {
  for (const live of new Set([0, 1, 2, pitch - 1, pitch])) {
    const [matrix, vectors] = [numbers(pitch * pitch, pitch), numbers(8 * pitch, live)];
    const room = new Workspace();
    room.reserve(matrix.length + vectors.length + 1);
    const [triangle, from] = [room.put(matrix), room.put(vectors)];
    const behind = room.put(Float64Array.of(7));
    room.kernels.subtractOuter(triangle, pitch, live, from);
    const found = room.doubles(triangle, matrix.length);
    const part = (i: number, j: number, m: number): number => vectors[m * pitch + i]! * vectors[m * pitch + j]!;
    const pairs = (i: number, j: number, m: number): number => part(i, j, m) + part(i, j, m + 1) + (part(i, j, m + 2) + part(i, j, m + 3));
    for (let i = 0; i < pitch; i++)
      for (let j = 0; j <= i; j++)
        expect(found[i * pitch + j]).toBe(matrix[i * pitch + j]! - (i < live ? pairs(i, j, 0) + pairs(i, j, 4) : 0));
    expect(room.doubles(from, vectors.length)).toEqual(vectors);
    expect(room.doubles(behind, 1)[0]).toBe(7);
  }
});
