/**
 * CONV_I8 (format/steps/conv-i8.ts) of sparse weights, one group: kernels/conv-i8.ts with A panels of which each eight outputs pick the columns that
 * they need (gemm-blocks-i8.ts); from packed patches or, where PLANAR is 1, from planes.
 *
 *   scratch, patches: output block | A panel | what eight accumulators start with | gathered patches
 *   scratch, planes:  output block | places of one panel | what eight accumulators start with | places of all units | planes
 */
import { BLOCKS_HEAD_BYTES } from "../../format/packings.ts";
import * as Conv from "../../format/steps/conv-i8.ts";
import { HAS_PAIR_DOT } from "../simd/dot.ts";
import { word } from "../words.ts";
import { gemmBlocksI8, gemvBlocksI8 } from "./gemm-blocks-i8.ts";
import { OUTPUT_BYTES } from "./output-i8.ts";
import { isPointwise, packPixels } from "./patches-i8.ts";
import { packPlanes, planeRowBytes, writeOffsets } from "./planes-i8.ts";

/** Words of a head: bytes to its weights, its quads, bytes to its places; then what the build adds to accumulators. */
const QUADS: usize = 4;
const PLACES: usize = 8;
const STARTS: usize = 16;

/** `src` and `dst` are the first channel of the group, `heads` those of its outputs, `bias` and `scale` those of its first output. */
export function convGroupBlocks(step: usize, src: usize, dst: usize, heads: usize, bias: usize, scale: usize, outC: i32, outBytes: i32, depth: i32, block: usize): void {
  const unit = word(step, Conv.PAIR_SAFE) == Conv.BLOCKS_OF_1 ? 1 : 2;
  if (word(step, Conv.PLANAR)) multiplyPlanes(unit, step, src, dst, heads, bias, scale, outC, outBytes, depth, block);
  else multiplyPatches(unit, step, src, dst, heads, bias, scale, outC, outBytes, depth, block);
}

/** What the accumulators of the outputs of a head start with. */
function writeStart(head: usize, bias: usize, start: usize): void {
  v128.store(start, i32x4.add(v128.load(bias), v128.load(head, STARTS)));
  v128.store(start, i32x4.add(v128.load(bias, 16), v128.load(head, STARTS + 16)), 16);
}

function multiplyPatches(unit: i32, step: usize, src: usize, dst: usize, heads: usize, bias: usize, scale: usize, outC: i32, outBytes: i32, depth: i32, block: usize): void {
  const pixels = word(step, Conv.BATCH) * word(step, Conv.OUT_H) * word(step, Conv.OUT_W);
  const rowBlock = word(step, Conv.ROW_BLOCK);
  const srcPitch = word(step, Conv.SRC_PITCH);
  const length = word(step, Conv.IN_C) / word(step, Conv.GROUPS);
  const pitchBytes = word(step, Conv.DST_PITCH) * outBytes;
  const panel = block + OUTPUT_BYTES;
  const start = panel + rowBlock * depth * 2;
  const gathered = start + depth * 16;
  const pointwise = isPointwise(step);
  const tileBytes = depth * (HAS_PAIR_DOT ? 4 : 8);
  for (let m = 0; m < pixels; m += rowBlock) {
    const rows = min(rowBlock, pixels - m);
    if (HAS_PAIR_DOT) packPixels<i8>(unit, pointwise, step, src, srcPitch, m, rows, length, depth, panel, gathered);
    else packPixels<i16>(unit, pointwise, step, src, srcPitch, m, rows, length, depth, panel, gathered);
    // A row that is left over stands four times in its tile.
    const single = (rows & 3) == 1;
    const tiled = single ? rows - 1 : rows;
    const last = panel + <usize>((tiled >> 2) * tileBytes);
    let out = dst + <usize>(m * pitchBytes);
    let head = heads;
    for (let n = 0; n < outC; n += 8) {
      const channels = min(8, outC - n);
      const at = <usize>(n << 2);
      const quads = load<i32>(head, QUADS);
      const weights = head + load<i32>(head);
      const places = head + load<i32>(head, PLACES);
      writeStart(head, bias + at, start);
      if (tiled > 0) gemmBlocksI8(unit, tiled, quads, panel, tileBytes, weights, places, start, scale + at, out, pitchBytes, channels, block);
      if (single) gemvBlocksI8(unit, quads, last, weights, places, start, scale + at, out + <usize>(tiled * pitchBytes), channels, block);
      head += BLOCKS_HEAD_BYTES;
      out += 8 * outBytes;
    }
  }
}

