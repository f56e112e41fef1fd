/**
 * CONV_I8: dense or grouped convolution, and fully connected layers, in int8.
 *
 *   acc = BIAS[o] + Σ x·w            (int32; BIAS holds −IN_ZERO·Σw; positions in the padding read IN_ZERO)
 *   INT8:    y = clamp(roundHalfEven(f32(acc)·SCALE[o]) + OUT_ZERO, MIN, MAX)
 *   FLOAT32: y = clamp(f32(acc)·SCALE[o], MIN, MAX), MIN and MAX as float32 bits
 *
 * BOUNDED is 1 where the compiler has proved |acc·SCALE| < 2²² for every input.
 * input pixel (n, y, x) has its IN_C channels at SRC + ((n·IN_H + y)·IN_W + x)·SRC_PITCH elements, output pixels likewise with
 * OUT_C and DST_PITCH. Each of the GROUPS has IN_C/GROUPS inputs and OUT_C/GROUPS outputs. Weights are packed group by group as
 * GEMM_I8 of N = OUT_C/GROUPS outputs, with S segments of L values. A patch of the image is made of runs: one for each kernel row
 * (KERNEL_W·IN_C values) where the row is contiguous (GROUPS = 1, DILATION_W = 1, SRC_PITCH = IN_C), else one for each kernel position
 * (IN_C/GROUPS values). Each run is a segment where its length is a multiple of RUN_UNIT; else one segment is the whole patch.
 * PAIR_SAFE is 1 where WEIGHTS is a constant of GEMM_PAIR_SAFE_I8 instead, which builds may multiply faster, RUN_SAFE where it is one of
 * GEMM_RUN_SAFE_I8, and 0 elsewhere. It is BLOCKS_OF_1, BLOCKS_OF_2 or SCATTERED where WEIGHTS is a constant of GEMM_BLOCKS_1_I8, GEMM_BLOCKS_2_I8 or GEMM_SCATTERED_I8: sparse weights,
 * whose zeros are left out.
 * WEIGHT_BITS is 4 where WEIGHTS is a constant of GEMM_I4 instead, and 8 elsewhere; PAIR_SAFE is 0 then.
 * PLANAR is 1 where the input's rows are laid out in planes (runtime-wasm/kernels/planes-i8.ts) rather than packed patch by patch; see
 * planarRows(). ROW_BLOCK is then as many whole rows of the output.
 * A fully connected layer is a 1×1 convolution of an image of height 1 whose width is the number of rows.
 * ROW_BLOCK (a multiple of 4, if PLANAR is 0) is the number of output pixels packed into SCRATCH at a time.
 * BIAS int32 and SCALE float32 are CHANNELS_32, one run of ⌈OUT_C/8⌉·8 values (GROUPS > 1: indexed by the output channel itself).
 */

import { FLOAT32, INT8 } from "../dtypes.ts";
import { Extents, windowAxis } from "../extents.ts";
import { BLOCKS_HEAD_BYTES, gemmDepth, i4PanelBytes, SCATTERED_HEAD_BYTES } from "../packings.ts";

export const SRC = 2;
export const DST = 3;
export const WEIGHTS = 4;
export const BIAS = 5;
export const SCALE = 6;
export const SCRATCH = 7;
export const BATCH = 8;
export const IN_H = 9;
export const IN_W = 10;
export const IN_C = 11;
export const OUT_H = 12;
export const OUT_W = 13;
export const OUT_C = 14;
export const KERNEL_H = 15;
export const KERNEL_W = 16;
export const STRIDE_H = 17;
export const STRIDE_W = 18;
export const DILATION_H = 19;
export const DILATION_W = 20;
export const PAD_TOP = 21;
export const PAD_LEFT = 22;
export const GROUPS = 23;
export const SRC_PITCH = 24;
export const DST_PITCH = 25;
export const IN_ZERO = 26;
export const OUT_ZERO = 27;
export const MIN = 28;
export const MAX = 29;
export const OUT_DTYPE = 30;
export const ROW_BLOCK = 31;
export const BOUNDED = 32;
export const PAIR_SAFE = 33;
export const WEIGHT_BITS = 34;
export const PLANAR = 35;
export const WORDS = 36;

/** Values of PAIR_SAFE beside 0 and 1. */
export const BLOCKS_OF_1 = 2;
export const BLOCKS_OF_2 = 3;
export const SCATTERED = 4;
export const RUN_SAFE = 5;

/** Whether the pair dot is right for weights of this PAIR_SAFE, as they stand or as they are packed. */
export function isPairSafe(mark: i32): boolean {
  return (mark >= 1 && mark <= BLOCKS_OF_2) || mark == RUN_SAFE;
}

/** Whether weights of this PAIR_SAFE are sparse. */
export function isSparse(mark: i32): boolean {
  return mark >= BLOCKS_OF_1 && mark <= SCATTERED;
}

/** Runs whose length is a multiple of this are packed into panels straight from the image; others are gathered into whole patches first. */
export const RUN_UNIT = 8;
/** Patches that are gathered at a time. */
export const GATHERED_PATCHES = 64;

