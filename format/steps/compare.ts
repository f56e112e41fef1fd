/**
 * COMPARE: elementwise comparison of two tensors of one type (float32, int32, int64, int8, uint8, bool) with broadcasting; DST is bool.
 *
 *   y = a ∘ b ? 1 : 0; a NaN is unequal to everything, and neither less nor greater
 *
 * DST is contiguous over DIM0…DIM5 (leading ones pad the rank). A_STRIDE and B_STRIDE are in elements; 0 broadcasts.
 */
import { elementBytes } from "../dtypes.ts";
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
export const WORDS = 25;

export const EQUAL = 1;
export const LESS = 2;
export const GREATER = 3;
export const LESS_OR_EQUAL = 4;
export const GREATER_OR_EQUAL = 5;
export const NOT_EQUAL = 6;

/** What the step touches. */
export function extents(w: Int32Array, e: Extents): void {
  const bytes = elementBytes(w[DTYPE]!);
  e.check(bytes > 0, "DTYPE is a type");
  e.check(w[OP]! >= EQUAL && w[OP]! <= NOT_EQUAL, "OP is EQUAL to NOT_EQUAL");
  let count = 1;
  for (let i = 0; i < 6; i++) count *= w[DIM0 + i]!;
  stridedExtent(w, e, w[A]!, DIM0, A_STRIDE0, 6, bytes, false);
  stridedExtent(w, e, w[B]!, DIM0, B_STRIDE0, 6, bytes, false);
  e.write(w[DST]!, count);
}
