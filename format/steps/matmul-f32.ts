/**
 * MATMUL_F32: batched product of two float32 tensors.
 *
 *   y = clamp(ALPHA·Σ a·b, MIN, MAX); ALPHA, MIN and MAX are float32 bits; the sum runs over k in ascending order, from 0
 *
 * A is [M][K] row-major, B [K][N] (or [N][K] where B_TRANSPOSED is 1), DST [M][N], for each of BATCH_OUTER·BATCH_INNER products;
 * batch (i, j) starts at i·A_OUTER + j·A_INNER elements in A (B likewise; 0 repeats an operand) and at (i·BATCH_INNER + j)·M·N in DST.
 */
import { Extents } from "../extents.ts";

export const A = 2;
export const B = 3;
export const DST = 4;
export const SCRATCH = 5;
export const BATCH_OUTER = 6;
export const BATCH_INNER = 7;
export const M = 8;
export const N = 9;
export const K = 10;
export const A_OUTER = 11;
export const A_INNER = 12;
export const B_OUTER = 13;
export const B_INNER = 14;
export const B_TRANSPOSED = 15;
export const ALPHA = 16;
export const MIN = 17;
export const MAX = 18;
export const WORDS = 19;

/** Bytes of SCRATCH: B packed as GEMM_F32 of N outputs, one panel of 6 rows of A, N zeros. */
export function scratchBytes(m: i32, n: i32, k: i32): i32 {
  return (((n + 7) & ~7) + 6) * k * 4 + ((n + 7) & ~7) * 4 + 64;
}

/** What the step touches. */
export function extents(w: Int32Array, e: Extents): void {
  const outer = w[BATCH_OUTER]!;
  const inner = w[BATCH_INNER]!;
  e.check(outer > 0 && inner > 0 && w[M]! > 0 && w[N]! > 0 && w[K]! > 0, "sizes are positive");
  e.check(w[A_OUTER]! >= 0 && w[A_INNER]! >= 0 && w[B_OUTER]! >= 0 && w[B_INNER]! >= 0, "batch strides are not negative");
  e.read(w[A]!, ((outer - 1) * w[A_OUTER]! + (inner - 1) * w[A_INNER]! + w[M]! * w[K]!) * 4);
  e.read(w[B]!, ((outer - 1) * w[B_OUTER]! + (inner - 1) * w[B_INNER]! + w[K]! * w[N]!) * 4);
  e.write(w[DST]!, outer * inner * w[M]! * w[N]! * 4);
  e.write(w[SCRATCH]!, scratchBytes(w[M]!, w[N]!, w[K]!));
}
