/**
 * RESAMPLE: one axis of [OUTER][IN_LENGTH][INNER] → [OUTER][OUT_LENGTH][INNER] by a table: Resize, axis by axis, and interpolation.
 *
 *   y[t] = Σ over TAPS of WEIGHTS[t][k]·x[INDICES[t][k]], taps in ascending order, from the first product
 *   INDICES int32 [OUT_LENGTH][TAPS], WEIGHTS float32 [OUT_LENGTH][TAPS], or −1 with TAPS = 1: a plain copy
 *   INDICES[t][0] = −1: the whole row is OUTSIDE (float32 bits)
 *
 * Types: float32 → float32; int8 → float32 keeps the integer's value; float32 → int8 rounds half to even and saturates (so that int8
 * images pass several axes at full precision, scale and zero point unchanged); equal types with WEIGHTS = −1 copy. The loader proves
 * that every index is inside the axis.
 */

import { elementBytes, FLOAT32, INT8 } from "../dtypes.ts";
import { Extents } from "../extents.ts";

export const SRC = 2;
export const DST = 3;
export const SRC_DTYPE = 4;
export const DST_DTYPE = 5;
export const OUTER = 6;
export const IN_LENGTH = 7;
export const OUT_LENGTH = 8;
export const INNER = 9;
export const TAPS = 10;
export const INDICES = 11;
export const WEIGHTS = 12;
export const OUTSIDE = 13;
export const WORDS = 14;

/** What the step touches. */
export function extents(w: Int32Array, e: Extents): void {
  e.check(w[OUTER]! > 0 && w[IN_LENGTH]! > 0 && w[OUT_LENGTH]! > 0 && w[INNER]! > 0 && w[TAPS]! > 0, "sizes are positive");
  e.check(w[WEIGHTS]! !== -1 || w[TAPS]! === 1, "several taps have weights");
  const real = (dtype: number): boolean => dtype === FLOAT32 || dtype === INT8;
  e.check(w[WEIGHTS]! === -1 ? w[SRC_DTYPE]! === w[DST_DTYPE]! : real(w[SRC_DTYPE]!) && real(w[DST_DTYPE]!), "the types go with WEIGHTS");
  e.read(w[SRC]!, w[OUTER]! * w[IN_LENGTH]! * w[INNER]! * elementBytes(w[SRC_DTYPE]!));
  e.write(w[DST]!, w[OUTER]! * w[OUT_LENGTH]! * w[INNER]! * elementBytes(w[DST_DTYPE]!));
  e.read(w[INDICES]!, w[OUT_LENGTH]! * w[TAPS]! * 4);
  if (w[WEIGHTS]! !== -1) e.read(w[WEIGHTS]!, w[OUT_LENGTH]! * w[TAPS]! * 4);
}
