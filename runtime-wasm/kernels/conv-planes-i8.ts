/**
 * CONV_I8 (format/steps/conv-i8.ts) where PLANAR is 1, one group: lays out the rows of the image that ROW_BLOCK outputs reach (planes-i8.ts),
 * then multiplies them row by row with one panel of eight outputs after the other.
 *
 *   scratch: output block | one widened B panel [K/2][8][2] int16, or what eight accumulators start with, behind unpacked weights | offsets | planes
 */
import * as Conv from "../../format/steps/conv-i8.ts";
import { DOT_IS_FUSED } from "../constants.ts";
import { HAS_PAIR_DOT } from "../simd/dot.ts";
import { word } from "../words.ts";
import { i4RunsOffset, i4PanelBytes } from "../../format/packings.ts";
import { gemmPlanesI4, unpackI4, widenI4 } from "./gemm-i4.ts";
import { gemmPlanesI8, widen } from "./gemm-i8.ts";
import { gemmPlanesFusedPairsI8, gemmPlanesPairsI8 } from "./gemm-pairs-i8.ts";
import { gemmPlanesRunsI8 } from "./gemm-runs-i8.ts";
import { OUTPUT_BYTES } from "./output-i8.ts";
import { PAIRS, QUADS } from "./panel-i8.ts";
import { packPlanes, planeRowBytes, writeOffsets } from "./planes-i8.ts";

/** convGroup (conv-i8.ts) from planes. `offsets`: int32 for each output, to be added to its bias where weights are pair-safe. */
export function convGroupPlanes(step: usize, src: usize, dst: usize, weights: usize, offsets: usize, bias: usize, scale: usize, outC: i32, outBytes: i32, depth: i32, block: usize): void {
  const fourBits = word(step, Conv.WEIGHT_BITS) == 4;
  const pairs = HAS_PAIR_DOT && (fourBits || word(step, Conv.PAIR_SAFE));
  const outH = word(step, Conv.OUT_H);
  const outW = word(step, Conv.OUT_W);
  const stride = word(step, Conv.STRIDE_H);
  const height = (word(step, Conv.KERNEL_H) - 1) * word(step, Conv.DILATION_H) + 1;
  const some = word(step, Conv.ROW_BLOCK) / outW;
  const imageBytes = word(step, Conv.IN_H) * word(step, Conv.IN_W) * word(step, Conv.SRC_PITCH);
  const rowBytes = outW * word(step, Conv.DST_PITCH) * outBytes;
  const table = block + OUTPUT_BYTES + depth * 16;
  const planes = table + depth * 2;
  if (HAS_PAIR_DOT && pairs) writeOffsets<i8>(QUADS, step, table);
  else writeOffsets<i16>(PAIRS, step, table);
  for (let n = word(step, Conv.BATCH); n > 0; n--) {
    for (let y = 0; y < outH; y += some) {
      const rows = min(some, outH - y);
      const first = y * stride - word(step, Conv.PAD_TOP);
      if (HAS_PAIR_DOT && pairs) {
        packPlanes<i8>(QUADS, step, src, first, (rows - 1) * stride + height, planes);
        if (fourBits) multiplyI4(step, rows, table, planes, planeRowBytes<i8>(step), weights, bias, scale, dst, outC, outBytes, depth, block);
        else multiplyPairs(step, rows, table, planes, weights, offsets, bias, scale, dst, outC, outBytes, depth, block);
      } else {
        packPlanes<i16>(PAIRS, step, src, first, (rows - 1) * stride + height, planes);
        if (fourBits) multiplyI4(step, rows, table, planes, planeRowBytes<i16>(step), weights, bias, scale, dst, outC, outBytes, depth, block);
        else multiply(step, rows, table, planes, weights, bias, scale, dst, outC, outBytes, depth, block);
      }
      dst += rows * rowBytes;
    }
    src += imageBytes;
  }
}

