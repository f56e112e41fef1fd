/**
 * Which scales are tried for the weights of an output (gptq.ts): the most promising ones by the error that rounding to nearest would make, or,
 * where an error does not matter, the largest that are expected to stay within it. Integers of larger scales are smaller, and take log₂ of the
 * ratio fewer bits each in an entropy-coded file. With a scale each group of columns takes the factor (groups.ts) of the least such error.
 */

import { type Bound, MATES } from "../lower/weight-sets.ts";
import { workspace } from "./algebra.ts";
import type { ColumnGroups } from "./groups.ts";
import { weightLevels } from "./weight-bits.ts";

/** Scales that are looked at, and how many of them are tried with compensation. */
const SCALES = 24;
export const TRIED = 4;
/** The least scale that is looked at, as a part of the largest weight's, for seven or eight bits and for fewer. */
const LEAST_RANGE_OF_MANY = 0.8;
const LEAST_RANGE = 0.3;
/** A scale for weights that are all 0. */
const ANY_SCALE = 2 ** -20;
/** Large scales that are tried, as parts of the one whose error is expected to be just negligible, and the least levels that they leave. */
const LARGE = [1.06, 0.98, 0.9];
const LEAST_LEVELS = 15;
/**
 * Bits of the mantissa of a short float32 that matter, as many as its upper two bytes hold but two: scales are that close together still. The
 * lower two bytes are the same of all, and odd: of a multiple of a power of two many products would be halves, which other runtimes, whose sums
 * are in float32, round to either side.
 */
const SHORT_BITS = 5;
const LOWER_BYTES = 0x5555;

/** Rows of weights and what bounds them, in the order of rounding. */
export interface CandidateRows {
  /** [outputs][depth] */
  readonly rows: Float64Array;
  readonly depth: number;
  /** The largest code. */
  readonly levels: number;
  readonly bound: Bound | null;
  readonly groups: ColumnGroups;
  /** What the square of a column's error counts. */
  readonly pivots: Float64Array;
}

/** The TRIED most promising scales for each of the rows, float32 values, by the errors without compensation: [outputs][TRIED]. */
export function promisingScales(candidates: CandidateRows, leastScales: Float64Array): Float64Array {
  const { rows, depth, levels, bound, groups } = candidates;
  const outputs = rows.length / depth;
  const leastRange = levels < weightLevels(7) ? LEAST_RANGE : LEAST_RANGE_OF_MANY;
  const looked = new Float64Array(outputs * SCALES);
  for (let o = 0; o < outputs; o++) {
    const row = rows.subarray(o * depth, (o + 1) * depth);
    const range = scaleRange(row, levels * groups.mostFactor, leastRange, bound);
    for (let i = 0; i < SCALES; i++)
      looked[o * SCALES + i] = range
        ? Math.fround(Math.max(leastScales[o]!, range.low + ((range.high - range.low) * i) / (SCALES - 1)))
        : Math.fround(Math.max(leastScales[o]!, ANY_SCALE));
  }
  const { errors } = tryScales(candidates, looked, SCALES);
  const places = Int32Array.from({ length: SCALES }, (_, i) => i);
  const chosen = new Float64Array(outputs * TRIED);
  for (let first = 0, o = 0; o < outputs; o++, first += SCALES) {
    const best = places.slice().sort((a, b) => errors[first + a]! - errors[first + b]! || looked[first + b]! - looked[first + a]!);
    for (let i = 0; i < TRIED; i++) chosen[o * TRIED + i] = looked[first + best[i]!]!;
  }
  return chosen;
}

/** The factors of the groups with TRIED scales an output: [outputs][TRIED][groups]. */
export function groupFactors(candidates: CandidateRows, scales: Float64Array): Uint8Array {
  return tryScales(candidates, scales, TRIED).factors;
}

