/**
 * Sets of weights of an output that the relaxed build multiplies together (format/packings.ts), up to four in each, and how much those of a set may add up to:
 * pairs for pair-safe weights, runs for run-safe ones. Any weights are so whose levels are few enough.
 */
import { PAIR_LIMIT, pairsFit, RUN_LIMIT, runOf, runsFit } from "../../format/packings.ts";

/** Others in the set of a weight, at most. */
export const MATES = 3;

/** Which weights of an output are in a set, and what holds of the integers of each set. */
export interface WeightSets {
  /** The number of each column's set. */
  readonly sets: Int32Array;
  /** Weights in the largest set. */
  readonly members: number;
  readonly limit: number;
  /** Whether the positive weights of a set and the negative ones keep to the limit apart, rather than all magnitudes together. */
  readonly bySign: boolean;
}

/** Weight sets, for columns in another order. */
export interface Bound extends WeightSets {
  /** Places in the order of the others in the set of each column, MATES each, −1 where there are fewer: [depth][MATES]. */
  readonly mates: Int32Array;
}

/** The pairs of rows of `segments` segments of `length` values; null where their shape has none that are safe. */
export function pairsOf(segments: number, length: number): WeightSets | null {
  if (!pairsFit(segments, length)) return null;
  return { sets: setsOf(segments, length, (place) => place >> 1), members: 2, limit: PAIR_LIMIT, bySign: false };
}

/** The runs of rows of `segments` segments of `length` values; null where their shape has none that are safe. */
export function runsOf(segments: number, length: number): WeightSets | null {
  if (!runsFit(segments, length)) return null;
  return { sets: setsOf(segments, length, runOf), members: MATES + 1, limit: RUN_LIMIT, bySign: true };
}

function setsOf(segments: number, length: number, setOf: (place: number) => number): Int32Array {
  const padded = (length + 1) & ~1;
  return Int32Array.from({ length: segments * length }, (_, k) => setOf(Math.floor(k / length) * padded + (k % length)));
}

/** Whether integers of so many levels keep to the limit whatever they are. */
export function areSafe({ members, limit }: WeightSets, levels: number): boolean {
  return members * levels <= limit;
}

/** Whether integers, rows of outputs, keep to the limit. */
export function keepTo({ sets, limit, bySign }: WeightSets, values: Int8Array): boolean {
  const depth = sets.length;
  const last = sets.reduce((most, set) => Math.max(most, set), 0);
  const [more, less] = [new Int32Array(last + 1), new Int32Array(last + 1)];
  for (let at = 0; at < values.length; at += depth) {
    more.fill(0);
    less.fill(0);
    for (let k = 0; k < depth; k++) {
      const [w, set] = [values[at + k]!, sets[k]!];
      const sums = bySign && w < 0 ? less : more;
      sums[set] = sums[set]! + Math.abs(w);
      if (sums[set]! > limit) return false;
    }
  }
  return true;
}

/** For columns in another order, the places in it of the others in the set of each, MATES each, −1 where there are fewer: [depth][MATES]. */
export function matesOf({ sets }: WeightSets, order: Int32Array): Int32Array {
  const members = new Map<number, number[]>();
  order.forEach((column, place) => {
    const set = sets[column]!;
    const found = members.get(set);
    if (found) found.push(place);
    else members.set(set, [place]);
  });
  const mates = new Int32Array(order.length * MATES).fill(-1);
  order.forEach((column, place) => {
    const others = members.get(sets[column]!)!.filter((other) => other !== place);
    mates.set(others, place * MATES);
  });
  return mates;
}
