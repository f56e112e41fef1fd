/**
 * DEPTHWISE_F32: convolution of each channel by itself, in float32, NHWC.
 *
 *   y = clamp(BIAS[c] + Σ x·w, MIN, MAX); the sum runs over the taps inside the image in row-major order, starting from BIAS[c]
 *
 * Weights are DEPTHWISE_F32, BIAS is CHANNELS_32.
 */
import { Extents, windowAxis } from "../extents.ts";

export const SRC = 2;
export const DST = 3;
export const WEIGHTS = 4;
export const BIAS = 5;
export const BATCH = 6;
export const IN_H = 7;
export const IN_W = 8;
export const CHANNELS = 9;
export const OUT_H = 10;
export const OUT_W = 11;
export const KERNEL_H = 12;
export const KERNEL_W = 13;
export const STRIDE_H = 14;
export const STRIDE_W = 15;
export const DILATION_H = 16;
export const DILATION_W = 17;
export const PAD_TOP = 18;
export const PAD_LEFT = 19;
export const MIN = 20;
export const MAX = 21;
export const WORDS = 22;

/** What the step touches. */
export function extents(w: Int32Array, e: Extents): void {
  windowAxis(e, w[IN_H]!, w[OUT_H]!, w[KERNEL_H]!, w[STRIDE_H]!, w[DILATION_H]!, w[PAD_TOP]!);
  windowAxis(e, w[IN_W]!, w[OUT_W]!, w[KERNEL_W]!, w[STRIDE_W]!, w[DILATION_W]!, w[PAD_LEFT]!);
  const pixelsIn = w[BATCH]! * w[IN_H]! * w[IN_W]!;
  const pixelsOut = w[BATCH]! * w[OUT_H]! * w[OUT_W]!;
  e.check(w[BATCH]! > 0 && w[CHANNELS]! > 0, "sizes are positive");
  e.read(w[SRC]!, pixelsIn * w[CHANNELS]! * 4);
  e.write(w[DST]!, pixelsOut * w[CHANNELS]! * 4);
  e.read(w[WEIGHTS]!, Math.ceil(w[CHANNELS]! / 4) * 16 * w[KERNEL_H]! * w[KERNEL_W]!);
  e.read(w[BIAS]!, Math.ceil(w[CHANNELS]! / 8) * 32);
}
