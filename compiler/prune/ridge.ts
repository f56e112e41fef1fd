/**
 * How firmly fitted weights are held to the given ones: as firmly as samples say that the fit does not see. Where there are few samples for the inputs
 * of a layer, what is fitted to them freely is right for them alone.
 *
 *   ridge = the one of a grid with the least  ŵ·Cov(x̂)·ŵᵀ − 2·(w·C)·ŵᵀ  on samples held out,  ŵ fitted to the others
 *
 * That is E ‖ w·x − ŵ·x̂ ‖² but for what does not depend on ŵ. A layer that is to lose weights of its own choice is tried without half of its inputs: what
 * is left has to stand in for what goes.
 */
import { quadraticForms } from "../quantize/algebra.ts";
import { factor, solve } from "../quantize/cholesky.ts";
import { ridged, type Support, submatrix, targetsOf } from "../quantize/least-squares.ts";
import type { CenteredMoments } from "../quantize/moments.ts";

/** Ridges, as parts of the mean variance. */
const PARTS = [0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30];
/** Half of the inputs without a pattern: 65536 by the golden ratio, for channels and places in the kernel alternate regularly. */
const SPREAD = 40503;
/** Rows that are tried. */
const MOST_ROWS = 64;

/** The inputs that a trial is given: those that a support leaves, half of them where some will go, or all. */
export function triedColumns(depth: number, sparsity: number, support?: Support): Int32Array {
  const stays = (k: number): boolean => {
    if (!support) return sparsity === 0 || (k * SPREAD) % 65536 < 32768;
    for (let at = k; at < support.length; at += depth) if (support[at] === 1) return true;
    return false;
  };
  return Int32Array.from(Array.from({ length: depth }, (_, k) => k).filter(stays));
}

/**
 * The ridge for `rows` ([outputs][depth]) as a part of the mean variance, by moments of samples that are fitted to and of others that are not; null
 * where no fit is possible.
 */
export function chooseRidge(rows: Float32Array, columns: Int32Array, fitted: CenteredMoments, heldOut: CenteredMoments): number | null {
  const { depth } = fitted;
  const outputs = rows.length / depth;
  const count = Math.min(outputs, MOST_ROWS);
  const tried = new Float32Array(count * depth);
  for (let i = 0; i < count; i++) {
    const from = Math.floor((i * outputs) / count) * depth;
    tried.set(rows.subarray(from, from + depth), i * depth);
  }
  const goals = targetsOf(tried, heldOut, 0);
  const covariance = submatrix(heldOut.covariance, depth, columns);
  const places = Int32Array.from({ length: count * columns.length }, (_, i) => {
    return Math.floor(i / columns.length) * depth + columns[i % columns.length]!;
  });
  const variance = meanVariance(fitted);
  let [best, least] = [null as number | null, Number.POSITIVE_INFINITY];
  for (const part of PARTS) {
    const ridge = variance * part || 1;
    const factored = factor(submatrix(ridged(fitted, ridge), depth, columns), columns.length);
    if (!factored) continue;
    const targets = targetsOf(tried, fitted, ridge);
    const solved = Float64Array.from(places, (place) => targets[place]!);
    solve(factored, solved);
    let error = quadraticForms(solved, covariance, columns.length);
    places.forEach((place, at) => {
      error -= 2 * goals[place]! * solved[at]!;
    });
    if (error < least) [best, least] = [part, error];
  }
  return best;
}

/** The mean of the variances of all inputs. */
export function meanVariance({ depth, covariance }: CenteredMoments): number {
  let trace = 0;
  for (let k = 0; k < depth; k++) trace += covariance[k * depth + k]!;
  return trace / depth;
}