/** Runs of adjacent values in a patch; their length is runLength. */
export function runs(kernelH: i32, kernelW: i32, inC: i32, groups: i32, dilationW: i32, srcPitch: i32): i32 {
  return groups == 1 && dilationW == 1 && srcPitch == inC ? kernelH : kernelH * kernelW;
}

/** Values in one run. */
export function runLength(kernelW: i32, inC: i32, groups: i32, dilationW: i32, srcPitch: i32): i32 {
  return groups == 1 && dilationW == 1 && srcPitch == inC ? kernelW * inC : inC / groups;
}

/** Segments of the weights; their length is segmentLength. */
export function segments(kernelH: i32, kernelW: i32, inC: i32, groups: i32, dilationW: i32, srcPitch: i32): i32 {
  return runLength(kernelW, inC, groups, dilationW, srcPitch) % RUN_UNIT == 0
    ? runs(kernelH, kernelW, inC, groups, dilationW, srcPitch)
    : 1;
}

/** Values in one segment. */
export function segmentLength(kernelH: i32, kernelW: i32, inC: i32, groups: i32, dilationW: i32, srcPitch: i32): i32 {
  const run = runLength(kernelW, inC, groups, dilationW, srcPitch);
  return run % RUN_UNIT == 0 ? run : run * runs(kernelH, kernelW, inC, groups, dilationW, srcPitch);
}

/** Bytes from one gathered patch to the next: its last sixteen bytes may start within the patch's last run. */
export function gatheredPitch(depth: i32): i32 {
  return depth + 32 - (depth % 16);
}

/** Bytes from one padded line of the image to the next: what the windows of one row of the output reach. */
export function lineBytes(outW: i32, kernelW: i32, strideW: i32, dilationW: i32, srcPitch: i32): i32 {
  return ((outW - 1) * strideW + (kernelW - 1) * dilationW + 1) * srcPitch + 32;
}

/** Bytes of patches that are gathered, and of the lines they are gathered from; elsewhere of four patches at the edge. */
function gatheredBytes(depth: i32, isGathered: boolean, kernelH: i32, dilationH: i32, line: i32): i32 {
  return isGathered ? GATHERED_PATCHES * gatheredPitch(depth) + ((kernelH - 1) * dilationH + 1) * line : 4 * depth + 80;
}

/** Planes of a row: pixels whose positions are the same modulo the stride. */
export function planes(kernelW: i32, strideW: i32, dilationW: i32): i32 {
  const reach = (kernelW - 1) * dilationW + 1;
  return reach < strideW ? reach : strideW;
}

/** Pixels from one channel unit of a plane to the next: what the tiles of four outputs reach, and room behind the last pixels. */
export function planePitch(outW: i32, kernelW: i32, strideW: i32, dilationW: i32): i32 {
  const reach = (kernelW - 1) * dilationW;
  return outW + 6 + (reach - (reach % strideW)) / strideW;
}

/** Values of one row of planes; `inC` are the channels of a group. */
export function planeRowSize(inC: i32, outW: i32, kernelW: i32, strideW: i32, dilationW: i32): i32 {
  return planes(kernelW, strideW, dilationW) * inC * planePitch(outW, kernelW, strideW, dilationW);
}

/** Values of the planes for `rows` rows of the output. */
export function planeSize(rows: i32, rowSize: i32, kernelH: i32, strideH: i32, dilationH: i32): i32 {
  return ((rows - 1) * strideH + (kernelH - 1) * dilationH + 1) * rowSize;
}

/** Values of planes to hold at a time: in the first cache, where they are int8, together with a panel of weights. */
const PLANE_VALUES: i32 = 16384;
/** More channels of a group than this take planes only where one piece holds the whole image: packing by patch is a small part of their work. */
const PLANAR_CHANNELS: i32 = 48;

/**
 * How many rows of the output to multiply at a time from planes, 0 where planes do not pay: they save packing each input pixel once for every
 * position of the kernel, but tiles end with the output's rows. `inC` are the channels of a group.
 */
export function planarRows(
  inC: i32,
  outH: i32,
  outW: i32,
  kernelH: i32,
  kernelW: i32,
  strideH: i32,
  strideW: i32,
  dilationH: i32,
  dilationW: i32,
): i32 {
  if (kernelH * kernelW == 1 || inC % RUN_UNIT != 0 || (outW % 4 != 0 && outW < 20)) return 0;
  const rowSize = planeRowSize(inC, outW, kernelW, strideW, dilationW);
  let rows = outH;
  while (rows > 0 && planeSize(rows, rowSize, kernelH, strideH, dilationH) > PLANE_VALUES) rows--;
  if (rows * outW < 24 || (inC > PLANAR_CHANNELS && rows < outH)) return 0;
  return rows;
}

/**
 * The ROW_BLOCK to use: as many pixels as keep the widened panel within 24 KiB, but 48 where that takes no more than 96 KiB, so that widening
 * the weights pays. A multiple of 4, at least 4, at most all pixels.
 */
