/**
 * DEPTHWISE_F32, four channels to a vector: four neighbouring output pixels at a time where their windows lie inside the image's width, else
 * one. Channels that do not fill a vector are computed twice, with the same bits, by a vector that ends with the pixel.
 */
import * as Depthwise from "../../format/steps/depthwise-f32.ts";
import { limits, setLimits } from "../simd/limits.ts";
import { Exact, Fused, HAS_FUSED, isFused, multiplyAdd } from "../simd/multiply-add.ts";
import { clampFloat } from "../simd/requantize.ts";
import { storeFloats } from "../simd/tail.ts";
import { address, floatWord, word } from "../words.ts";
import { quad, quadOfThree, quadOfThreeApart } from "./depthwise-quads-f32.ts";
import { firstTap, lastTap } from "./window.ts";

export function depthwiseF32(step: usize, data: usize): void {
  const channels = word(step, Depthwise.CHANNELS);
  const inH = word(step, Depthwise.IN_H);
  const inW = word(step, Depthwise.IN_W);
  const outH = word(step, Depthwise.OUT_H);
  const outW = word(step, Depthwise.OUT_W);
  const kernelH = word(step, Depthwise.KERNEL_H);
  const kernelW = word(step, Depthwise.KERNEL_W);
  const strideH = word(step, Depthwise.STRIDE_H);
  const strideW = word(step, Depthwise.STRIDE_W);
  const dilationH = word(step, Depthwise.DILATION_H);
  const dilationW = word(step, Depthwise.DILATION_W);
  const padTop = word(step, Depthwise.PAD_TOP);
  const padLeft = word(step, Depthwise.PAD_LEFT);
  const weights = address(step, Depthwise.WEIGHTS, data);
  const bias = address(step, Depthwise.BIAS, data);
  const pixelBytes = <usize>channels << 2;
  const lineBytes = pixelBytes * <usize>inW;
  const tapBytes = <usize>((channels + 3) & ~3) << 2;
  const columnStep = pixelBytes * <usize>dilationW;
  const lineStep = lineBytes * <usize>dilationH;
  const pixelStep = pixelBytes * <usize>strideW;
  const reach = (kernelW - 1) * dilationW;
  // Output columns [quadFrom, quadEnd) have all their taps inside the width.
  const quadFrom = (padLeft + strideW - 1) / strideW;
  const quadEnd = channels < 4 || inW + padLeft <= reach ? 0 : min(outW, (inW - 1 - reach + padLeft) / strideW + 1);
  const isAdjacent = kernelW == 3 && dilationW == 1;
  setLimits(floatWord(step, Depthwise.MIN), floatWord(step, Depthwise.MAX));
  let image = address(step, Depthwise.SRC, data);
  let dst = address(step, Depthwise.DST, data);
  for (let n = word(step, Depthwise.BATCH); n > 0; n--) {
    for (let outY = 0; outY < outH; outY++) {
      const y = outY * strideH - padTop;
      const ky = firstTap(y, dilationH);
      const rows = lastTap(y, dilationH, kernelH, inH) - ky;
      const line = image + <usize>(y + ky * dilationH) * lineBytes;
      const w = weights + <usize>(ky * kernelW) * tapBytes;
      for (let outX = 0; outX < outW; ) {
        if (outX >= quadFrom && outX < quadEnd && quadEnd - quadFrom >= 4) {
          // The last four may have been computed in part already, with the same bits.
          const over = max(0, outX + 4 - quadEnd);
          outX -= over;
          dst -= pixelBytes * <usize>over;
          const p = line + <usize>(outX * strideW - padLeft) * pixelBytes;
          if (isAdjacent && strideW == 1) quadOfThree(p, lineStep, rows, w, tapBytes, bias, dst, pixelBytes);
          else if (isAdjacent && strideW == 2) quadOfThreeApart(p, lineStep, rows, w, tapBytes, bias, dst, pixelBytes);
          else quad(p, lineStep, columnStep, pixelStep, rows, kernelW, w, tapBytes, bias, dst, pixelBytes);
          outX += 4;
          dst += pixelBytes << 2;
        } else {
          const x = outX * strideW - padLeft;
          const kx = firstTap(x, dilationW);
          const columns = lastTap(x, dilationW, kernelW, inW) - kx;
          const p = line + <usize>(x + kx * dilationW) * pixelBytes;
          const wx = w + <usize>kx * tapBytes;
          const weightRow = tapBytes * <usize>kernelW;
          if (columns == 3) singleOfThree(p, lineStep, columnStep, rows, wx, tapBytes, weightRow, bias, dst, pixelBytes);
          else if (columns == 2) singleOfTwo(p, lineStep, columnStep, rows, wx, tapBytes, weightRow, bias, dst, pixelBytes);
          else single(p, lineStep, columnStep, rows, columns, wx, tapBytes, weightRow, bias, dst, pixelBytes);
          outX++;
          dst += pixelBytes;
        }
      }
    }
    image += lineBytes * <usize>inH;
  }
}

