/**
 * BINARY: elementwise operation on two tensors of one type (float32, int32, int64, int8, uint8) with broadcasting.
 *
 *   float32: y = clamp(a ∘ b, MIN, MAX), MIN and MAX as float32 bits; PRELU: a < 0 ? a·b : a
 *   integers: wrapping arithmetic, DIV truncates (x/0 = 0); MIN and MAX are not used
 *   FLOOR_MOD has the divisor's sign, REMAINDER the dividend's; integers modulo 0 are 0
 *   BIT_AND, BIT_OR, BIT_XOR, SHIFT_LEFT, SHIFT_RIGHT: integers only; a shift is by b modulo the width, right without the sign
 *
 * DST is contiguous over DIM0…DIM5 (leading ones pad the rank). A_STRIDE and B_STRIDE are in elements; 0 broadcasts.
 */

import { BOOL, elementBytes, FLOAT32 } from "../dtypes.ts";
import { Extents, stridedExtent } from "../extents.ts";

export const A = 2;
export const B = 3;
export const DST = 4;
export const OP = 5;
export const DTYPE = 6;
export const DIM0 = 7;
export const DIM1 = 8;
export const DIM2 = 9;
export const DIM3 = 10;
export const DIM4 = 11;
export const DIM5 = 12;
export const A_STRIDE0 = 13;
export const A_STRIDE1 = 14;
export const A_STRIDE2 = 15;
export const A_STRIDE3 = 16;
export const A_STRIDE4 = 17;
export const A_STRIDE5 = 18;
export const B_STRIDE0 = 19;
export const B_STRIDE1 = 20;
export const B_STRIDE2 = 21;
export const B_STRIDE3 = 22;
export const B_STRIDE4 = 23;
export const B_STRIDE5 = 24;
export const MIN = 25;
export const MAX = 26;
export const WORDS = 27;

export const ADD = 1;
export const SUB = 2;
export const MUL = 3;
export const DIV = 4;
export const PRELU = 5;
export const MAXIMUM = 6;
export const MINIMUM = 7;
export const POW = 8;
export const FLOOR_MOD = 9;
export const REMAINDER = 10;
export const BIT_AND = 11;
export const BIT_OR = 12;
export const BIT_XOR = 13;
export const SHIFT_LEFT = 14;
export const SHIFT_RIGHT = 15;

/** What the step touches. */
export function extents(w: Int32Array, e: Extents): void {
  const bytes = elementBytes(w[DTYPE]!);
  e.check(bytes > 0 && w[DTYPE]! !== BOOL, "the type is a number's");
  e.check(w[OP]! >= ADD && w[OP]! <= SHIFT_RIGHT, "OP is ADD to SHIFT_RIGHT");
  e.check(w[OP]! <= REMAINDER || w[DTYPE]! !== FLOAT32, "operations on bits are of integers");
  let count = 1;
  for (let i = 0; i < 6; i++) count *= w[DIM0 + i]!;
  stridedExtent(w, e, w[A]!, DIM0, A_STRIDE0, 6, bytes, false);
  stridedExtent(w, e, w[B]!, DIM0, B_STRIDE0, 6, bytes, false);
  e.write(w[DST]!, count * bytes);
}
