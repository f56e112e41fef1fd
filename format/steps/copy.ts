/**
 * COPY: a strided block of up to six dimensions: Transpose, Slice, Concat, Split, Expand, Pad's inside, DepthToSpace.
 *
 * Strides are in elements of ELEMENT_BYTES (1, 2, 4 or 8); a source stride may be 0 (repeat) or negative (reversed). SRC and DST
 * name the element at index 0 of every dimension. Source and destination do not overlap.
 */
import { Extents, stridedExtent } from "../extents.ts";

export const SRC = 2;
export const DST = 3;
export const ELEMENT_BYTES = 4;
export const DIM0 = 5;
export const DIM1 = 6;
export const DIM2 = 7;
export const DIM3 = 8;
export const DIM4 = 9;
export const DIM5 = 10;
export const SRC_STRIDE0 = 11;
export const SRC_STRIDE1 = 12;
export const SRC_STRIDE2 = 13;
export const SRC_STRIDE3 = 14;
export const SRC_STRIDE4 = 15;
export const SRC_STRIDE5 = 16;
export const DST_STRIDE0 = 17;
export const DST_STRIDE1 = 18;
export const DST_STRIDE2 = 19;
export const DST_STRIDE3 = 20;
export const DST_STRIDE4 = 21;
export const DST_STRIDE5 = 22;
export const WORDS = 23;

/** What the step touches. */
export function extents(w: Int32Array, e: Extents): void {
  const bytes = w[ELEMENT_BYTES]!;
  e.check(bytes === 1 || bytes === 2 || bytes === 4 || bytes === 8, "ELEMENT_BYTES is 1, 2, 4 or 8");
  let count = 1;
  let span = 1;
  for (let i = 0; i < 6; i++) {
    count *= w[DIM0 + i]!;
    span += (w[DIM0 + i]! - 1) * Math.abs(w[DST_STRIDE0 + i]!);
  }
  e.check(count <= span, "no element is written twice");
  stridedExtent(w, e, w[SRC]!, DIM0, SRC_STRIDE0, 6, bytes, false);
  stridedExtent(w, e, w[DST]!, DIM0, DST_STRIDE0, 6, bytes, true);
}
