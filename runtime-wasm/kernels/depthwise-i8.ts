/**
 * DEPTHWISE_I8 (format/steps/depthwise-i8.ts).
 *
 * ROLLING: the rows under the kernel stand in a ring of three padded rows, each input row copied once; the row kernels
 * (depthwise-rows-i8.ts) then need no bounds. Else: for each output pixel a list of addresses, one for each tap, with a pixel of
 * IN_ZERO for the taps in the padding.
 *
 *   scratch, rolling: output block | three rows of (OUT_W − 1)·STRIDE_W + 3 pixels        else: output block | tap addresses | one pixel of IN_ZERO
 */
import { INT8 } from "../../format/dtypes.ts";
import * as Depthwise from "../../format/steps/depthwise-i8.ts";
import { address, word } from "../words.ts";
import { clampRow, rowStride1, rowStride2 } from "./depthwise-rows-i8.ts";
import { depthwiseTaps } from "./depthwise-taps-i8.ts";
import { OUTPUT_BYTES, prepareOutput } from "./output-i8.ts";

/**
 * With stride 2, three rows of more bytes than this would leave the first cache between one eight channels and the next: they go in pieces of
 * about PIECE_BYTES. With stride 1 there is more work to a byte, and pieces cost what they save.
 */
const CACHED_BYTES: i32 = 28672;
const PIECE_BYTES: i32 = 20480;

/** Runs one DEPTHWISE_I8 step. */
export function depthwiseI8(step: usize, data: usize): void {
  const block = address(step, Depthwise.SCRATCH, data);
  prepareOutput(block, INT8, word(step, Depthwise.BOUNDED), word(step, Depthwise.OUT_ZERO), word(step, Depthwise.MIN), word(step, Depthwise.MAX));
  const channels = word(step, Depthwise.CHANNELS);
  const inBytes = word(step, Depthwise.IN_H) * word(step, Depthwise.IN_W) * channels;
  const outBytes = word(step, Depthwise.OUT_H) * word(step, Depthwise.OUT_W) * channels;
  let src = address(step, Depthwise.SRC, data);
  let dst = address(step, Depthwise.DST, data);
  for (let n = word(step, Depthwise.BATCH); n > 0; n--) {
    if (word(step, Depthwise.ROLLING) == 1) rollImage(step, data, src, dst, block);
    else tapImage(step, data, src, dst, block);
    src += inBytes;
    dst += outBytes;
  }
}

function rollImage(step: usize, data: usize, src: usize, dst: usize, block: usize): void {
  const weights = address(step, Depthwise.WEIGHTS, data);
  const bias = address(step, Depthwise.BIAS, data);
  const scale = address(step, Depthwise.SCALE, data);
  const channels = word(step, Depthwise.CHANNELS);
  const inH = word(step, Depthwise.IN_H);
  const inW = word(step, Depthwise.IN_W);
  const outH = word(step, Depthwise.OUT_H);
  const outW = word(step, Depthwise.OUT_W);
  const stride = word(step, Depthwise.STRIDE_H);
  const left = word(step, Depthwise.PAD_LEFT);
  const top = word(step, Depthwise.PAD_TOP);
  const zero = <u8>word(step, Depthwise.IN_ZERO);
  const width = (outW - 1) * stride + 3;
  const ring = block + OUTPUT_BYTES;
  const slotBytes = width * channels;
  const inside = left * channels;
  const rowBytes = max(0, min(inW, width - left)) * channels;
  const narrower = word(step, Depthwise.MIN) > -128 || word(step, Depthwise.MAX) < 127;
  const piece = stride == 2 && 3 * slotBytes > CACHED_BYTES ? outW / (3 * slotBytes / PIECE_BYTES + 1) + 1 : outW;
  memory.fill(ring, zero, 3 * slotBytes);
  let next = 0;
  for (let y = 0; y < outH; y++) {
    const first = y * stride;
    for (next = max(next, first); next < first + 3; next++) {
      if (rowBytes == 0) continue;
      const slot = ring + <usize>((next % 3) * slotBytes + inside);
      const row = next - top;
      if (row >= 0 && row < inH) memory.copy(slot, src + <usize>(row * inW * channels), rowBytes);
      else memory.fill(slot, zero, rowBytes);
    }
    const row0 = ring + <usize>((first % 3) * slotBytes);
    const row1 = ring + <usize>(((first + 1) % 3) * slotBytes);
    const row2 = ring + <usize>(((first + 2) % 3) * slotBytes);
    for (let x = 0; x < outW; x += piece) {
      const at = <usize>(x * stride * channels);
      const columns = min(piece, outW - x);
      const out = dst + <usize>(x * channels);
      if (stride == 1) rowStride1(row0 + at, row1 + at, row2 + at, channels, columns, weights, bias, scale, out, block);
      else rowStride2(row0 + at, row1 + at, row2 + at, channels, columns, weights, bias, scale, out, block);
    }
    if (narrower) clampRow(dst, outW * channels, block);
    dst += outW * channels;
  }
}

function tapImage(step: usize, data: usize, src: usize, dst: usize, block: usize): void {
  const weights = address(step, Depthwise.WEIGHTS, data);
  const bias = address(step, Depthwise.BIAS, data);
  const scale = address(step, Depthwise.SCALE, data);
  const channels = word(step, Depthwise.CHANNELS);
  const inH = word(step, Depthwise.IN_H);
  const inW = word(step, Depthwise.IN_W);
  const outH = word(step, Depthwise.OUT_H);
  const outW = word(step, Depthwise.OUT_W);
  const kernelH = word(step, Depthwise.KERNEL_H);
  const kernelW = word(step, Depthwise.KERNEL_W);
  const dilationH = word(step, Depthwise.DILATION_H);
  const dilationW = word(step, Depthwise.DILATION_W);
  const strideH = word(step, Depthwise.STRIDE_H);
  const strideW = word(step, Depthwise.STRIDE_W);
  const top = word(step, Depthwise.PAD_TOP);
  const left = word(step, Depthwise.PAD_LEFT);
  const taps = block + OUTPUT_BYTES;
  const outside = taps + kernelH * kernelW * 4;
  memory.fill(outside, <u8>word(step, Depthwise.IN_ZERO), channels);
  for (let y = 0; y < outH; y++) {
    for (let x = 0; x < outW; x++) {
      let tap = taps;
      for (let kernelY = 0; kernelY < kernelH; kernelY++) {
        const inY = y * strideH - top + kernelY * dilationH;
        const rowInside = inY >= 0 && inY < inH;
        let inX = x * strideW - left;
        for (let kernelX = 0; kernelX < kernelW; kernelX++) {
          store<usize>(tap, rowInside && inX >= 0 && inX < inW ? src + <usize>((inY * inW + inX) * channels) : outside);
          inX += dilationW;
          tap += 4;
        }
      }
      depthwiseTaps(taps, kernelH * kernelW, channels, weights, bias, scale, dst, block);
      dst += channels;
    }
  }
}
