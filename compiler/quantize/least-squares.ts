/**
 * The best real weights of a layer on a support, for the inputs that the pruned network gives:
 *
 *   minimise over w' on the support:  E ‖ w·(x − E x) − w'·(x̂ − E x̂) ‖² + ridge·‖w − w'‖²
 *   w'_S = (w·C + ridge·w)_S · (Cov(x̂)_SS + ridge)⁻¹,  C = Cov(x, x̂)
 */
import { type Factor, factor, solve } from "./cholesky.ts";
import type { Moments } from "./gptq.ts";

/** 1 for each weight that is not fixed at 0: [outputs][depth]. */
export type Support = Uint8Array;

/** Rows with a smaller part of zeros than this have them by chance. */
const FEWEST_ZEROS = 0.1;

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
  const targets = new Float64Array(rows.length);
  for (let first = 0; first < rows.length; first += depth) {
    const target = targets.subarray(first, first + depth);
    for (let k = 0; k < depth; k++) {
      const w = rows[first + k]!;
      if (w === 0) continue;
      const from = k * depth;
      for (let j = 0; j < depth; j++) target[j] = target[j]! + w * cross[from + j]!;
      target[k] = target[k]! + w * ridge;
    }
  }
  return targets;
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
  let key: Support | null = null;
  let columns = new Int32Array(0);
  let factored: Factor | null = null;
  for (let first = 0; first < targets.length; first += depth) {
    const own = support.subarray(first, first + depth);
    if (!key || own.some((stays, k) => stays !== key![k])) {
      await pause();
      key = own;
      columns = Int32Array.from(Array.from(own.keys()).filter((k) => own[k] === 1));
      factored = factor(submatrix(matrix, depth, columns), columns.length);
      if (!factored) return null;
    }
    const row = Float64Array.from(columns, (k) => targets[first + k]!);
    solve(factored!, row);
    columns.forEach((k, i) => {
      solved[first + k] = row[i]!;
    });
  }
  return solved;
}

function submatrix(matrix: Float64Array, depth: number, columns: Int32Array): Float64Array {
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
  for (let k = 0; k < size; k++) {
    if (k % 16 === 0) await pause();
    const row = inverse.subarray(k * size, (k + 1) * size);
    row[k] = 1;
    solve(factored, row);
  }
  return inverse;
}
