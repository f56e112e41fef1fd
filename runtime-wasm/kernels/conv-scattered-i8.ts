/**
 * CONV_I8 (format/steps/conv-i8.ts) of scattered weights, one group: int16 A panels of single columns in every build, from packed patches or, where
 * PLANAR is 1, from planes (gemm-scattered-i8.ts).
 *
 *   scratch, patches: output block | A panel | table of places | gathered patches
 *   scratch, planes:  output block | table of places | planes
 */
import { SCATTERED_HEAD_BYTES } from "../../format/packings.ts";
import * as Conv from "../../format/steps/conv-i8.ts";
import { word } from "../words.ts";
import { gemmScatteredI8 } from "./gemm-scattered-i8.ts";
import { OUTPUT_BYTES } from "./output-i8.ts";
import { isPointwise, packPixels } from "./patches-i8.ts";
import { packPlanes, planeRowBytes, writeOffsets } from "./planes-i8.ts";

/** Bytes of a column of a tile: four int16. */
const COLUMN_BYTES: i32 = 8;
/** Bytes that packing may write behind a panel. */
const BEHIND_PANEL: usize = 48;

/** `src` and `dst` are the first channel of the group, `heads` those of its outputs, `pairs` all pairs, `bias` and `scale` those of its first output. */
export function convGroupScattered(step: usize, src: usize, dst: usize, heads: usize, pairs: usize, bias: usize, scale: usize, outC: i32, outBytes: i32, depth: i32, block: usize): void {
  if (word(step, Conv.PLANAR)) multiplyPlanes(step, src, dst, heads, pairs, bias, scale, outC, outBytes, depth, block);
  else multiplyPatches(step, src, dst, heads, pairs, bias, scale, outC, outBytes, depth, block);
}

function multiplyPatches(step: usize, src: usize, dst: usize, heads: usize, pairs: usize, bias: usize, scale: usize, outC: i32, outBytes: i32, depth: i32, block: usize): void {
  const pixels = word(step, Conv.BATCH) * word(step, Conv.OUT_H) * word(step, Conv.OUT_W);
  const rowBlock = word(step, Conv.ROW_BLOCK);
  const srcPitch = word(step, Conv.SRC_PITCH);
  const length = word(step, Conv.IN_C) / word(step, Conv.GROUPS);
  const pitchBytes = word(step, Conv.DST_PITCH) * outBytes;
  const panel = block + OUTPUT_BYTES;
  const wide = panel + rowBlock * depth * 2;
  const gathered = wide + depth * 16;
  const table = wide + BEHIND_PANEL;
  const pointwise = isPointwise(step);
  for (let k = 0; k < depth; k++) store<u32>(table + (<usize>k << 2), k * COLUMN_BYTES);
  for (let m = 0; m < pixels; m += rowBlock) {
    const rows = min(rowBlock, pixels - m);
    packPixels<i16>(1, pointwise, step, src, srcPitch, m, rows, length, depth, panel, gathered);
    multiplyOutputs(rows, panel, depth * COLUMN_BYTES, heads, pairs, table, bias, scale, dst + <usize>(m * pitchBytes), pitchBytes, outC, outBytes, block);
  }
}

function multiplyPlanes(step: usize, src: usize, dst: usize, heads: usize, pairs: usize, bias: usize, scale: usize, outC: i32, outBytes: i32, depth: i32, block: usize): void {
  const outH = word(step, Conv.OUT_H);
  const outW = word(step, Conv.OUT_W);
  const stride = word(step, Conv.STRIDE_H);
  const height = (word(step, Conv.KERNEL_H) - 1) * word(step, Conv.DILATION_H) + 1;
  const some = word(step, Conv.ROW_BLOCK) / outW;
  const imageBytes = word(step, Conv.IN_H) * word(step, Conv.IN_W) * word(step, Conv.SRC_PITCH);
  const pitchBytes = word(step, Conv.DST_PITCH) * outBytes;
  const moveBytes = stride * planeRowBytes<i16>(step);
  const table = block + OUTPUT_BYTES;
  const planes = table + depth * 18;
  writeOffsets<i16>(1, step, table);
  for (let n = word(step, Conv.BATCH); n > 0; n--) {
    for (let y = 0; y < outH; y += some) {
      const rows = min(some, outH - y);
      packPlanes<i16>(1, step, src, y * stride - word(step, Conv.PAD_TOP), (rows - 1) * stride + height, planes);
      let a = planes;
      for (let r = 0; r < rows; r++) {
        multiplyOutputs(outW, a, COLUMN_BYTES, heads, pairs, table, bias, scale, dst, pitchBytes, outC, outBytes, block);
        a += moveBytes;
        dst += outW * pitchBytes;
      }
    }
    src += imageBytes;
  }
}

/** `rows` rows, the tiles of which begin at `a`, by all outputs. */
function multiplyOutputs(rows: i32, a: usize, tileBytes: i32, heads: usize, pairs: usize, table: usize, bias: usize, scale: usize, out: usize, pitchBytes: i32, outC: i32, outBytes: i32, block: usize): void {
  for (let n = 0; n < outC; n += 8) {
    const at = <usize>(n << 2);
    gemmScatteredI8(rows, a, tileBytes, heads, pairs, table, bias + at, scale + at, out, pitchBytes, min(8, outC - n), block);
    heads += 8 * SCATTERED_HEAD_BYTES;
    out += 8 * outBytes;
  }
}
