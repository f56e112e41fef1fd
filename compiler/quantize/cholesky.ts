/**
 * The triangular factor that rounding works with, and solving with it. Float64, sums in fixed order: the same on every engine.
 *
 *   H = R·Rᵀ,   R upper triangular
 *
 * (Cholesky from the last row up.) Then ‖v‖²_H = v·H·vᵀ = ‖v·R‖², whose component k holds v_0 … v_k only.
 */
import { LANES, workspace } from "./algebra.ts";

/** R, row by row, and its transpose. */
export interface Factor {
  readonly size: number;
  /** R: row i from column i on. */
  readonly upper: Float64Array;
  /** Rᵀ: row k up to column k. */
  readonly lower: Float64Array;
  /** Nothing stands beside the diagonal. */
  readonly isDiagonal: boolean;
}

/** Factors a symmetric positive definite matrix, row-major. Null where it is not one. */
export function factor(matrix: Float64Array, size: number): Factor | null {
  const room = workspace(3 * matrix.length);
  const from = room.put(matrix);
  const [upper, lower] = [room.zeros(matrix.length), room.zeros(matrix.length)];
  if (room.kernels.factor(from, size, upper, lower) === 0) return null;
  const copy = (address: number): Float64Array => room.doubles(address, matrix.length).slice();
  return { size, upper: copy(upper), lower: copy(lower), isDiagonal: false };
}

/** Solves v·H = t in place of t, for each of the rows of `t`: [count][size]. */
export function solve({ size, upper, lower }: Factor, t: Float64Array): void {
  const room = workspace(upper.length + lower.length + t.length + LANES * (size + 1));
  const [u, l, rows] = [room.put(upper), room.put(lower), room.put(t)];
  room.kernels.solve(u, l, size, rows, t.length / size, room.take(LANES * (size + 1)));
  t.set(room.doubles(rows, t.length));
}
