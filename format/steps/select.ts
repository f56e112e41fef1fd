/**
 * SELECT: elementwise choice with broadcasting, y = c ? a : b, for elements of ELEMENT_BYTES (1, 4 or 8); C is bool.
 *
 * DST is contiguous over DIM0…DIM5 (leading ones pad the rank). Strides are in elements; 0 broadcasts.
 */
import { Extents, stridedExtent } from "../extents.ts";

export const C = 2;
export const A = 3;
export const B = 4;
export const DST = 5;
export const ELEMENT_BYTES = 6;
export const DIM0 = 7;
export const DIM1 = 8;
export const DIM2 = 9;
export const DIM3 = 10;
export const DIM4 = 11;
export const DIM5 = 12;
export const C_STRIDE0 = 13;
export const C_STRIDE1 = 14;
export const C_STRIDE2 = 15;
export const C_STRIDE3 = 16;
export const C_STRIDE4 = 17;
export const C_STRIDE5 = 18;
export const A_STRIDE0 = 19;
export const A_STRIDE1 = 20;
export const A_STRIDE2 = 21;
export const A_STRIDE3 = 22;
export const A_STRIDE4 = 23;
export const A_STRIDE5 = 24;
export const B_STRIDE0 = 25;
export const B_STRIDE1 = 26;
export const B_STRIDE2 = 27;
export const B_STRIDE3 = 28;
export const B_STRIDE4 = 29;
export const B_STRIDE5 = 30;
export const WORDS = 31;

/** What the step touches. */
export function extents(w: Int32Array, e: Extents): void {
  const bytes = w[ELEMENT_BYTES]!;
  e.check(bytes === 1 || bytes === 4 || bytes === 8, "ELEMENT_BYTES is 1, 4 or 8");
  let count = 1;
  for (let i = 0; i < 6; i++) count *= w[DIM0 + i]!;
  stridedExtent(w, e, w[C]!, DIM0, C_STRIDE0, 6, 1, false);
  stridedExtent(w, e, w[A]!, DIM0, A_STRIDE0, 6, bytes, false);
  stridedExtent(w, e, w[B]!, DIM0, B_STRIDE0, 6, bytes, false);
  e.write(w[DST]!, count * bytes);
}
