/**
 * im2col for CONV_I8: the patches of four output pixels at a time, straight from the image into the A panel. A patch inside the image is
 * read in place; of one at the edge each segment that leaves the image is gathered first, with IN_ZERO for what lies outside.
 */
import * as Conv from "../../format/steps/conv-i8.ts";
import { word } from "../words.ts";
import { packSegment } from "./panel-i8.ts";

/** For each of four pixels: the address of its patch's first value, its y and its x in the image. */
const PATCH_BYTES: usize = 12;
const Y: usize = 4;
const X: usize = 8;
/** Bytes of scratch for the coordinates of four patches. */
export const PATCHES_BYTES: usize = 64;

/**
 * Packs the patches of `rows` output pixels from pixel `first` on. `src` is the image's first channel of the group; `gathered` has room
 * for four rows of `depth` bytes, `patches` for PATCHES_BYTES.
 */
export function packPatches(step: usize, src: usize, first: i32, rows: i32, depth: i32, panel: usize, gathered: usize, patches: usize): void {
  const kernelH = word(step, Conv.KERNEL_H);
  const kernelW = word(step, Conv.KERNEL_W);
  const strideH = word(step, Conv.STRIDE_H);
  const strideW = word(step, Conv.STRIDE_W);
  const reachH = (kernelH - 1) * word(step, Conv.DILATION_H);
  const reachW = (kernelW - 1) * word(step, Conv.DILATION_W);
  const inH = word(step, Conv.IN_H);
  const inW = word(step, Conv.IN_W);
  const outH = word(step, Conv.OUT_H);
  const outW = word(step, Conv.OUT_W);
  const pitch = word(step, Conv.SRC_PITCH);
  const firstY = -word(step, Conv.PAD_TOP);
  const firstX = -word(step, Conv.PAD_LEFT);
  let outX = first % outW;
  let outY = (first / outW) % outH;
  let image = src + <usize>(first / outW / outH * inH * inW * pitch);
  while (rows > 0) {
    let inside = true;
    for (let i: usize = 0; i < 4 * PATCH_BYTES; i += PATCH_BYTES) {
      const y = outY * strideH + firstY;
      const x = outX * strideW + firstX;
      store<usize>(patches + i, image + (y * inW + x) * pitch);
      store<i32>(patches + i, y, Y);
      store<i32>(patches + i, x, X);
      inside = inside && y >= 0 && x >= 0 && y + reachH < inH && x + reachW < inW;
      if (--rows > 0) {
        if (++outX == outW) {
          outX = 0;
          if (++outY == outH) {
            outY = 0;
            image += inH * inW * pitch;
          }
        }
      }
    }
    if (inside) packInside(step, patches, panel);
    else packEdge(step, patches, depth, panel, gathered);
    panel += <usize>depth << 3;
  }
}

function packInside(step: usize, patches: usize, panel: usize): void {
  const pitch = word(step, Conv.SRC_PITCH);
  const rowBytes = word(step, Conv.DILATION_H) * word(step, Conv.IN_W) * pitch;
  const columnBytes = word(step, Conv.DILATION_W) * pitch;
  const kernelH = word(step, Conv.KERNEL_H);
  const columns = rowSegments(step);
  const length = columnLength(step);
  const padded = <usize>((length + 1) & ~1) << 3;
  let row0 = load<usize>(patches);
  let row1 = load<usize>(patches, PATCH_BYTES);
  let row2 = load<usize>(patches, 2 * PATCH_BYTES);
  let row3 = load<usize>(patches, 3 * PATCH_BYTES);
  for (let y = 0; y < kernelH; y++) {
    let at = 0;
    for (let x = 0; x < columns; x++) {
      packSegment(row0 + at, row1 + at, row2 + at, row3 + at, length, panel);
      panel += padded;
      at += columnBytes;
    }
    row0 += rowBytes;
    row1 += rowBytes;
    row2 += rowBytes;
    row3 += rowBytes;
  }
}

function packEdge(step: usize, patches: usize, depth: i32, panel: usize, gathered: usize): void {
  const kernelH = word(step, Conv.KERNEL_H);
  const columns = rowSegments(step);
  const length = columnLength(step);
  const padded = <usize>((length + 1) & ~1) << 3;
  for (let y = 0; y < kernelH; y++) {
    for (let x = 0; x < columns; x++) {
      const row0 = segment(step, patches, y, x, gathered);
      const row1 = segment(step, patches + PATCH_BYTES, y, x, gathered + depth);
      const row2 = segment(step, patches + 2 * PATCH_BYTES, y, x, gathered + 2 * depth);
      const row3 = segment(step, patches + 3 * PATCH_BYTES, y, x, gathered + 3 * depth);
      packSegment(row0, row1, row2, row3, length, panel);
      panel += padded;
    }
  }
}

/** Where the segment of kernel row `kernelY` (and column `kernelX`) of a patch stands: in the image, or gathered. */
function segment(step: usize, patch: usize, kernelY: i32, kernelX: i32, gathered: usize): usize {
  const pitch = word(step, Conv.SRC_PITCH);
  const inW = word(step, Conv.IN_W);
  const downwards = kernelY * word(step, Conv.DILATION_H);
  const sidewards = kernelX * word(step, Conv.DILATION_W);
  const y = load<i32>(patch, Y) + downwards;
  const x = load<i32>(patch, X) + sidewards;
  const source = load<usize>(patch) + (downwards * inW + sidewards) * pitch;
  const columns = rowSegments(step) == 1 ? word(step, Conv.KERNEL_W) : 1;
  const length = columnLength(step);
  const zero = word(step, Conv.IN_ZERO);
  const left = max(0, -x);
  const right = max(0, x + columns - inW);
  if (y < 0 || y >= word(step, Conv.IN_H) || left + right >= columns) {
    fillBytes(gathered, zero, length);
    return gathered;
  }
  if (left + right == 0) return source;
  const leftBytes = left * pitch;
  const rightBytes = right * pitch;
  fillBytes(gathered, zero, leftBytes);
  copyBytes(gathered + leftBytes, source + leftBytes, length - leftBytes - rightBytes);
  fillBytes(gathered + length - rightBytes, zero, rightBytes);
  return gathered;
}

/** Segments in one kernel row: 1 where the row is contiguous. */
function rowSegments(step: usize): i32 {
  const kernelW = word(step, Conv.KERNEL_W);
  return Conv.segments(1, kernelW, word(step, Conv.IN_C), word(step, Conv.GROUPS), word(step, Conv.DILATION_W), word(step, Conv.SRC_PITCH));
}

function columnLength(step: usize): i32 {
  return Conv.segmentLength(word(step, Conv.KERNEL_W), word(step, Conv.IN_C), word(step, Conv.GROUPS), word(step, Conv.DILATION_W), word(step, Conv.SRC_PITCH));
}

/** Sets `count` bytes, and up to 15 behind them. */
function fillBytes(dst: usize, value: i32, count: i32): void {
  const bytes = i8x16.splat(<i8>value);
  while (count > 0) {
    v128.store(dst, bytes);
    dst += 16;
    count -= 16;
  }
}

/** Copies `count` bytes, and up to 15 behind them. */
function copyBytes(dst: usize, src: usize, count: i32): void {
  while (count > 0) {
    v128.store(dst, v128.load(src));
    dst += 16;
    src += 16;
    count -= 16;
  }
}
