/**
 * From a histogram to the range that int8 shall cover.
 *
 *   minmax      the extremes seen
 *   percentile  cuts 0.005 % at either end
 *   mse         the range with the least expected squared error of rounding and clipping: a grid over both ends (the default)
 *   entropy     the range whose quantized distribution diverges least from the one seen (Kullback–Leibler, Migacz 2017)
 */
import { log } from "../ops/mathematics.ts";
import type { Histogram } from "./histogram.ts";

/** How ranges are chosen. */
export type Observer = "mse" | "minmax" | "percentile" | "entropy";

/** A range of real numbers that contains 0. */
export interface Range {
  readonly low: number;
  readonly high: number;
}

/** Scale (a positive float32) and zero point in [−128, 127] of an int8 tensor. */
export interface Parameters {
  readonly scale: number;
  readonly zeroPoint: number;
}

const LEVELS = 255;
const SMALLEST_SCALE = 2 ** -100;
/** One value in so many is cut at either end. */
const CUT_ONE_IN = 20_000;

/** The int8 parameters that cover a range; 0 is represented exactly. Of an empty range, those that cover [0, 1]. */
export function parametersOf(range: Range): Parameters {
  const { low, high } = range.high > range.low ? range : { low: 0, high: 1 };
  const scale = Math.max(Math.fround((high - low) / LEVELS), SMALLEST_SCALE);
  const zeroPoint = Math.max(-128, Math.min(127, Math.round(-128 - low / scale)));
  return { scale, zeroPoint };
}

/** The range of a distribution by an observer; always contains 0, and is 0 to 0 where nothing else was seen. */
export function chooseRange(histogram: Histogram, observer: Observer): Range {
  const low = Math.min(0, histogram.min);
  const high = Math.max(0, histogram.max);
  if (!(high > low)) return { low: 0, high: 0 };
  switch (observer) {
    case "minmax":
      return { low, high };
    case "percentile":
      return percentileRange(histogram, { low, high });
    case "mse":
      return leastSquares(histogram, { low, high });
    case "entropy":
      return leastDivergence(histogram, { low, high });
  }
}

/** The whole range where the cut would leave nothing of it: a value that nearly always is 0. */
function percentileRange(histogram: Histogram, { low, high }: Range): Range {
  const { x, count } = histogram.points();
  const cut = histogram.total / CUT_ONE_IN;
  let below = 0;
  let i = 0;
  while (i < x.length - 1 && below + count[i]! <= cut) below += count[i++]!;
  let above = 0;
  let j = x.length - 1;
  while (j > 0 && above + count[j]! <= cut) above += count[j--]!;
  const kept = { low: Math.max(low, Math.min(0, x[i]!)), high: Math.min(high, Math.max(0, x[j]!)) };
  return kept.high > kept.low ? kept : { low, high };
}

function leastSquares(histogram: Histogram, full: Range): Range {
  const points = histogram.points();
  const cost = (range: Range): number => squaredError(points.x, points.count, parametersOf(range));
  let best = full;
  let least = cost(full);
  const consider = (range: Range): void => {
    const c = cost(range);
    if (c < least) {
      least = c;
      best = range;
    }
  };
  for (let i = 30; i < 100; i += 2) consider({ low: (full.low * i) / 100, high: (full.high * i) / 100 });
  // Both ends by themselves, twice: they depend on each other through the scale only.
  for (let sweep = 0; sweep < 2; sweep++) {
    if (full.low < 0) {
      const { high } = best;
      for (let i = 10; i <= 100; i += 2) consider({ low: (full.low * i) / 100, high });
    }
    if (full.high > 0) {
      const { low } = best;
      for (let i = 10; i <= 100; i += 2) consider({ low, high: (full.high * i) / 100 });
    }
  }
  return best;
}

function squaredError(x: Float64Array, count: Float64Array, { scale, zeroPoint }: Parameters): number {
  const low = (-128 - zeroPoint) * scale;
  const high = (127 - zeroPoint) * scale;
  const step = 1 / scale;
  let sum = 0;
  for (let i = 0; i < x.length; i++) {
    const v = x[i]!;
    const error = v < low ? low - v : v > high ? v - high : Math.round(v * step) * scale - v;
    sum += error * error * count[i]!;
  }
  return sum;
}

/** Clips symmetrically in steps, and compares the clipped distribution P with its 256-level quantization Q. */
function leastDivergence(histogram: Histogram, full: Range): Range {
  const { x, count } = histogram.points();
  let best = full;
  let least = Infinity;
  for (let percent = 20; percent <= 100; percent += 2) {
    const range = { low: (full.low * percent) / 100, high: (full.high * percent) / 100 };
    const { scale, zeroPoint } = parametersOf(range);
    const mass = new Float64Array(256);
    const members = new Float64Array(256);
    const level = Int32Array.from(x, (v) => Math.max(0, Math.min(255, Math.round(v / scale) + zeroPoint + 128)));
    // Q spreads what P holds inside the range evenly over the points of each level; P has the clipped mass at its ends.
    const p = Float64Array.from(count);
    let first = -1;
    let last = -1;
    let below = 0;
    let above = 0;
    for (let i = 0; i < x.length; i++) {
      if (x[i]! < range.low) below += count[i]!;
      else if (x[i]! > range.high) above += count[i]!;
      else {
        if (first < 0) first = i;
        last = i;
        mass[level[i]!]! += count[i]!;
        members[level[i]!]! += 1;
      }
    }
    if (first < 0) continue;
    p[first] = p[first]! + below;
    p[last] = p[last]! + above;
    let divergence = 0;
    let total = 0;
    let inside = 0;
    for (let i = first; i <= last; i++) {
      total += p[i]!;
      inside += count[i]!;
    }
    for (let i = first; i <= last; i++) {
      const pi = p[i]! / total;
      const qi = mass[level[i]!]! / members[level[i]!]! / inside;
      if (pi > 0) divergence += pi * log(pi / qi);
    }
    if (divergence < least) {
      least = divergence;
      best = range;
    }
  }
  return best;
}
