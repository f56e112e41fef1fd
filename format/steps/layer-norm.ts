/**
 * LAYER_NORM: each of ROWS rows of COUNT float32 by its own mean and variance; DST may be SRC.
 *
 *   d = x − mean; y = d·inverse·SCALE[i] + BIAS[i], one multiply or add each, in this order
 *   mean = Σx / COUNT, inverse = 1 / √(Σd² / COUNT + EPSILON); with CENTRED = 0 the mean is taken for 0 (RMS normalization)
 *
 * Element i of a row is added to partial sum i mod 16, ascending, from 0; the sixteen p are added as
 * q_j = (p_j + p_{j+4}) + (p_{j+8} + p_{j+12}), then (q_0 + q_1) + (q_2 + q_3). EPSILON is float32 bits. SCALE and BIAS hold COUNT float32, or are −1 for
 * 1 and 0; MEAN and INVERSE take one float32 a row each, or are −1.
 */
import { Extents } from "../extents.ts";

export const SRC = 2;
export const DST = 3;
export const SCALE = 4;
export const BIAS = 5;
export const MEAN = 6;
export const INVERSE = 7;
export const ROWS = 8;
export const COUNT = 9;
export const EPSILON = 10;
export const CENTRED = 11;
export const WORDS = 12;

/** What the step touches. */
export function extents(w: Int32Array, e: Extents): void {
  e.check(w[ROWS]! > 0 && w[COUNT]! > 0, "sizes are positive");
  e.read(w[SRC]!, w[ROWS]! * w[COUNT]! * 4);
  e.write(w[DST]!, w[ROWS]! * w[COUNT]! * 4);
  if (w[SCALE]! !== -1) e.read(w[SCALE]!, w[COUNT]! * 4);
  if (w[BIAS]! !== -1) e.read(w[BIAS]!, w[COUNT]! * 4);
  if (w[MEAN]! !== -1) e.write(w[MEAN]!, w[ROWS]! * 4);
  if (w[INVERSE]! !== -1) e.write(w[INVERSE]!, w[ROWS]! * 4);
}