function multiplyPlanes(unit: i32, step: usize, src: usize, dst: usize, heads: usize, bias: usize, scale: usize, outC: i32, outBytes: i32, depth: i32, block: usize): void {
  const outH = word(step, Conv.OUT_H);
  const outW = word(step, Conv.OUT_W);
  const stride = word(step, Conv.STRIDE_H);
  const height = (word(step, Conv.KERNEL_H) - 1) * word(step, Conv.DILATION_H) + 1;
  const some = word(step, Conv.ROW_BLOCK) / outW;
  const imageBytes = word(step, Conv.IN_H) * word(step, Conv.IN_W) * word(step, Conv.SRC_PITCH);
  const rowBytes = outW * word(step, Conv.DST_PITCH) * outBytes;
  const table = block + OUTPUT_BYTES + depth * 8 + 32;
  const planes = block + OUTPUT_BYTES + depth * 18;
  if (HAS_PAIR_DOT) writeOffsets<i8>(unit, step, table);
  else writeOffsets<i16>(unit, step, table);
  for (let n = word(step, Conv.BATCH); n > 0; n--) {
    for (let y = 0; y < outH; y += some) {
      const rows = min(some, outH - y);
      const first = y * stride - word(step, Conv.PAD_TOP);
      if (HAS_PAIR_DOT) packPlanes<i8>(unit, step, src, first, (rows - 1) * stride + height, planes);
      else packPlanes<i16>(unit, step, src, first, (rows - 1) * stride + height, planes);
      multiplyRows(unit, step, rows, table, planes, heads, bias, scale, dst, outC, outBytes, depth, block);
      dst += rows * rowBytes;
    }
    src += imageBytes;
  }
}

/** `rows` rows of the output from planes. */
function multiplyRows(unit: i32, step: usize, rows: i32, table: usize, planes: usize, heads: usize, bias: usize, scale: usize, dst: usize, outC: i32, outBytes: i32, depth: i32, block: usize): void {
  const outW = word(step, Conv.OUT_W);
  const pitchBytes = word(step, Conv.DST_PITCH) * outBytes;
  const moveBytes = word(step, Conv.STRIDE_H) * (HAS_PAIR_DOT ? planeRowBytes<i8>(step) : planeRowBytes<i16>(step));
  const tileBytes = (unit << 2) * (HAS_PAIR_DOT ? 1 : 2);
  const places = block + OUTPUT_BYTES;
  const start = places + depth * 8;
  for (let n = 0; n < outC; n += 8) {
    const at = <usize>(n << 2);
    const quads = load<i32>(heads, QUADS);
    takePlaces(heads + load<i32>(heads, PLACES), (quads << 2) / unit, unit, table, places);
    writeStart(heads, bias + at, start);
    let a = planes;
    let out = dst;
    for (let r = 0; r < rows; r++) {
      gemmBlocksI8(unit, outW, quads, a, tileBytes, heads + load<i32>(heads), places, start, scale + at, out, pitchBytes, min(8, outC - n), block);
      a += moveBytes;
      out += outW * pitchBytes;
    }
    heads += BLOCKS_HEAD_BYTES;
    dst += 8 * outBytes;
  }
}

/** The places in planes of `count` units, whose `packed` places are those in a panel: four values of T for each column. */
function takePlaces(packed: usize, count: i32, unit: i32, table: usize, places: usize): void {
  const shift = (HAS_PAIR_DOT ? 0 : 1) + (unit - 1);
  const end = packed + (<usize>count << 2);
  while (packed < end) {
    store<u32>(places, load<u32>(table + (load<u32>(packed) >> shift)));
    store<u32>(places, load<u32>(table + (load<u32>(packed, 4) >> shift)), 4);
    packed += 8;
    places += 8;
  }
}
