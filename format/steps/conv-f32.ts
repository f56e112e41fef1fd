/**
 * CONV_F32: dense or grouped convolution, and fully connected layers, in float32.
 *
 *   y = clamp(BIAS[o] + Σ x·w, MIN, MAX), MIN and MAX as float32 bits; zeros in the padding
 *
 * The sum runs over the kernel positions in row-major order and their channels, one multiply and one add each, from 0; the bias
 * is added last. input pixel (n, y, x) has its IN_C channels at SRC + ((n·IN_H + y)·IN_W + x)·SRC_PITCH elements, output pixels likewise with
 * OUT_C and DST_PITCH. Each of the GROUPS has IN_C/GROUPS inputs and OUT_C/GROUPS outputs. Weights are packed group by group as
 * GEMM_F32 of N = OUT_C/GROUPS outputs, with S segments of L values: one for each kernel row (L = KERNEL_W·IN_C) where the row is
 * contiguous (GROUPS = 1, DILATION_W = 1, SRC_PITCH = IN_C), else one for each kernel position (L = IN_C/GROUPS); see segments().
 * A fully connected layer is a 1×1 convolution of an image of height 1 whose width is the number of rows.
 * ROW_BLOCK (a multiple of 6) is the number of output pixels packed into SCRATCH at a time.
 * Segments are not padded: K = KERNEL_H·KERNEL_W·IN_C/GROUPS. BIAS is CHANNELS_32.
 */
import { Extents, windowAxis } from "../extents.ts";

export const SRC = 2;
export const DST = 3;
export const WEIGHTS = 4;
export const BIAS = 5;
export const SCRATCH = 6;
export const BATCH = 7;
export const IN_H = 8;
export const IN_W = 9;
export const IN_C = 10;
export const OUT_H = 11;
export const OUT_W = 12;
export const OUT_C = 13;
export const KERNEL_H = 14;
export const KERNEL_W = 15;
export const STRIDE_H = 16;
export const STRIDE_W = 17;
export const DILATION_H = 18;
export const DILATION_W = 19;
export const PAD_TOP = 20;
export const PAD_LEFT = 21;
export const GROUPS = 22;
export const SRC_PITCH = 23;
export const DST_PITCH = 24;
export const MIN = 25;
export const MAX = 26;
export const ROW_BLOCK = 27;
export const WORDS = 28;

/** Bytes of SCRATCH: the panel of ROW_BLOCK rows, [ROW_BLOCK/6][depth][6], and one gathered panel row set. */
export function scratchBytes(rowBlock: i32, depth: i32): i32 {
  return (rowBlock + 6) * depth * 4 + 64;
}

/** The ROW_BLOCK to compile with: panels of at most 48 KB, and no more rows than the output has pixels. */
export function rowBlock(depth: number, pixels: number): number {
  const fitting = Math.max(1, Math.floor(2048 / depth));
  return 6 * Math.min(fitting, Math.ceil(pixels / 6));
}

/** What the step touches. */
export function extents(w: Int32Array, e: Extents): void {
  windowAxis(e, w[IN_H]!, w[OUT_H]!, w[KERNEL_H]!, w[STRIDE_H]!, w[DILATION_H]!, w[PAD_TOP]!);
  windowAxis(e, w[IN_W]!, w[OUT_W]!, w[KERNEL_W]!, w[STRIDE_W]!, w[DILATION_W]!, w[PAD_LEFT]!);
  e.check(w[BATCH]! > 0 && w[IN_C]! > 0 && w[OUT_C]! > 0, "sizes are positive");
  e.check(w[KERNEL_H]! * w[KERNEL_W]! * (w[IN_C]! + 1) < 1073741824, "the depth stays within 30 bits");
  const groups = w[GROUPS]!;
  e.check(groups > 0 && w[IN_C]! % groups === 0 && w[OUT_C]! % groups === 0, "groups divide the channels");
  e.check(w[SRC_PITCH]! >= w[IN_C]! && w[DST_PITCH]! >= w[OUT_C]!, "pitches hold the channels");
  e.check(w[ROW_BLOCK]! > 0 && w[ROW_BLOCK]! % 6 === 0, "ROW_BLOCK is a multiple of 6");
  const depth = (w[KERNEL_H]! * w[KERNEL_W]! * w[IN_C]!) / groups;
  const pixels = w[BATCH]! * w[OUT_H]! * w[OUT_W]!;
  e.read(w[SRC]!, ((w[BATCH]! * w[IN_H]! * w[IN_W]! - 1) * w[SRC_PITCH]! + w[IN_C]!) * 4);
  e.write(w[DST]!, ((pixels - 1) * w[DST_PITCH]! + w[OUT_C]!) * 4);
  e.read(w[WEIGHTS]!, groups * Math.ceil(w[OUT_C]! / groups / 8) * 8 * depth * 4);
  e.read(w[BIAS]!, Math.ceil(w[OUT_C]! / 8) * 32);
  e.write(w[SCRATCH]!, scratchBytes(w[ROW_BLOCK]!, depth));
}
