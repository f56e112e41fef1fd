/**
 * The triangular factor that rounding works with, and solving with it. Float64, sums in fixed order: the same on every engine.
 *
 *   H = R·Rᵀ,   R upper triangular
 *
 * (Cholesky from the last row up.) Then ‖v‖²_H = v·H·vᵀ = ‖v·R‖², whose component k holds v_0 … v_k only.
 */

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
  const upper = new Float64Array(size * size);
  const lower = new Float64Array(size * size);
  for (let j = size - 1; j >= 0; j--) {
    const row = j * size;
    let pivot = matrix[row + j]!;
    for (let k = j + 1; k < size; k++) pivot -= upper[row + k]! * upper[row + k]!;
    if (!(pivot > 0)) return null;
    const diagonal = Math.sqrt(pivot);
    upper[row + j] = diagonal;
    lower[row + j] = diagonal;
    for (let i = 0; i < j; i++) {
      const value = (matrix[i * size + j]! - dot(upper, i * size + j + 1, row + j + 1, size - j - 1)) / diagonal;
      upper[i * size + j] = value;
      lower[row + i] = value;
    }
  }
  return { size, upper, lower, isDiagonal: false };
}

/** Solves v·H = t in place of t. */
export function solve({ size, upper, lower }: Factor, t: Float64Array): void {
  for (let i = size - 1; i >= 0; i--) {
    const row = i * size;
    let sum = t[i]!;
    for (let k = i + 1; k < size; k++) sum -= t[k]! * upper[row + k]!;
    t[i] = sum / upper[row + i]!;
  }
  for (let k = 0; k < size; k++) {
    const row = k * size;
    let sum = t[k]!;
    for (let i = 0; i < k; i++) sum -= t[i]! * lower[row + i]!;
    t[k] = sum / lower[row + k]!;
  }
}

/** Σ a[i]·b[i] over `count` elements of one array from two places on, in four sums. */
function dot(data: Float64Array, a: number, b: number, count: number): number {
  let s0 = 0;
  let s1 = 0;
  let s2 = 0;
  let s3 = 0;
  let i = 0;
  for (; i + 3 < count; i += 4) {
    s0 += data[a + i]! * data[b + i]!;
    s1 += data[a + i + 1]! * data[b + i + 1]!;
    s2 += data[a + i + 2]! * data[b + i + 2]!;
    s3 += data[a + i + 3]! * data[b + i + 3]!;
  }
  for (; i < count; i++) s0 += data[a + i]! * data[b + i]!;
  return s0 + s1 + (s2 + s3);
}
