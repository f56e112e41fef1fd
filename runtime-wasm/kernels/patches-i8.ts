/**
 * im2col for CONV_I8: the patches of four output pixels at a time, straight from the image into the A panel. A patch inside the image is
 * read in place; of one at the edge each run that leaves the image is gathered first, with IN_ZERO for what lies outside. Patches of runs
 * of awkward length are gathered whole (gather-i8.ts).
 */
import * as Conv from "../../format/steps/conv-i8.ts";
import { word } from "../words.ts";
import { copyBytes, fillBytes, packGathered, rowRuns, runBytes } from "./gather-i8.ts";
import { packRows, packSegment } from "./panel-i8.ts";

/** For each of four pixels: the address of its patch's first value, its y and its x in the image. */
const PATCH_BYTES: usize = 12;
const Y: usize = 4;
const X: usize = 8;

/**
 * Packs the patches of `rows` output pixels from pixel `first` on. `src` is the image's first channel of the group; T is the type of the
 * panel's values, `unit` as in panel-i8.ts. `gathered` has room for GATHERED_PATCHES patches, and 64 bytes.
 */
export function packPatches<T>(unit: i32, step: usize, src: usize, first: i32, rows: i32, depth: i32, panel: usize, gathered: usize): void {
  if (runBytes(step) % Conv.RUN_UNIT) packGathered<T>(unit, step, src, first, rows, depth, panel, gathered);
  else packRuns<T>(unit, step, src, first, rows, depth, panel, gathered);
}