/** One output pixel from `rows` × `columns` taps. */
function single(
  src: usize,
  lineStep: usize,
  columnStep: usize,
  rows: i32,
  columns: i32,
  weights: usize,
  tapBytes: usize,
  weightRow: usize,
  bias: usize,
  dst: usize,
  bytes: usize,
): void {
  if (HAS_FUSED && isFused()) singleBy<Fused>(src, lineStep, columnStep, rows, columns, weights, tapBytes, weightRow, bias, dst, bytes);
  else singleBy<Exact>(src, lineStep, columnStep, rows, columns, weights, tapBytes, weightRow, bias, dst, bytes);
}

function singleBy<M>(
  src: usize,
  lineStep: usize,
  columnStep: usize,
  rows: i32,
  columns: i32,
  weights: usize,
  tapBytes: usize,
  weightRow: usize,
  bias: usize,
  dst: usize,
  bytes: usize,
): void {
  const low = v128.load(limits());
  const high = v128.load(limits(), 16);
  for (let c: usize = 0; c < bytes; c += 16) {
    if (c + 16 > bytes && bytes > 16) c = bytes - 16;
    let sum = v128.load(bias + c);
    let line = src + c;
    let row = weights + c;
    for (let y = rows; y > 0; y--) {
      let p = line;
      let w = row;
      for (let x = columns; x > 0; x--) {
        sum = multiplyAdd<M>(sum, v128.load(p), v128.load(w));
        p += columnStep;
        w += tapBytes;
      }
      line += lineStep;
      row += weightRow;
    }
    sum = clampFloat(sum, low, high);
    storeFloats(dst + c, sum, <i32>(bytes >> 2));
  }
}

/** As single, of three columns of taps. */
function singleOfThree(
  src: usize,
  lineStep: usize,
  columnStep: usize,
  rows: i32,
  weights: usize,
  tapBytes: usize,
  weightRow: usize,
  bias: usize,
  dst: usize,
  bytes: usize,
): void {
  if (HAS_FUSED && isFused()) singleOfFewBy<Fused, Three>(src, lineStep, columnStep, rows, weights, tapBytes, weightRow, bias, dst, bytes);
  else singleOfFewBy<Exact, Three>(src, lineStep, columnStep, rows, weights, tapBytes, weightRow, bias, dst, bytes);
}

/** As single, of two columns of taps. */
function singleOfTwo(
  src: usize,
  lineStep: usize,
  columnStep: usize,
  rows: i32,
  weights: usize,
  tapBytes: usize,
  weightRow: usize,
  bias: usize,
  dst: usize,
  bytes: usize,
): void {
  if (HAS_FUSED && isFused()) singleOfFewBy<Fused, Two>(src, lineStep, columnStep, rows, weights, tapBytes, weightRow, bias, dst, bytes);
  else singleOfFewBy<Exact, Two>(src, lineStep, columnStep, rows, weights, tapBytes, weightRow, bias, dst, bytes);
}

/** Type arguments that stand for numbers of columns. */
type Three = i32;
type Two = f32;

function singleOfFewBy<M, Columns>(
  src: usize,
  lineStep: usize,
  columnStep: usize,
  rows: i32,
  weights: usize,
  tapBytes: usize,
  weightRow: usize,
  bias: usize,
  dst: usize,
  bytes: usize,
): void {
  const low = v128.load(limits());
  const high = v128.load(limits(), 16);
  const thirdColumn = columnStep << 1;
  const thirdTap = tapBytes << 1;
  for (let c: usize = 0; c < bytes; c += 16) {
    if (c + 16 > bytes && bytes > 16) c = bytes - 16;
    let sum = v128.load(bias + c);
    let p = src + c;
    let w = weights + c;
    for (let y = rows; y > 0; y--) {
      sum = multiplyAdd<M>(sum, v128.load(p), v128.load(w));
      sum = multiplyAdd<M>(sum, v128.load(p + columnStep), v128.load(w + tapBytes));
      if (isInteger<Columns>()) sum = multiplyAdd<M>(sum, v128.load(p + thirdColumn), v128.load(w + thirdTap));
      p += lineStep;
      w += weightRow;
    }
    storeFloats(dst + c, clampFloat(sum, low, high), <i32>(bytes >> 2));
  }
}
