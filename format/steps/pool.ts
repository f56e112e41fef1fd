/**
 * POOL: maximum or average over windows, float32, int8 or uint8, NDHWC (2-D: depth 1; 1-D: depth and height 1).
 *
 * MAXIMUM ignores the padding; where INDICES is not −1 it also writes int64 positions of the maxima in the ONNX (NCDHW) order,
 * flat over the whole tensor, row-major or column-major (COLUMN_MAJOR = 1) within D, H, W; a NaN wins.
 * AVERAGE: n counts the window's positions inside the image, or inside image and padding where COUNT_INCLUDE_PAD is 1.
 *   float32: y = clamp(Σx / n, MIN, MAX), MIN and MAX as float32 bits; taps in row-major order from 0
 *   int8:    y = clamp(roundHalfEven(f32(Σ(x − IN_ZERO))·(SCALE / f32(n))) + OUT_ZERO, MIN, MAX); SCALE (float32 bits) = in scale / out scale
 * MAXIMUM on int8 clamps to MIN, MAX and keeps scale and zero point; on uint8 MIN and MAX are unsigned.
 */

import { elementBytes, FLOAT32, INT8, UINT8 } from "../dtypes.ts";
import { Extents, windowAxis } from "../extents.ts";

export const SRC = 2;
export const DST = 3;
export const INDICES = 4;
export const KIND = 5;
export const DTYPE = 6;
export const BATCH = 7;
export const IN_D = 8;
export const IN_H = 9;
export const IN_W = 10;
export const CHANNELS = 11;
export const OUT_D = 12;
export const OUT_H = 13;
export const OUT_W = 14;
export const KERNEL_D = 15;
export const KERNEL_H = 16;
export const KERNEL_W = 17;
export const STRIDE_D = 18;
export const STRIDE_H = 19;
export const STRIDE_W = 20;
export const DILATION_D = 21;
export const DILATION_H = 22;
export const DILATION_W = 23;
export const PAD_FRONT = 24;
export const PAD_TOP = 25;
export const PAD_LEFT = 26;
export const PAD_BACK = 27;
export const PAD_BOTTOM = 28;
export const PAD_RIGHT = 29;
export const COUNT_INCLUDE_PAD = 30;
export const COLUMN_MAJOR = 31;
export const SCALE = 32;
export const IN_ZERO = 33;
export const OUT_ZERO = 34;
export const MIN = 35;
export const MAX = 36;
export const WORDS = 37;

export const MAXIMUM = 0;
export const AVERAGE = 1;

/** What the step touches. */
export function extents(w: Int32Array, e: Extents): void {
  const bytes = elementBytes(w[DTYPE]!);
  for (let i = 0; i < 3; i++) {
    windowAxis(e, w[IN_D + i]!, w[OUT_D + i]!, w[KERNEL_D + i]!, w[STRIDE_D + i]!, w[DILATION_D + i]!, w[PAD_FRONT + i]!);
    windowAxis(e, w[IN_D + i]!, w[OUT_D + i]!, w[KERNEL_D + i]!, w[STRIDE_D + i]!, w[DILATION_D + i]!, w[PAD_BACK + i]!);
  }
  e.check(w[BATCH]! > 0 && w[CHANNELS]! > 0, "sizes are positive");
  e.check(w[KERNEL_D]! * w[KERNEL_H]! * w[KERNEL_W]! <= 16777216, "a window has at most 2²⁴ positions");
  e.check(w[DTYPE]! === FLOAT32 || w[DTYPE]! === INT8 || (w[DTYPE]! === UINT8 && w[KIND]! === MAXIMUM), "the type goes with KIND");
  e.check(w[KIND]! === MAXIMUM || (w[KIND]! === AVERAGE && w[INDICES]! === -1), "KIND is MAXIMUM or AVERAGE, and only MAXIMUM has INDICES");
  const out = w[BATCH]! * w[OUT_D]! * w[OUT_H]! * w[OUT_W]! * w[CHANNELS]!;
  e.read(w[SRC]!, w[BATCH]! * w[IN_D]! * w[IN_H]! * w[IN_W]! * w[CHANNELS]! * bytes);
  e.write(w[DST]!, out * bytes);
  if (w[INDICES]! !== -1) e.write(w[INDICES]!, out * 8);
}
