/**
 * BINARY_I8: elementwise operation on two int8 tensors with broadcasting; OP is ADD, SUB, MUL, DIV or PRELU of binary.ts.
 *
 *   ADD, SUB: v = (f32(a − A_ZERO)·A_SCALE ± f32(b − B_ZERO)·B_SCALE) ; A_SCALE and B_SCALE are already divided by the output's scale
 *   MUL, DIV: v = (f32(a − A_ZERO) ∘ f32(b − B_ZERO))·OUT_SCALE       ; OUT_SCALE = (a's scale ∘ b's scale) / the output's scale
 *   PRELU:    v = a ≥ A_ZERO ? f32(a − A_ZERO)·A_SCALE : f32(a − A_ZERO)·f32(b − B_ZERO)·OUT_SCALE
 *   y = clamp(roundHalfEven(clampF(v, −32768, 32767)) + OUT_ZERO, MIN, MAX); a NaN (0/0) gives OUT_ZERO
 *
 * Each · and ± is one float32 operation. Scales are float32 bits. DST is contiguous over DIM0…DIM5 (leading ones pad the rank). A_STRIDE and B_STRIDE are in elements; 0 broadcasts.
 */
import { Extents, stridedExtent } from "../extents.ts";
import { ADD, PRELU } from "./binary.ts";

export const A = 2;
export const B = 3;
export const DST = 4;
export const OP = 5;
export const DIM0 = 6;
export const DIM1 = 7;
export const DIM2 = 8;
export const DIM3 = 9;
export const DIM4 = 10;
export const DIM5 = 11;
export const A_STRIDE0 = 12;
export const A_STRIDE1 = 13;
export const A_STRIDE2 = 14;
export const A_STRIDE3 = 15;
export const A_STRIDE4 = 16;
export const A_STRIDE5 = 17;
export const B_STRIDE0 = 18;
export const B_STRIDE1 = 19;
export const B_STRIDE2 = 20;
export const B_STRIDE3 = 21;
export const B_STRIDE4 = 22;
export const B_STRIDE5 = 23;
export const A_ZERO = 24;
export const A_SCALE = 25;
export const B_ZERO = 26;
export const B_SCALE = 27;
export const OUT_SCALE = 28;
export const OUT_ZERO = 29;
export const MIN = 30;
export const MAX = 31;
export const WORDS = 32;

/** What the step touches. */
export function extents(w: Int32Array, e: Extents): void {
  e.check(w[OP]! >= ADD && w[OP]! <= PRELU, "OP is ADD to PRELU");
  let count = 1;
  for (let i = 0; i < 6; i++) count *= w[DIM0 + i]!;
  stridedExtent(w, e, w[A]!, DIM0, A_STRIDE0, 6, 1, false);
  stridedExtent(w, e, w[B]!, DIM0, B_STRIDE0, 6, 1, false);
  e.write(w[DST]!, count);
}
