/**
 * CONV_I8 (format/steps/conv-i8.ts) of sparse weights, one group: kernels/conv-i8.ts with A panels of which each eight outputs pick the columns that
 * they need; from packed patches or, where PLANAR is 1, from planes.
 *
 * With the pair dot, sixteen rows at a time (of planes eight, too) have their columns brought together first (collect-i8.ts), for a dense GEMM; what
 * is left over, and other builds, take gemm-blocks-i8.ts. Values are half as wide there, and where the other half would be there is room for that.
 *
 *   scratch, patches: output block | A panel, wide panels first | columns brought together | gathered patches, or what eight accumulators start with
 *   scratch, planes:  output block | places of one panel | what eight accumulators start with | places of all units | planes | columns brought together
 */
import { BLOCKS_HEAD_BYTES } from "../../format/packings.ts";
import * as Conv from "../../format/steps/conv-i8.ts";
import { DOT_IS_FUSED } from "../constants.ts";
import { HAS_PAIR_DOT } from "../simd/dot.ts";
import { word } from "../words.ts";
import { collectHalfPlanes, collectPlanes, collectWide } from "./collect-i8.ts";
import { gemmBlocksI8, gemvBlocksI8 } from "./gemm-blocks-i8.ts";
import { gemmFusedPairsI8 } from "./gemm-pairs-i8.ts";
import { gemmSomeRunsI8 } from "./gemm-runs-i8.ts";
import { OUTPUT_BYTES } from "./output-i8.ts";
import { isPointwise, packPatches, packPixels } from "./patches-i8.ts";
import { packPlanes, planeRowBytes, writeOffsets } from "./planes-i8.ts";
import { packWideRows, WIDE_ROWS, widenPanels } from "./wide-panels-i8.ts";

/** Words of a head: bytes to its weights, its quads, bytes to its places, quads that go two at a time; then what the build adds to accumulators. */
const QUADS: usize = 4;
const PLACES: usize = 8;
const RUNS: usize = 12;
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

/** The products of `rows` (a multiple of 4) rows whose columns have been brought together. */
function multiplyCollected(fused: bool, head: usize, rows: i32, collected: usize, start: usize, scale: usize, out: usize, pitchBytes: i32, channels: i32, block: usize): void {
  const weights = head + load<i32>(head);
  const quads = load<i32>(head, QUADS);
  if (fused) gemmFusedPairsI8(rows, quads, collected, weights, start, scale, out, pitchBytes, channels, block);
  else gemmSomeRunsI8(rows, quads, load<i32>(head, RUNS), collected, weights, start, scale, out, pitchBytes, channels, block);
}

/** Whether bringing columns together pays: not for few quads in each eight outputs, fewer of single columns, whose gathering costs more. */
function collects(unit: i32, head: usize, outC: i32): bool {
  const least = (unit << 1) + 2;
  let quads = 0;
  for (let n = 0; n < outC; n += 8) {
    quads += load<i32>(head, QUADS) - least;
    head += BLOCKS_HEAD_BYTES;
  }
  return quads >= 0;
}