function multiply(step: usize, rows: i32, table: usize, planes: usize, weights: usize, bias: usize, scale: usize, dst: usize, outC: i32, outBytes: i32, depth: i32, block: usize): void {
  const outW = word(step, Conv.OUT_W);
  const pitchBytes = word(step, Conv.DST_PITCH) * outBytes;
  const moveBytes = word(step, Conv.STRIDE_H) * planeRowBytes<i16>(step);
  const wide = block + OUTPUT_BYTES;
  for (let n = 0; n < outC; n += 8) {
    const at = <usize>(n << 2);
    widen(weights, depth << 3, wide);
    let a = planes;
    let out = dst;
    for (let r = 0; r < rows; r++) {
      gemmPlanesI8(table, outW, depth >> 1, a, wide, bias + at, scale + at, out, pitchBytes, min(8, outC - n), block);
      a += moveBytes;
      out += outW * pitchBytes;
    }
    weights += depth << 3;
    dst += 8 * outBytes;
  }
}

function multiplyPairs(step: usize, rows: i32, table: usize, planes: usize, weights: usize, offsets: usize, bias: usize, scale: usize, dst: usize, outC: i32, outBytes: i32, depth: i32, block: usize): void {
  const outW = word(step, Conv.OUT_W);
  const pitchBytes = word(step, Conv.DST_PITCH) * outBytes;
  const moveBytes = word(step, Conv.STRIDE_H) * planeRowBytes<i8>(step);
  const start = block + OUTPUT_BYTES;
  const fused = load<i32>(DOT_IS_FUSED) != 0;
  const runs = word(step, Conv.PAIR_SAFE) == Conv.RUN_SAFE;
  for (let n = 0; n < outC; n += 8) {
    const at = <usize>(n << 2);
    const channels = min(8, outC - n);
    v128.store(start, i32x4.add(v128.load(bias + at), v128.load(offsets + at)));
    v128.store(start, i32x4.add(v128.load(bias + at, 16), v128.load(offsets + at, 16)), 16);
    let a = planes;
    let out = dst;
    for (let r = 0; r < rows; r++) {
      if (fused) gemmPlanesFusedPairsI8(table, outW, depth >> 2, a, weights, start, scale + at, out, pitchBytes, channels, block);
      else if (runs) gemmPlanesRunsI8(table, outW, depth >> 2, a, weights, start, scale + at, out, pitchBytes, channels, block);
      else gemmPlanesPairsI8(table, outW, depth >> 2, a, weights, start, scale + at, out, pitchBytes, channels, block);
      a += moveBytes;
      out += outW * pitchBytes;
    }
    weights += depth << 3;
    dst += 8 * outBytes;
  }
}

function multiplyI4(step: usize, rows: i32, table: usize, planes: usize, rowBytes: i32, weights: usize, bias: usize, scale: usize, dst: usize, outC: i32, outBytes: i32, depth: i32, block: usize): void {
  const outW = word(step, Conv.OUT_W);
  const pitchBytes = word(step, Conv.DST_PITCH) * outBytes;
  const moveBytes = word(step, Conv.STRIDE_H) * rowBytes;
  const unpacked = block + OUTPUT_BYTES;
  // What accumulators start with goes behind the unpacked weights, which take half of their room.
  const start = unpacked + (depth << 3);
  const steps = depth >> 2;
  const fused = HAS_PAIR_DOT && load<i32>(DOT_IS_FUSED);
  for (let n = 0; n < outC; n += 8) {
    const at = <usize>(n << 2);
    const channels = min(8, outC - n);
    if (HAS_PAIR_DOT) {
      const offsets = weights + (depth << 2);
      unpackI4(weights, steps, unpacked);
      v128.store(start, i32x4.add(v128.load(bias + at), v128.load(offsets)));
      v128.store(start, i32x4.add(v128.load(bias + at, 16), v128.load(offsets, 16)), 16);
    } else {
      widenI4(weights, steps, unpacked);
    }
    let a = planes;
    let out = dst;
    for (let r = 0; r < rows; r++) {
      if (!HAS_PAIR_DOT) gemmPlanesI8(table, outW, depth >> 1, a, unpacked, bias + at, scale + at, out, pitchBytes, channels, block);
      else if (fused) gemmPlanesFusedPairsI8(table, outW, steps, a, unpacked, start, scale + at, out, pitchBytes, channels, block);
      else gemmPlanesI4(table, outW, steps, a, unpacked, weights + i4RunsOffset(depth), start, scale + at, out, pitchBytes, channels, block);
      a += moveBytes;
      out += outW * pitchBytes;
    }
    weights += i4PanelBytes(depth);
    dst += 8 * outBytes;
  }
}
