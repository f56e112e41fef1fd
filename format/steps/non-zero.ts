/**
 * NON_ZERO: the places of all elements that are not 0, in row-major order. SRC [DIM0 … DIM5], of which the first RANK count (the rest are 1);
 * TOTAL, an int32, becomes their number n; DST, int64, becomes [RANK][n] in front and zeros behind.
 */
import { elementBytes } from "../dtypes.ts";
import { Extents } from "../extents.ts";

export const SRC = 2;
export const DST = 3;
export const TOTAL = 4;
export const DTYPE = 5;
export const RANK = 6;
export const DIM0 = 7;
export const DIM1 = 8;
export const DIM2 = 9;
export const DIM3 = 10;
export const DIM4 = 11;
export const DIM5 = 12;
export const WORDS = 13;

/** What the step touches. */
export function extents(w: Int32Array, e: Extents): void {
  const bytes = elementBytes(w[DTYPE]!);
  let count = 1;
  for (let i = 0; i < 6; i++) {
    e.check(w[DIM0 + i]! > 0 && (i < w[RANK]! || w[DIM0 + i]! === 1), "dimensions are positive, those behind RANK 1");
    count *= w[DIM0 + i]!;
  }
  e.check(bytes > 0, "DTYPE is a type");
  e.check(w[RANK]! >= 1 && w[RANK]! <= 6, "RANK is 1 to 6");
  e.check(count < 268435456, "the elements are fewer than 2²⁸");
  e.read(w[SRC]!, count * bytes);
  e.write(w[DST]!, count * w[RANK]! * 8);
  e.write(w[TOTAL]!, 4);
}
