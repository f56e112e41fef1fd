/**
 * QUANTIZE: float32 to int8 or uint8 (DTYPE), y = saturate(roundHalfEven(x / scale) + zero), as ONNX QuantizeLinear; a NaN gives the zero point.
 *
 * The tensor is [OUTER][AXIS][INNER]; element (o, a, i) takes the scale (and zero point) at index
 * o·SCALE_OUTER + ⌊a/BLOCK⌋·SCALE_AXIS + i·SCALE_INNER: all strides 0 is per tensor, SCALE_AXIS = 1 per axis, all three blocked.
 * SCALE is float32 in memory, ZERO is of type DTYPE in memory, or −1 for zero.
 * DST is [OUTER][AXIS][INNER] likewise, or [OUTER][INNER][AXIS] where TRANSPOSED is 1, which goes with one scale for all: planes to pixels.
 */

import { elementBytes, INT8, UINT8 } from "../dtypes.ts";
import { Extents } from "../extents.ts";

export const SRC = 2;
export const DST = 3;
export const DTYPE = 4;
export const SCALE = 5;
export const ZERO = 6;
export const OUTER = 7;
export const AXIS = 8;
export const INNER = 9;
export const BLOCK = 10;
export const SCALE_OUTER = 11;
export const SCALE_AXIS = 12;
export const SCALE_INNER = 13;
export const TRANSPOSED = 14;
export const WORDS = 15;

/** What the step touches. */
export function extents(w: Int32Array, e: Extents): void {
  e.check(w[DTYPE]! === INT8 || w[DTYPE]! === UINT8, "the output is int8 or uint8");
  const count = w[OUTER]! * w[AXIS]! * w[INNER]!;
  e.check(w[OUTER]! > 0 && w[AXIS]! > 0 && w[INNER]! > 0 && w[BLOCK]! > 0, "sizes are positive");
  e.check(w[TRANSPOSED]! === 0 || w[TRANSPOSED]! === 1, "TRANSPOSED is 0 or 1");
  e.check(w[TRANSPOSED]! === 0 || (w[SCALE_OUTER]! === 0 && w[SCALE_AXIS]! === 0 && w[SCALE_INNER]! === 0), "TRANSPOSED has one scale");
  e.check(w[SCALE_OUTER]! >= 0 && w[SCALE_AXIS]! >= 0 && w[SCALE_INNER]! >= 0, "scale strides are not negative");
  const blocks = Math.ceil(w[AXIS]! / w[BLOCK]!);
  const scales = (w[OUTER]! - 1) * w[SCALE_OUTER]! + (blocks - 1) * w[SCALE_AXIS]! + (w[INNER]! - 1) * w[SCALE_INNER]! + 1;
  e.read(w[SRC]!, count * 4);
  e.read(w[SCALE]!, scales * 4);
  if (w[ZERO]! !== -1) e.read(w[ZERO]!, scales * elementBytes(w[DTYPE]!));
  e.write(w[DST]!, count * elementBytes(w[DTYPE]!));
}
