/**
 * What a layer's refit is worth on observations that took no part in it. Fitted real weights w' follow what the samples showed of the input's
 * errors, the chance part of it included; on the way from the given weights to them the error falls and rises again:
 *
 *   E ‖ w·x − (w + α·(w' − w))·x̂ ‖²    is least at    α = Σ (w·(x − x̂))·((w' − w)·x̂) / Σ ((w' − w)·x̂)²
 */

import { multiply } from "./algebra.ts";

/** Observations of a layer's input in its two forms, about their means: [observations][depth], in one unit. */
export interface Observations {
  readonly x: Float32Array;
  readonly quantized: Float32Array;
  readonly depth: number;
}

/** What was found. */
export interface RefitCheck {
  /** α, from 0 to 1. */
  readonly share: number;
  /** Variance of w·(x − x̂) of each output: what the input's errors do to the result whatever the rounding. */
  readonly inputNoise: Float64Array;
}

/** Observations that are looked at, at most. */
const MOST_OBSERVATIONS = 512;

/** Holds `fitted` weights against the `given` ones, both [outputs][depth]. */
export function checkRefit(given: Float32Array, fitted: Float64Array, { x, quantized, depth }: Observations): RefitCheck {
  const all = quantized.length / depth;
  const count = Math.min(all, MOST_OBSERVATIONS);
  const rows = Int32Array.from({ length: count }, (_, i) => Math.floor(((i + 0.5) * all) / count) * depth);
  let [together, squares] = [0, 0];
  const inputNoise = new Float64Array(given.length / depth);
  const moved = fitted.map((w, i) => w - given[i]!);
  const taken = new Float64Array(count * depth);
  const wrong = new Float64Array(count * depth);
  rows.forEach((row, n) => {
    for (let k = 0; k < depth; k++) {
      taken[n * depth + k] = quantized[row + k]!;
      wrong[n * depth + k] = x[row + k]! - quantized[row + k]!;
    }
  });
  const errors = multiply(given, { matrix: wrong, size: depth });
  const changes = multiply(moved, { matrix: taken, size: depth });
  for (let first = 0; first < errors.length; first += count) {
    let [sumE, sumD, ee, ed, dd] = [0, 0, 0, 0, 0];
    for (let n = first; n < first + count; n++) {
      const [e, d] = [errors[n]!, changes[n]!];
      sumE += e;
      sumD += d;
      ee += e * e;
      ed += e * d;
      dd += d * d;
    }
    inputNoise[first / count] = Math.max(0, ee - (sumE * sumE) / count) / count;
    together += ed - (sumE * sumD) / count;
    squares += dd - (sumD * sumD) / count;
  }
  return { share: squares > 0 ? Math.max(0, Math.min(1, together / squares)) : 0, inputNoise };
}