/** Errors, [outputs][tried], and factors, [outputs][tried][groups], of an even number of scales for each row. */
function tryScales(
  { rows, depth, levels, bound, groups, pivots }: CandidateRows,
  scales: Float64Array,
  tried: number,
): { readonly errors: Float64Array; readonly factors: Uint8Array } {
  const { groupOf, count, mostFactor } = groups;
  const factorBytes = Math.ceil((scales.length * count) / 8);
  const scratch = count * mostFactor * tried;
  const room = workspace(rows.length + 2 * scales.length + (2 + MATES) * depth + factorBytes + scratch);
  const [from, looked, weights] = [room.put(rows), room.put(scales), room.put(pivots)];
  const [mates, numbers] = [bound ? room.putBytes(bound.mates) : 0, room.putBytes(groupOf)];
  const [errors, factors] = [room.take(scales.length), room.take(factorBytes)];
  const limits = [levels, bound?.limit ?? 0, bound?.bySign ? 1 : 0] as const;
  room.kernels.scaleErrors(
    from,
    rows.length / depth,
    depth,
    looked,
    tried,
    weights,
    ...limits,
    mates,
    numbers,
    count,
    mostFactor,
    errors,
    factors,
    room.take(scratch),
  );
  return { errors: room.doubles(errors, scales.length).slice(), factors: room.bytes(factors, scales.length * count).slice() };
}

/** Between what scales a row's is; null where all of it is 0. */
function scaleRange(
  row: Float64Array,
  levels: number,
  leastRange: number,
  bound: Bound | null,
): { readonly low: number; readonly high: number } | null {
  const largest = row.reduce((most, w) => Math.max(most, Math.abs(w)), 0);
  if (largest === 0) return null;
  const high = Math.max(largest / levels, bound ? largestSum(row, bound) / bound.limit : 0);
  return { low: (largest / levels) * leastRange, high };
}

/** The most that weights of a set add up to. */
function largestSum(row: Float64Array, { mates, bySign }: Bound): number {
  let largest = 0;
  for (let k = 0; k < row.length; k++) {
    let sum = Math.abs(row[k]!);
    for (let at = k * MATES; at < (k + 1) * MATES && mates[at]! >= 0; at++) {
      const other = row[mates[at]!]!;
      if (!bySign || other * row[k]! > 0) sum += Math.abs(other);
    }
    largest = Math.max(largest, sum);
  }
  return largest;
}

/**
 * Puts large scales, float32 values, in the place of all of `scales` but the first, if there are any whose error is about `enough`: rounding by a
 * scale s adds s²/12 times each pivot.
 */
export function addLargeScales(scales: Float64Array, row: Float64Array, enough: number, pivots: Float64Array): void {
  const largest = row.reduce((most, w) => Math.max(most, Math.abs(w)), 0);
  const total = pivots.reduce((sum, pivot) => sum + pivot, 0);
  const expected = Math.min(Math.sqrt((12 * enough) / total), largest / LEAST_LEVELS);
  if (!(expected * LARGE[LARGE.length - 1]! > scales[0]!)) return;
  LARGE.forEach((factor, i) => {
    scales[i + 1] = Math.fround(expected * factor);
  });
}

/**
 * The scale for weights, next to a given one, with which what the file holds, input scale · weight scale / result scale in float32
 * (lower/rescale.ts), has a mantissa of SHORT_BITS or little more, and LOWER_BYTES. The given one where there is none. `resultScale`: 1 for a result in float32.
 */
export function shortScale(scale: number, inputScale: number, resultScale: number): number {
  const rescaleOf = (weightScale: number): number => Math.fround(Math.fround(Math.fround(inputScale) * weightScale) / resultScale);
  const aim = shortFloat(rescaleOf(scale));
  for (const aside of [0, 1, -1, 2, -2]) {
    const near = (fromBits(bitsOf(aim) + aside * 2 ** 16) * resultScale) / inputScale;
    for (const ulps of [0, 1, -1, 2, -2]) {
      const found = Math.fround(near * (1 + ulps * 2 ** -24));
      if (bitsOf(rescaleOf(found)) % 2 ** 16 === LOWER_BYTES) return found;
    }
  }
  return scale;
}

/** The nearest float32 of SHORT_BITS bits behind the point of its mantissa, and LOWER_BYTES. */
function shortFloat(x: number): number {
  const dropped = 2 ** (23 - SHORT_BITS);
  return fromBits(Math.round(bitsOf(x) / dropped) * dropped + LOWER_BYTES);
}

const VIEW = new DataView(new ArrayBuffer(4));

function bitsOf(x: number): number {
  VIEW.setFloat32(0, x);
  return VIEW.getUint32(0);
}

function fromBits(bits: number): number {
  VIEW.setUint32(0, bits);
  return VIEW.getFloat32(0);
}
