/**
 * SOFTMAX over COUNT of [OUTER][COUNT][INNER], from float32 or int8 to float32 or int8.
 *
 *   e = exp(x − max); y = e / Σe, Σ in ascending order; LOG = 1: y = (x − max) − log(Σe)
 *   int8 in:  x = f32(q)·SCALE (the zero point cancels), SCALE float32 bits
 *   int8 out: roundHalfEven(y / OUT_SCALE) + OUT_ZERO, saturated to int8; OUT_SCALE float32 bits
 *
 * exp and log are the runtime's own polynomials. SCRATCH holds COUNT + 4 float32 (one row), as scratchBytes says.
 */

import { elementBytes, FLOAT32, INT8 } from "../dtypes.ts";
import { Extents } from "../extents.ts";

export const SRC = 2;
export const DST = 3;
export const DTYPE = 4;
export const OUTER = 5;
export const COUNT = 6;
export const INNER = 7;
export const SCALE = 8;
export const LOG = 9;
export const OUT_DTYPE = 10;
export const OUT_SCALE = 11;
export const OUT_ZERO = 12;
export const SCRATCH = 13;
export const WORDS = 14;

/** Bytes of SCRATCH. */
export function scratchBytes(count: i32): i32 {
  return count * 4 + 80;
}

/** What the step touches. */
export function extents(w: Int32Array, e: Extents): void {
  const count = w[OUTER]! * w[COUNT]! * w[INNER]!;
  e.check(w[OUTER]! > 0 && w[COUNT]! > 0 && w[INNER]! > 0, "sizes are positive");
  e.check(w[DTYPE]! === FLOAT32 || w[DTYPE]! === INT8, "the input is float32 or int8");
  e.check(w[OUT_DTYPE]! === FLOAT32 || w[OUT_DTYPE]! === INT8, "the output is float32 or int8");
  e.read(w[SRC]!, count * elementBytes(w[DTYPE]!));
  e.write(w[DST]!, count * elementBytes(w[OUT_DTYPE]!));
  e.write(w[SCRATCH]!, scratchBytes(w[COUNT]!));
}
