/**
 * Patches of CONV_I8 in one piece: their runs copied one behind the other, which are then packed like the rows of a matrix. For few or
 * odd channels: short runs would each fill a part of a vector only, and each be padded.
 *
 *   gathered: GATHERED_PATCHES patches | a ring of padded lines of the image, as many as a window is high
 *
 * Each line is copied once, with IN_ZERO for what lies outside the image; patches then need no bounds. Sixteen bytes go at a time: up to
 * 15 behind a line are read, and written behind a patch.
 */
import * as Conv from "../../format/steps/conv-i8.ts";
import { word } from "../words.ts";
import { packRows } from "./panel-i8.ts";

/** packPatches (patches-i8.ts) by way of `gathered`. */
export function packGathered<T>(unit: i32, step: usize, src: usize, first: i32, rows: i32, depth: i32, panel: usize, gathered: usize): void {
  const outH = word(step, Conv.OUT_H);
  const outW = word(step, Conv.OUT_W);
  const strideH = word(step, Conv.STRIDE_H);
  const pitch = Conv.gatheredPitch(depth);
  const lines = gathered + <usize>(Conv.GATHERED_PATCHES * pitch);
  const lineBytes = Conv.lineBytes(outW, word(step, Conv.KERNEL_W), word(step, Conv.STRIDE_W), word(step, Conv.DILATION_W), word(step, Conv.SRC_PITCH));
  const height = (word(step, Conv.KERNEL_H) - 1) * word(step, Conv.DILATION_H) + 1;
  const length = word(step, Conv.KERNEL_H) * rowRuns(step) * runBytes(step);
  const imageBytes = word(step, Conv.IN_H) * word(step, Conv.IN_W) * word(step, Conv.SRC_PITCH);
  const pixelBytes = word(step, Conv.STRIDE_W) * word(step, Conv.SRC_PITCH);
  let outX = first % outW;
  let outY = (first / outW) % outH;
  let image = src + <usize>((first / outW / outH) * imageBytes);
  let next = outY * strideH;
  let filled = 0;
  while (rows > 0) {
    const top = outY * strideH;
    for (next = max(next, top); next < top + height; next++) {
      copyLine(step, image, next - word(step, Conv.PAD_TOP), lines + <usize>((next % height) * lineBytes), lineBytes);
    }
    const some = min(min(rows, outW - outX), Conv.GATHERED_PATCHES - filled);
    gatherPatches(step, lines, lineBytes, height, top, outX * pixelBytes, some, gathered + <usize>(filled * pitch), pitch);
    filled += some;
    rows -= some;
    outX += some;
    if (outX == outW) {
      outX = 0;
      if (++outY == outH) {
        outY = 0;
        next = 0;
        image += imageBytes;
      }
    }
    if (filled == Conv.GATHERED_PATCHES || rows == 0) {
      packRows<T>(unit, gathered, pitch, filled, length, depth, panel);
      panel += <usize>(filled * depth) * sizeof<T>();
      filled = 0;
    }
  }
}

/** Row `y` of the image, of which the windows begin PAD_LEFT pixels before its first one. */
function copyLine(step: usize, image: usize, y: i32, line: usize, lineBytes: i32): void {
  const pitch = word(step, Conv.SRC_PITCH);
  const inW = word(step, Conv.IN_W);
  const zero = i8x16.splat(<i8>word(step, Conv.IN_ZERO));
  const room = lineBytes - 16;
  if (y < 0 || y >= word(step, Conv.IN_H)) {
    fillBytes(line, zero, room);
    return;
  }
  const before = min(word(step, Conv.PAD_LEFT) * pitch, room);
  // The last pixel ends with the group's last channel: further ones may lie behind the image.
  const bytes = min((inW - 1) * pitch + word(step, Conv.IN_C) / word(step, Conv.GROUPS), room - before);
  fillBytes(line, zero, before);
  copyBytes(line + before, image + <usize>(y * inW * pitch), bytes);
  fillBytes(line + before + bytes, zero, room - before - bytes);
}

/** `count` patches beside each other, `pitch` bytes apart, from the lines of windows whose first one is number `top`, `left` bytes in. */
function gatherPatches(step: usize, lines: usize, lineBytes: i32, height: i32, top: i32, left: i32, count: i32, dst: usize, pitch: i32): void {
  const columns = rowRuns(step);
  const length = runBytes(step);
  const dilationH = word(step, Conv.DILATION_H);
  const columnBytes = word(step, Conv.DILATION_W) * word(step, Conv.SRC_PITCH);
  const pixelBytes = word(step, Conv.STRIDE_W) * word(step, Conv.SRC_PITCH);
  for (let y = word(step, Conv.KERNEL_H); y > 0; y--) {
    let run = lines + <usize>((top % height) * lineBytes + left);
    for (let c = columns; c > 0; c--) {
      for (let i = 0; i < length; i += 16) copyColumn(run + i, pixelBytes, count, dst + i, pitch);
      run += columnBytes;
      dst += length;
    }
    top += dilationH;
  }
}

/** Sixteen bytes of `count` pixels. */
// @ts-ignore: decorator
@inline
function copyColumn(src: usize, pixelBytes: i32, count: i32, dst: usize, pitch: i32): void {
  do {
    v128.store(dst, v128.load(src));
    src += pixelBytes;
    dst += pitch;
  } while (--count);
}

/** Runs in one kernel row: 1 where the row is contiguous. */
export function rowRuns(step: usize): i32 {
  return Conv.runs(1, word(step, Conv.KERNEL_W), word(step, Conv.IN_C), word(step, Conv.GROUPS), word(step, Conv.DILATION_W), word(step, Conv.SRC_PITCH));
}

/** Bytes of one run. */
export function runBytes(step: usize): i32 {
  return Conv.runLength(word(step, Conv.KERNEL_W), word(step, Conv.IN_C), word(step, Conv.GROUPS), word(step, Conv.DILATION_W), word(step, Conv.SRC_PITCH));
}

/** Sets `count` bytes, and up to 15 behind them. */
// @ts-ignore: decorator
@inline
export function fillBytes(dst: usize, bytes: v128, count: i32): void {
  while (count > 0) {
    v128.store(dst, bytes);
    dst += 16;
    count -= 16;
  }
}

/** Copies `count` bytes, and up to 15 behind them. */
// @ts-ignore: decorator
@inline
export function copyBytes(dst: usize, src: usize, count: i32): void {
  while (count > 0) {
    v128.store(dst, v128.load(src));
    dst += 16;
    src += 16;
    count -= 16;
  }
}
