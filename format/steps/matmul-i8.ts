/**
 * MATMUL_I8: batched product of two int8 activations.
 *
 *   acc = Σ (a − A_ZERO)·(b − B_ZERO)      (int32)
 *   INT8:    y = clamp(roundHalfEven(f32(acc)·SCALE) + OUT_ZERO, MIN, MAX)
 *   FLOAT32: y = clamp(f32(acc)·SCALE, MIN, MAX), MIN and MAX as float32 bits; SCALE is float32 bits
 *
 * A is [M][K] row-major, B [K][N] (or [N][K] where B_TRANSPOSED is 1), DST [M][N], for each of BATCH_OUTER·BATCH_INNER products;
 * batch (i, j) starts at i·A_OUTER + j·A_INNER elements in A (B likewise; 0 repeats an operand) and at (i·BATCH_INNER + j)·M·N in DST.
 */

import { FLOAT32, INT8 } from "../dtypes.ts";
import { Extents } from "../extents.ts";
import { gemmDepth } from "../packings.ts";

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
export const A_ZERO = 16;
export const B_ZERO = 17;
export const SCALE = 18;
export const OUT_ZERO = 19;
export const MIN = 20;
export const MAX = 21;
export const OUT_DTYPE = 22;
export const BOUNDED = 23;
export const WORDS = 24;

/** Rows of A that are packed at a time: as many as keep the panel within 24 KiB, a multiple of 4, at least 4. */
export function rowBlock(m: i32, k: i32): i32 {
  const fitting = (12288 / gemmDepth(1, k)) & ~3;
  const all = (m + 3) & ~3;
  const rows = fitting < all ? fitting : all;
  return rows < 4 ? 4 : rows;
}

/** Bytes of SCRATCH: B packed as int16, one row of biases, a panel of rowBlock(m, k) rows of A, and a block of output constants. */
export function scratchBytes(m: i32, n: i32, k: i32): i32 {
  const depth = gemmDepth(1, k);
  const outputs = (n + 7) & ~7;
  return outputs * depth * 2 + outputs * 4 + rowBlock(m, k) * depth * 2 + 384;
}

/** What the step touches. */
export function extents(w: Int32Array, e: Extents): void {
  const outer = w[BATCH_OUTER]!;
  const inner = w[BATCH_INNER]!;
  e.check(outer > 0 && inner > 0 && w[M]! > 0 && w[N]! > 0 && w[K]! > 0, "sizes are positive");
  e.check(w[A_OUTER]! >= 0 && w[A_INNER]! >= 0 && w[B_OUTER]! >= 0 && w[B_INNER]! >= 0, "batch strides are not negative");
  e.check(w[OUT_DTYPE]! === FLOAT32 || w[OUT_DTYPE]! === INT8, "the output is float32 or int8");
  e.check(w[K]! < 1073741824, "the depth stays within 30 bits");
  e.read(w[A]!, ((outer - 1) * w[A_OUTER]! + (inner - 1) * w[A_INNER]! + w[M]! * w[K]!) * 1);
  e.read(w[B]!, ((outer - 1) * w[B_OUTER]! + (inner - 1) * w[B_INNER]! + w[K]! * w[N]!) * 1);
  e.write(w[DST]!, outer * inner * w[M]! * w[N]! * (w[OUT_DTYPE]! === FLOAT32 ? 4 : 1));
  e.write(w[SCRATCH]!, scratchBytes(w[M]!, w[N]!, w[K]!));
}
