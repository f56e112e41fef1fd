/**
 * REDUCE: [OUTER][COUNT][INNER] → [OUTER][INNER], float32 (every KIND), int32 and int64 (SUM, MAXIMUM, MINIMUM, PRODUCT), int8 (MEAN).
 *
 *   float32: r = the reduction over COUNT in ascending order, MEAN = SUM / f32(COUNT); y = clamp(r, MIN, MAX), MIN, MAX float32 bits
 *   int8:    y = clamp(roundHalfEven(f32(Σ(x − IN_ZERO))·SCALE) + OUT_ZERO, MIN, MAX); SCALE = in scale / (out scale · COUNT), float32 bits
 */

import { elementBytes, FLOAT32, INT8, INT32, INT64 } from "../dtypes.ts";
import { Extents } from "../extents.ts";

export const SRC = 2;
export const DST = 3;
export const KIND = 4;
export const DTYPE = 5;
export const OUTER = 6;
export const COUNT = 7;
export const INNER = 8;
export const SCALE = 9;
export const IN_ZERO = 10;
export const OUT_ZERO = 11;
export const MIN = 12;
export const MAX = 13;
export const WORDS = 14;

export const SUM = 1;
export const MEAN = 2;
export const MAXIMUM = 3;
export const MINIMUM = 4;
export const PRODUCT = 5;

/** What the step touches. */
export function extents(w: Int32Array, e: Extents): void {
  const bytes = elementBytes(w[DTYPE]!);
  e.check(w[OUTER]! > 0 && w[COUNT]! > 0 && w[INNER]! > 0, "sizes are positive");
  const kind = w[KIND]!;
  const dtype = w[DTYPE]!;
  e.check(kind >= SUM && kind <= PRODUCT, "KIND is SUM to PRODUCT");
  e.check(
    dtype === FLOAT32 || (dtype === INT8 ? kind === MEAN : (dtype === INT32 || dtype === INT64) && kind !== MEAN),
    "the type goes with KIND",
  );
  e.read(w[SRC]!, w[OUTER]! * w[COUNT]! * w[INNER]! * bytes);
  e.write(w[DST]!, w[OUTER]! * w[INNER]! * bytes);
}
