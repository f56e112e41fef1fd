/**
 * DEPTHWISE_I8: convolution of each channel by itself, in int8, NHWC; the arithmetic of CONV_I8.
 *
 * Weights: DEPTHWISE_3X3_I8 where ROLLING is 1 (kernel 3×3, dilation 1, stride 1 or 2 in both directions), else DEPTHWISE_I8.
 * BIAS int32 and SCALE float32 are CHANNELS_32. BIAS holds −IN_ZERO·Σw; positions in the padding read IN_ZERO.
 */
import { Extents, windowAxis } from "../extents.ts";
import { DEPTHWISE_3X3_BYTES } from "../packings.ts";

export const SRC = 2;
export const DST = 3;
export const WEIGHTS = 4;
export const BIAS = 5;
export const SCALE = 6;
export const SCRATCH = 7;
export const BATCH = 8;
export const IN_H = 9;
export const IN_W = 10;
export const CHANNELS = 11;
export const OUT_H = 12;
export const OUT_W = 13;
export const KERNEL_H = 14;
export const KERNEL_W = 15;
export const STRIDE_H = 16;
export const STRIDE_W = 17;
export const DILATION_H = 18;
export const DILATION_W = 19;
export const PAD_TOP = 20;
export const PAD_LEFT = 21;
export const IN_ZERO = 22;
export const OUT_ZERO = 23;
export const MIN = 24;
export const MAX = 25;
export const ROLLING = 26;
export const BOUNDED = 27;
export const WORDS = 28;

/**
 * Bytes of SCRATCH: a block of output constants and, ROLLING, a ring of three padded input rows; else a list of tap addresses and one pixel
 * of padding. The larger of both, so that it does not depend on ROLLING.
 */
export function scratchBytes(
  kernelH: i32,
  inW: i32,
  outW: i32,
  kernelW: i32,
  strideW: i32,
  dilationW: i32,
  padLeft: i32,
  channels: i32,
): i32 {
  const rolling = kernelH == 3 && kernelW == 3 && dilationW == 1 ? 3 * ((outW - 1) * strideW + 3) * channels : 0;
  const taps = kernelH * kernelW * 4 + channels;
  return (rolling > taps ? rolling : taps) + 256;
}

/** What the step touches. */
export function extents(w: Int32Array, e: Extents): void {
  windowAxis(e, w[IN_H]!, w[OUT_H]!, w[KERNEL_H]!, w[STRIDE_H]!, w[DILATION_H]!, w[PAD_TOP]!);
  windowAxis(e, w[IN_W]!, w[OUT_W]!, w[KERNEL_W]!, w[STRIDE_W]!, w[DILATION_W]!, w[PAD_LEFT]!);
  const pixelsIn = w[BATCH]! * w[IN_H]! * w[IN_W]!;
  const pixelsOut = w[BATCH]! * w[OUT_H]! * w[OUT_W]!;
  e.check(w[BATCH]! > 0 && w[CHANNELS]! > 0, "sizes are positive");
  const c8 = Math.ceil(w[CHANNELS]! / 8) * 8;
  e.read(w[SRC]!, pixelsIn * w[CHANNELS]!);
  e.write(w[DST]!, pixelsOut * w[CHANNELS]!);
  const rolling = w[ROLLING]! === 1;
  if (rolling) {
    e.check(w[KERNEL_H]! === 3 && w[KERNEL_W]! === 3 && w[DILATION_H]! === 1 && w[DILATION_W]! === 1, "ROLLING is for 3×3");
    e.check(w[STRIDE_H]! === w[STRIDE_W]! && w[STRIDE_H]! <= 2, "ROLLING is for strides 1 and 2");
  }
  e.read(w[WEIGHTS]!, rolling ? c8 * DEPTHWISE_3X3_BYTES : c8 * w[KERNEL_H]! * w[KERNEL_W]! * 2);
  e.read(w[BIAS]!, c8 * 4);
  e.read(w[SCALE]!, c8 * 4);
  e.write(
    w[SCRATCH]!,
    scratchBytes(w[KERNEL_H]!, w[IN_W]!, w[OUT_W]!, w[KERNEL_W]!, w[STRIDE_W]!, w[DILATION_W]!, w[PAD_LEFT]!, w[CHANNELS]!),
  );
}
