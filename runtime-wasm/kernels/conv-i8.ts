/**
 * CONV_I8 (format/steps/conv-i8.ts): packs ROW_BLOCK output pixels into an A panel, then multiplies them with one panel of eight
 * outputs after the other.
 *
 *   scratch: output block | A panel [ROW_BLOCK/4][K/2][4][2] int16 | one widened B panel [K/2][8][2] int16 | gathered patches
 *
 * With the pair dot, layers marked PAIR_SAFE or RUN_SAFE have int8 A panels, and in place of the widened panel what eight accumulators start with.
 */
import { FLOAT32 } from "../../format/dtypes.ts";
import { BLOCKS_HEAD_BYTES, gemmDepth, i4PanelBytes, SCATTERED_HEAD_BYTES } from "../../format/packings.ts";
import * as Conv from "../../format/steps/conv-i8.ts";
import { DOT_IS_FUSED } from "../constants.ts";
import { HAS_PAIR_DOT } from "../simd/dot.ts";
import { address, word } from "../words.ts";
import { convGroupBlocks } from "./conv-blocks-i8.ts";
import { convGroupI4 } from "./conv-i4.ts";
import { convGroupPlanes } from "./conv-planes-i8.ts";
import { convGroupScattered } from "./conv-scattered-i8.ts";
import { gemmI8, widen } from "./gemm-i8.ts";
import { gemmFusedPairsI8, gemmPairsI8 } from "./gemm-pairs-i8.ts";
import { gemmRunsI8 } from "./gemm-runs-i8.ts";
import { OUTPUT_BYTES, prepareOutput } from "./output-i8.ts";
import { PAIRS, packRows, QUADS } from "./panel-i8.ts";
import { isPointwise, packPatches } from "./patches-i8.ts";

/** From this many rows on, widening a B panel once costs less than widening in the inner loop. */
const WIDEN_ROWS: i32 = 24;

/** Runs one CONV_I8 step. */
export function convI8(step: usize, data: usize): void {
  const block = address(step, Conv.SCRATCH, data);
  prepareOutput(block, word(step, Conv.OUT_DTYPE), word(step, Conv.BOUNDED), word(step, Conv.OUT_ZERO), word(step, Conv.MIN), word(step, Conv.MAX));
  const groups = word(step, Conv.GROUPS);
  const inC = word(step, Conv.IN_C) / groups;
  const outC = word(step, Conv.OUT_C) / groups;
  const outBytes = word(step, Conv.OUT_DTYPE) == FLOAT32 ? 4 : 1;
  const segments = Conv.segments(word(step, Conv.KERNEL_H), word(step, Conv.KERNEL_W), word(step, Conv.IN_C), groups, word(step, Conv.DILATION_W), word(step, Conv.SRC_PITCH));
  const length = Conv.segmentLength(word(step, Conv.KERNEL_H), word(step, Conv.KERNEL_W), word(step, Conv.IN_C), groups, word(step, Conv.DILATION_W), word(step, Conv.SRC_PITCH));
  const depth = gemmDepth(segments, length);
  let src = address(step, Conv.SRC, data);
  let dst = address(step, Conv.DST, data);
  let weights = address(step, Conv.WEIGHTS, data);
  let bias = address(step, Conv.BIAS, data);
  let scale = address(step, Conv.SCALE, data);
  const fourBits = word(step, Conv.WEIGHT_BITS) == 4;
  const form = word(step, Conv.PAIR_SAFE);
  const blocks = form == Conv.BLOCKS_OF_1 || form == Conv.BLOCKS_OF_2;
  const scattered = form == Conv.SCATTERED;
  const panels = scattered ? outC * SCATTERED_HEAD_BYTES : ((outC + 7) >> 3) * (blocks ? BLOCKS_HEAD_BYTES : fourBits ? i4PanelBytes(depth) : depth << 3);
  let offsets = weights + <usize>(groups * panels);
  for (let g = 0; g < groups; g++) {
    if (blocks) convGroupBlocks(step, src, dst, weights, bias, scale, outC, outBytes, depth, block);
    else if (scattered) convGroupScattered(step, src, dst, weights, offsets, bias, scale, outC, outBytes, depth, block);
    else if (word(step, Conv.PLANAR)) convGroupPlanes(step, src, dst, weights, offsets, bias, scale, outC, outBytes, depth, block);
    else if (fourBits) convGroupI4(step, src, dst, weights, bias, scale, outC, outBytes, depth, block);
    else if (HAS_PAIR_DOT && form) convGroupPairs(step, src, dst, weights, offsets, bias, scale, outC, outBytes, depth, block);
    else convGroup(step, src, dst, weights, bias, scale, outC, outBytes, depth, block);
    src += inC;
    dst += outC * outBytes;
    weights += panels;
    if (!scattered) offsets += <usize>((outC + 7) & ~7) << 2;
    bias += outC * 4;
    scale += outC * 4;
  }
}