function packRuns<T>(unit: i32, step: usize, src: usize, first: i32, rows: i32, depth: i32, panel: usize, gathered: usize): void {
  const patches = gathered + 4 * depth + 16;
  const strideH = word(step, Conv.STRIDE_H);
  const strideW = word(step, Conv.STRIDE_W);
  const reachH = (word(step, Conv.KERNEL_H) - 1) * word(step, Conv.DILATION_H);
  const reachW = (word(step, Conv.KERNEL_W) - 1) * word(step, Conv.DILATION_W);
  const inH = word(step, Conv.IN_H);
  const inW = word(step, Conv.IN_W);
  const outH = word(step, Conv.OUT_H);
  const outW = word(step, Conv.OUT_W);
  const pitch = word(step, Conv.SRC_PITCH);
  const firstY = -word(step, Conv.PAD_TOP);
  const firstX = -word(step, Conv.PAD_LEFT);
  const panelBytes = <usize>depth * 4 * sizeof<T>();
  let outX = first % outW;
  let outY = (first / outW) % outH;
  let image = src + <usize>(first / outW / outH * inH * inW * pitch);
  while (rows > 0) {
    const y = outY * strideH + firstY;
    const x = outX * strideW + firstX;
    if (rows >= 4 && outX + 4 <= outW && x >= 0 && x + 3 * strideW + reachW < inW && y >= 0 && y + reachH < inH) {
      packInside<T>(unit, step, image + (y * inW + x) * pitch, strideW * pitch, panel);
      outX += 4;
      rows -= 4;
      if (outX == outW) {
        outX = 0;
        if (++outY == outH) {
          outY = 0;
          image += inH * inW * pitch;
        }
      }
    } else {
      for (let i: usize = 0; i < 4 * PATCH_BYTES; i += PATCH_BYTES) {
        const patchY = outY * strideH + firstY;
        const patchX = outX * strideW + firstX;
        store<usize>(patches + i, image + (patchY * inW + patchX) * pitch);
        store<i32>(patches + i, patchY, Y);
        store<i32>(patches + i, patchX, X);
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
      packEdge<T>(unit, step, patches, depth, panel, gathered);
    }
    panel += panelBytes;
  }
}

/** Four patches inside the image, `stride` bytes apart. */
function packInside<T>(unit: i32, step: usize, row0: usize, stride: usize, panel: usize): void {
  const pitch = word(step, Conv.SRC_PITCH);
  const rowBytes = word(step, Conv.DILATION_H) * word(step, Conv.IN_W) * pitch;
  const columnBytes = word(step, Conv.DILATION_W) * pitch;
  const columns = rowRuns(step);
  const length = runBytes(step);
  const padded = <usize>length * 4 * sizeof<T>();
  for (let y = word(step, Conv.KERNEL_H); y > 0; y--) {
    let at = row0;
    for (let x = 0; x < columns; x++) {
      packSegment<T>(unit, at, at + stride, at + 2 * stride, at + 3 * stride, length, panel);
      panel += padded;
      at += columnBytes;
    }
    row0 += rowBytes;
  }
}

/** Four patches anywhere. */
function packEdge<T>(unit: i32, step: usize, patches: usize, depth: i32, panel: usize, gathered: usize): void {
  const kernelH = word(step, Conv.KERNEL_H);
  const dilationH = word(step, Conv.DILATION_H);
  const dilationW = word(step, Conv.DILATION_W);
  const columns = rowRuns(step);
  const width = columns == 1 ? word(step, Conv.KERNEL_W) : 1;
  const length = runBytes(step);
  const padded = <usize>length * 4 * sizeof<T>();
  for (let y = 0; y < kernelH; y++) {
    for (let x = 0; x < columns; x++) {
      const row0 = run(step, patches, y * dilationH, x * dilationW, width, length, gathered);
      const row1 = run(step, patches + PATCH_BYTES, y * dilationH, x * dilationW, width, length, gathered + depth);
      const row2 = run(step, patches + 2 * PATCH_BYTES, y * dilationH, x * dilationW, width, length, gathered + 2 * depth);
      const row3 = run(step, patches + 3 * PATCH_BYTES, y * dilationH, x * dilationW, width, length, gathered + 3 * depth);
      packSegment<T>(unit, row0, row1, row2, row3, length, panel);
      panel += padded;
    }
  }
}

/** Where `width` pixels from (down, right) of a patch's corner stand: in the image, or gathered. */
function run(step: usize, patch: usize, down: i32, right: i32, width: i32, length: i32, gathered: usize): usize {
  const pitch = word(step, Conv.SRC_PITCH);
  const inW = word(step, Conv.IN_W);
  const y = load<i32>(patch, Y) + down;
  const x = load<i32>(patch, X) + right;
  const source = load<usize>(patch) + (down * inW + right) * pitch;
  const insideY = y >= 0 && y < word(step, Conv.IN_H);
  if (insideY && x >= 0 && x + width <= inW) return source;
  const zero = i8x16.splat(<i8>word(step, Conv.IN_ZERO));
  const before = max(0, -x);
  const after = max(0, x + width - inW);
  if (!insideY || before + after >= width) {
    fillBytes(gathered, zero, length);
    return gathered;
  }
  const bytesBefore = before * pitch;
  const bytesAfter = after * pitch;
  fillBytes(gathered, zero, bytesBefore);
  copyBytes(gathered + bytesBefore, source + bytesBefore, length - bytesBefore - bytesAfter);
  fillBytes(gathered + length - bytesAfter, zero, bytesAfter);
  return gathered;
}

/** Whether output pixel m is input pixel m: 1×1, not strided, not padded. */
export function isPointwise(step: usize): bool {
  return (
    word(step, Conv.KERNEL_H) == 1 &&
    word(step, Conv.KERNEL_W) == 1 &&
    word(step, Conv.STRIDE_H) == 1 &&
    word(step, Conv.STRIDE_W) == 1 &&
    word(step, Conv.PAD_TOP) == 0 &&
    word(step, Conv.PAD_LEFT) == 0 &&
    word(step, Conv.OUT_H) == word(step, Conv.IN_H) &&
    word(step, Conv.OUT_W) == word(step, Conv.IN_W)
  );
}

/**
 * Packs the patches of `rows` output pixels from pixel `first` on, each as one segment of `length` values where the convolution is `pointwise`;
 * the rest as packPatches.
 */
// @ts-ignore: decorator
@inline
export function packPixels<T>(unit: i32, pointwise: bool, step: usize, src: usize, srcPitch: i32, first: i32, rows: i32, length: i32, depth: i32, panel: usize, gathered: usize): void {
  if (pointwise) packRows<T>(unit, src + <usize>(first * srcPitch), srcPitch, rows, length, depth, panel);
  else packPatches<T>(unit, step, src, first, rows, depth, panel, gathered);
}