function multiplyPatches(unit: i32, step: usize, src: usize, dst: usize, heads: usize, bias: usize, scale: usize, outC: i32, outBytes: i32, depth: i32, block: usize): void {
  const pixels = word(step, Conv.BATCH) * word(step, Conv.OUT_H) * word(step, Conv.OUT_W);
  const rowBlock = word(step, Conv.ROW_BLOCK);
  const srcPitch = word(step, Conv.SRC_PITCH);
  const length = word(step, Conv.IN_C) / word(step, Conv.GROUPS);
  const pitchBytes = word(step, Conv.DST_PITCH) * outBytes;
  const panel = block + OUTPUT_BYTES;
  // Of every two columns one may go alone: sixteen rows take up to 32 bytes for each of the depth.
  const collected = panel + rowBlock * depth;
  const start = panel + rowBlock * depth * 2 + depth * 16;
  const pointwise = isPointwise(step);
  const fused = HAS_PAIR_DOT && load<i32>(DOT_IS_FUSED) != 0;
  const tileBytes = depth * (HAS_PAIR_DOT ? 4 : 8);
  const wideMask = HAS_PAIR_DOT && collects(unit, heads, outC) ? -WIDE_ROWS : 0;
  for (let m = 0; m < pixels; m += rowBlock) {
    const rows = min(rowBlock, pixels - m);
    const wide = rows & wideMask;
    const tiles = panel + <usize>(wide * depth);
    if (HAS_PAIR_DOT) {
      if (pointwise) {
        packWideRows(unit, src + <usize>(m * srcPitch), srcPitch, wide, length, depth, panel);
      } else if (wide > 0) {
        packPatches<i8>(unit, step, src, m, wide, depth, collected, start);
        widenPanels(unit, collected, wide, depth, panel);
      }
      packPixels<i8>(unit, pointwise, step, src, srcPitch, m + wide, rows - wide, length, depth, tiles, start);
    } else {
      packPixels<i16>(unit, pointwise, step, src, srcPitch, m, rows, length, depth, panel, start);
    }
    // A row that is left over stands four times in its tile.
    const single = (rows & 3) == 1;
    const tiled = single ? rows - 1 : rows;
    const last = tiles + <usize>((tiled - wide >> 2) * tileBytes);
    let out = dst + <usize>(m * pitchBytes);
    let head = heads;
    for (let n = 0; n < outC; n += 8) {
      const channels = min(8, outC - n);
      const at = <usize>(n << 2);
      const quads = load<i32>(head, QUADS);
      const weights = head + load<i32>(head);
      const places = head + load<i32>(head, PLACES);
      let row = 0;
      writeStart(head, bias + at, start);
      if (HAS_PAIR_DOT && quads > 0) {
        for (; row < wide; row += WIDE_ROWS) {
          collectWide(unit, quads, panel + <usize>(row * depth), places, collected);
          multiplyCollected(fused, head, WIDE_ROWS, collected, start, scale + at, out + <usize>(row * pitchBytes), pitchBytes, channels, block);
        }
      }
      if (tiled > row) gemmBlocksI8(unit, tiled - row, quads, tiles, tileBytes, weights, places, start, scale + at, out + <usize>(row * pitchBytes), pitchBytes, channels, block);
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
  const places = block + OUTPUT_BYTES;
  const start = places + depth * 8;
  // There is as much room behind the planes as they take.
  const room = HAS_PAIR_DOT ? planesSize(step) + 15 & ~15 : 0;
  const collected = planes + room;
  for (let n = 0; n < outC; n += 8) {
    const at = <usize>(n << 2);
    takePlaces(heads + load<i32>(heads, PLACES), (load<i32>(heads, QUADS) << 2) / unit, unit, table, places);
    writeStart(heads, bias + at, start);
    let a = planes;
    let out = dst;
    for (let r = 0; r < rows; r++) {
      multiplyPlaneRow(unit, outW, heads, a, collected, room, places, start, scale + at, out, pitchBytes, min(8, outC - n), block);
      a += moveBytes;
      out += outW * pitchBytes;
    }
    heads += BLOCKS_HEAD_BYTES;
    dst += 8 * outBytes;
  }
}

/** One row of `outW` pixels of eight outputs; there are `room` bytes at `collected`. */
function multiplyPlaneRow(unit: i32, outW: i32, head: usize, a: usize, collected: usize, room: i32, places: usize, start: usize, scale: usize, out: usize, pitchBytes: i32, channels: i32, block: usize): void {
  const weights = head + load<i32>(head);
  const quads = load<i32>(head, QUADS);
  const unitBytes = unit * (HAS_PAIR_DOT ? 1 : 2);
  let left = outW;
  if (HAS_PAIR_DOT && quads > 0) {
    const fused = load<i32>(DOT_IS_FUSED) != 0;
    for (; left >= WIDE_ROWS && quads << 6 <= room; left -= WIDE_ROWS) {
      collectPlanes(unit, quads, a, places, collected);
      multiplyCollected(fused, head, WIDE_ROWS, collected, start, scale, out, pitchBytes, channels, block);
      a += WIDE_ROWS * unitBytes;
      out += WIDE_ROWS * pitchBytes;
    }
    for (; left >= WIDE_ROWS / 2 && quads << 5 <= room; left -= WIDE_ROWS / 2) {
      collectHalfPlanes(unit, quads, a, places, collected);
      multiplyCollected(fused, head, WIDE_ROWS / 2, collected, start, scale, out, pitchBytes, channels, block);
      a += WIDE_ROWS / 2 * unitBytes;
      out += WIDE_ROWS / 2 * pitchBytes;
    }
  }
  if (left > 0) gemmBlocksI8(unit, left, quads, a, unitBytes << 2, weights, places, start, scale, out, pitchBytes, channels, block);
}

/** Bytes of the planes that are there at a time, of int8. */
function planesSize(step: usize): i32 {
  const rows = word(step, Conv.ROW_BLOCK) / word(step, Conv.OUT_W);
  return Conv.planeSize(rows, planeRowBytes<i8>(step), word(step, Conv.KERNEL_H), word(step, Conv.STRIDE_H), word(step, Conv.DILATION_H));
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