function convGroup(step: usize, src: usize, dst: usize, weights: usize, bias: usize, scale: usize, outC: i32, outBytes: i32, depth: i32, block: usize): void {
  const pixels = word(step, Conv.BATCH) * word(step, Conv.OUT_H) * word(step, Conv.OUT_W);
  const rowBlock = word(step, Conv.ROW_BLOCK);
  const srcPitch = word(step, Conv.SRC_PITCH);
  const pitchBytes = word(step, Conv.DST_PITCH) * outBytes;
  const panel = block + OUTPUT_BYTES;
  const wide = panel + rowBlock * depth * 2;
  const gathered = wide + depth * 16;
  const pointwise = isPointwise(step);
  const panelBytes = depth * 8;
  for (let m = 0; m < pixels; m += rowBlock) {
    const rows = min(rowBlock, pixels - m);
    if (pointwise) packRows<i16>(PAIRS, src + <usize>(m * srcPitch), srcPitch, rows, word(step, Conv.IN_C) / word(step, Conv.GROUPS), depth, panel);
    else packPatches<i16>(PAIRS, step, src, m, rows, depth, panel, gathered);
    let out = dst + <usize>(m * pitchBytes);
    let b = weights;
    for (let n = 0; n < outC; n += 8) {
      const channels = min(8, outC - n);
      const biases = bias + <usize>(n << 2);
      const scales = scale + <usize>(n << 2);
      if (rows >= WIDEN_ROWS) {
        widen(b, panelBytes, wide);
        gemmI8<i16>(rows, depth >> 1, panel, wide, biases, scales, out, pitchBytes, channels, block);
      } else {
        gemmI8<i8>(rows, depth >> 1, panel, b, biases, scales, out, pitchBytes, channels, block);
      }
      b += panelBytes;
      out += 8 * outBytes;
    }
  }
}

/** convGroup of pair-safe or run-safe weights. `offsets`: int32 for each output, to be added to its bias. */
function convGroupPairs(step: usize, src: usize, dst: usize, weights: usize, offsets: usize, bias: usize, scale: usize, outC: i32, outBytes: i32, depth: i32, block: usize): void {
  const pixels = word(step, Conv.BATCH) * word(step, Conv.OUT_H) * word(step, Conv.OUT_W);
  const rowBlock = word(step, Conv.ROW_BLOCK);
  const srcPitch = word(step, Conv.SRC_PITCH);
  const pitchBytes = word(step, Conv.DST_PITCH) * outBytes;
  const panel = block + OUTPUT_BYTES;
  const start = panel + rowBlock * depth * 2;
  const gathered = start + depth * 16;
  const pointwise = isPointwise(step);
  const fused = load<i32>(DOT_IS_FUSED) != 0;
  const runs = word(step, Conv.PAIR_SAFE) == Conv.RUN_SAFE;
  for (let m = 0; m < pixels; m += rowBlock) {
    const rows = min(rowBlock, pixels - m);
    if (pointwise) packRows<i8>(QUADS, src + <usize>(m * srcPitch), srcPitch, rows, word(step, Conv.IN_C) / word(step, Conv.GROUPS), depth, panel);
    else packPatches<i8>(QUADS, step, src, m, rows, depth, panel, gathered);
    let out = dst + <usize>(m * pitchBytes);
    let b = weights;
    for (let n = 0; n < outC; n += 8) {
      const channels = min(8, outC - n);
      const at = <usize>(n << 2);
      v128.store(start, i32x4.add(v128.load(bias + at), v128.load(offsets + at)));
      v128.store(start, i32x4.add(v128.load(bias + at, 16), v128.load(offsets + at, 16)), 16);
      if (fused) gemmFusedPairsI8(rows, depth >> 2, panel, b, start, scale + at, out, pitchBytes, channels, block);
      else if (runs) gemmRunsI8(rows, depth >> 2, panel, b, start, scale + at, out, pitchBytes, channels, block);
      else gemmPairsI8(rows, depth >> 2, panel, b, start, scale + at, out, pitchBytes, channels, block);
      b += depth << 3;
      out += 8 * outBytes;
    }
  }
}
