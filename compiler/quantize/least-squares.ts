/**
 * The best real weights of a layer on a support, for the inputs that the pruned network gives:
 *
 *   minimise over w' on the support:  E ‖ w·(x − E x) − w'·(x̂ − E x̂) ‖² + ridge·‖w − w'‖²
 *   w'_S = (w·C + ridge·w)_S · (Cov(x̂)_SS + ridge)⁻¹,  C = Cov(x, x̂)
 */
import { multiply, transposed } from "./algebra.ts";
import { type Factor, factor, solve } from "./cholesky.ts";
import type { Moments } from "./gptq.ts";

/** 1 for each weight that is not fixed at 0: [outputs][depth]. */
export type Support = Uint8Array;

/** Rows with a smaller part of zeros than this have them by chance. */
const FEWEST_ZEROS = 0.1;
/** Rows of an inverse between two turns of the event loop. */
const ROWS_AT_ONCE = 128;

/** The support of rows that were pruned: what is 0 in a row with many zeros. Null where no row has many. */
export function supportOf(rows: Float32Array, depth: number): Support | null {
  const support = new Uint8Array(rows.length).fill(1);
  let isPruned = false;
  for (let first = 0; first < rows.length; first += depth) {
    const row = rows.subarray(first, first + depth);
    const zeros = row.reduce((count, w) => count + (w === 0 ? 1 : 0), 0);
    if (zeros < FEWEST_ZEROS * depth) continue;
    isPruned = true;
    for (let k = 0; k < depth; k++) if (row[k] === 0) support[first + k] = 0;
  }
  return isPruned ? support : null;
}

/** w·C + ridge·w, for each of `rows` ([outputs][depth]). */
export function targetsOf(rows: Float32Array, { depth, cross }: Moments, ridge: number): Float64Array {
  return multiply(rows, { matrix: transposed(cross, depth), size: depth, ridge });
}

/** Cov(x̂) + ridge. */
export function ridged({ depth, covariance }: Moments, ridge: number): Float64Array {
  const matrix = covariance.slice();
  for (let k = 0; k < depth; k++) matrix[k * depth + k] = matrix[k * depth + k]! + ridge;
  return matrix;
}

/** Solves for every row on its support; rows one after the other that have the same one share a factor. Null where H is not positive definite. */
export async function solveOnSupport(
  matrix: Float64Array,
  depth: number,
  targets: Float64Array,
  support: Support,
  pause: () => Promise<void>,
): Promise<Float64Array | null> {
  const solved = new Float64Array(targets.length);
  for (let first = 0; first < targets.length; ) {
    await pause();
    const own = support.subarray(first, first + depth);
    const isOwn = (from: number): boolean => own.every((stays, k) => stays === support[from + k]);
    let end = first + depth;
    while (end < targets.length && isOwn(end)) end += depth;
    const columns = Int32Array.from(Array.from(own.keys()).filter((k) => own[k] === 1));
    const factored = factor(submatrix(matrix, depth, columns), columns.length);
    if (!factored) return null;
    const places = Int32Array.from({ length: ((end - first) / depth) * columns.length }, (_, i) => {
      const row = Math.floor(i / columns.length);
      return first + row * depth + columns[i % columns.length]!;
    });
    const rows = Float64Array.from(places, (place) => targets[place]!);
    solve(factored, rows);
    places.forEach((place, i) => {
      solved[place] = rows[i]!;
    });
    first = end;
  }
  return solved;
}

/** Rows and columns of a [depth][depth] matrix. */
export function submatrix(matrix: Float64Array, depth: number, columns: Int32Array): Float64Array {
  const size = columns.length;
  const part = new Float64Array(size * size);
  for (let i = 0; i < size; i++) {
    const from = columns[i]! * depth;
    for (let j = 0; j < size; j++) part[i * size + j] = matrix[from + columns[j]!]!;
  }
  return part;
}

/** The inverse of a factored matrix. */
export async function invert(factored: Factor, pause: () => Promise<void>): Promise<Float64Array> {
  const { size } = factored;
  const inverse = new Float64Array(size * size);
  for (let first = 0; first < size; first += ROWS_AT_ONCE) {
    await pause();
    const rows = inverse.subarray(first * size, (first + ROWS_AT_ONCE) * size);
    for (let k = 0; k * size < rows.length; k++) rows[k * size + first + k] = 1;
    solve(factored, rows);
  }
  return inverse;
}