export function rowBlock(depth: i32, pixels: i32): i32 {
  const all = (pixels + 3) & ~3;
  const small = (12288 / depth) & ~3;
  const large = (49152 / depth) & ~3;
  const some = large < 48 ? large : 48;
  const fitting = small > some ? small : some;
  const rows = fitting < all ? fitting : all;
  return rows < 4 ? 4 : rows;
}

/** Bytes of SCRATCH: the widened panel of ROW_BLOCK rows, one widened panel of weights, and what gathering takes. */
export function scratchBytes(
  rowBlock: i32,
  kernelH: i32,
  kernelW: i32,
  inC: i32,
  groups: i32,
  strideW: i32,
  dilationH: i32,
  dilationW: i32,
  srcPitch: i32,
  outW: i32,
): i32 {
  const isGathered = runLength(kernelW, inC, groups, dilationW, srcPitch) % RUN_UNIT != 0;
  const depth = gemmDepth(
    segments(kernelH, kernelW, inC, groups, dilationW, srcPitch),
    segmentLength(kernelH, kernelW, inC, groups, dilationW, srcPitch),
  );
  const gathered = gatheredBytes(depth, isGathered, kernelH, dilationH, lineBytes(outW, kernelW, strideW, dilationW, srcPitch));
  return rowBlock * depth * 2 + 16 * depth + gathered + 240;
}

/** Bytes of SCRATCH where PLANAR is 1: one widened panel of weights, an offset for each two values of the depth, and planes of `size` values. */
export function planarScratchBytes(depth: i32, size: i32): i32 {
  return 18 * depth + 2 * size + 256;
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
  e.check(w[ROW_BLOCK]! > 0, "ROW_BLOCK is positive");
  const patch = [w[KERNEL_H]!, w[KERNEL_W]!, w[IN_C]!, groups, w[DILATION_W]!, w[SRC_PITCH]!] as const;
  const depth = gemmDepth(segments(...patch), segmentLength(...patch));
  e.check(w[OUT_DTYPE]! === FLOAT32 || w[OUT_DTYPE]! === INT8, "the output is float32 or int8");
  const outBytes = w[OUT_DTYPE]! === FLOAT32 ? 4 : 1;
  const pixels = w[BATCH]! * w[OUT_H]! * w[OUT_W]!;
  e.read(w[SRC]!, (w[BATCH]! * w[IN_H]! * w[IN_W]! - 1) * w[SRC_PITCH]! + w[IN_C]!);
  e.write(w[DST]!, ((pixels - 1) * w[DST_PITCH]! + w[OUT_C]!) * outBytes);
  const perGroup = w[OUT_C]! / groups;
  e.check(w[PAIR_SAFE]! >= 0 && w[PAIR_SAFE]! <= RUN_SAFE, "PAIR_SAFE is 0 to 5");
  e.check(w[WEIGHT_BITS]! === 8 || (w[WEIGHT_BITS]! === 4 && w[PAIR_SAFE]! === 0), "WEIGHT_BITS is 8, or 4 where PAIR_SAFE is 0");
  // Of sparse weights only the heads: the host proves that the constant is read whole by what it states itself.
  const densePanelBytes = w[WEIGHT_BITS]! === 4 ? i4PanelBytes(depth) : 8 * (depth + (isPairSafe(w[PAIR_SAFE]!) ? 4 : 0));
  const panelBytes = isSparse(w[PAIR_SAFE]!) ? BLOCKS_HEAD_BYTES : densePanelBytes;
  const panelsBytes = groups * Math.ceil(perGroup / 8) * panelBytes;
  e.read(w[WEIGHTS]!, w[PAIR_SAFE]! === SCATTERED ? w[OUT_C]! * SCATTERED_HEAD_BYTES : panelsBytes);
  e.read(w[BIAS]!, Math.ceil(w[OUT_C]! / 8) * 32);
  e.read(w[SCALE]!, Math.ceil(w[OUT_C]! / 8) * 32);
  e.check(w[PLANAR]! === 0 || w[PLANAR]! === 1, "PLANAR is 0 or 1");
  if (w[PLANAR]! === 1) {
    e.check((w[IN_C]! / groups) % RUN_UNIT === 0, "PLANAR is for channels by the 8");
    e.check(w[ROW_BLOCK]! % w[OUT_W]! === 0, "ROW_BLOCK is whole rows where PLANAR is 1");
    const rowSize = planeRowSize(w[IN_C]! / groups, w[OUT_W]!, w[KERNEL_W]!, w[STRIDE_W]!, w[DILATION_W]!);
    const size = planeSize(w[ROW_BLOCK]! / w[OUT_W]!, rowSize, w[KERNEL_H]!, w[STRIDE_H]!, w[DILATION_H]!);
    e.write(w[SCRATCH]!, planarScratchBytes(depth, size));
    return;
  }
  e.check(w[ROW_BLOCK]! % 4 === 0, "ROW_BLOCK is a multiple of 4");
  const reach = [w[STRIDE_W]!, w[DILATION_H]!, w[DILATION_W]!, w[SRC_PITCH]!, w[OUT_W]!] as const;
  e.write(w[SCRATCH]!, scratchBytes(w[ROW_BLOCK]!, w[KERNEL_H]!, w[KERNEL_W]!, w[IN_C]!, groups, ...reach));
}
