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
  const isAdjacent = kernelW == 3 && strideW == 1 && dilationW == 1;
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
        const x = outX * strideW - padLeft;
        if (outX >= quadFrom && outX + 4 <= quadEnd) {
          const p = line + <usize>x * pixelBytes;
          if (isAdjacent) quadOfThree(p, lineStep, rows, w, tapBytes, bias, dst, pixelBytes);
          else quad(p, lineStep, columnStep, pixelStep, rows, kernelW, w, tapBytes, bias, dst, pixelBytes);
          outX += 4;
          dst += pixelBytes << 2;
        } else {
          const kx = firstTap(x, dilationW);
          const columns = lastTap(x, dilationW, kernelW, inW) - kx;
          const p = line + <usize>(x + kx * dilationW) * pixelBytes;
          single(p, lineStep, columnStep, rows, columns, w + <usize>kx * tapBytes, tapBytes, tapBytes * <usize>kernelW, bias, dst, pixelBytes);
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

/** Four output pixels, `pixelStep` apart in the input, all columns inside. At least four channels. */
function quad(
  src: usize,
  lineStep: usize,
  columnStep: usize,
  pixelStep: usize,
  rows: i32,
  columns: i32,
  weights: usize,
  tapBytes: usize,
  bias: usize,
  dst: usize,
  bytes: usize,
): void {
  if (HAS_FUSED && isFused()) quadBy<Fused>(src, lineStep, columnStep, pixelStep, rows, columns, weights, tapBytes, bias, dst, bytes);
  else quadBy<Exact>(src, lineStep, columnStep, pixelStep, rows, columns, weights, tapBytes, bias, dst, bytes);
}

function quadBy<M>(
  src: usize,
  lineStep: usize,
  columnStep: usize,
  pixelStep: usize,
  rows: i32,
  columns: i32,
  weights: usize,
  tapBytes: usize,
  bias: usize,
  dst: usize,
  bytes: usize,
): void {
  const low = v128.load(limits());
  const high = v128.load(limits(), 16);
  for (let c: usize = 0; c < bytes; c += 16) {
    if (c + 16 > bytes) c = bytes - 16;
    let s0 = v128.load(bias + c);
    let s1 = s0;
    let s2 = s0;
    let s3 = s0;
    let line = src + c;
    let w = weights + c;
    for (let y = rows; y > 0; y--) {
      let p0 = line;
      for (let x = columns; x > 0; x--) {
        const p1 = p0 + pixelStep;
        const p2 = p1 + pixelStep;
        const factor = v128.load(w);
        s0 = multiplyAdd<M>(s0, v128.load(p0), factor);
        s1 = multiplyAdd<M>(s1, v128.load(p1), factor);
        s2 = multiplyAdd<M>(s2, v128.load(p2), factor);
        s3 = multiplyAdd<M>(s3, v128.load(p2 + pixelStep), factor);
        p0 += columnStep;
        w += tapBytes;
      }
      line += lineStep;
    }
    storeQuad(dst + c, bytes, clampFloat(s0, low, high), clampFloat(s1, low, high), clampFloat(s2, low, high), clampFloat(s3, low, high));
  }
}

/** Four neighbouring output pixels of a kernel three wide, stride 1, dilation 1: six input columns serve all. */
function quadOfThree(src: usize, lineStep: usize, rows: i32, weights: usize, tapBytes: usize, bias: usize, dst: usize, bytes: usize): void {
  if (HAS_FUSED && isFused()) quadOfThreeBy<Fused>(src, lineStep, rows, weights, tapBytes, bias, dst, bytes);
  else quadOfThreeBy<Exact>(src, lineStep, rows, weights, tapBytes, bias, dst, bytes);
}

function quadOfThreeBy<M>(src: usize, lineStep: usize, rows: i32, weights: usize, tapBytes: usize, bias: usize, dst: usize, bytes: usize): void {
  const low = v128.load(limits());
  const high = v128.load(limits(), 16);
  for (let c: usize = 0; c < bytes; c += 16) {
    if (c + 16 > bytes) c = bytes - 16;
    let s0 = v128.load(bias + c);
    let s1 = s0;
    let s2 = s0;
    let s3 = s0;
    let line = src + c;
    let w = weights + c;
    for (let y = rows; y > 0; y--) {
      const w0 = v128.load(w);
      w += tapBytes;
      const w1 = v128.load(w);
      w += tapBytes;
      const w2 = v128.load(w);
      w += tapBytes;
      let p = line;
      const x0 = v128.load(p);
      p += bytes;
      const x1 = v128.load(p);
      p += bytes;
      const x2 = v128.load(p);
      s0 = multiplyAdd<M>(multiplyAdd<M>(multiplyAdd<M>(s0, x0, w0), x1, w1), x2, w2);
      p += bytes;
      const x3 = v128.load(p);
      s1 = multiplyAdd<M>(multiplyAdd<M>(multiplyAdd<M>(s1, x1, w0), x2, w1), x3, w2);
      p += bytes;
      const x4 = v128.load(p);
      s2 = multiplyAdd<M>(multiplyAdd<M>(multiplyAdd<M>(s2, x2, w0), x3, w1), x4, w2);
      const x5 = v128.load(p + bytes);
      s3 = multiplyAdd<M>(multiplyAdd<M>(multiplyAdd<M>(s3, x3, w0), x4, w1), x5, w2);
      line += lineStep;
    }
    storeQuad(dst + c, bytes, clampFloat(s0, low, high), clampFloat(s1, low, high), clampFloat(s2, low, high), clampFloat(s3, low, high));
  }
}

@inline
function storeQuad(dst: usize, pitch: usize, y0: v128, y1: v128, y2: v128, y3: v128): void {
  v128.store(dst, y0);
  dst += pitch;
  v128.store(dst, y1);
  dst += pitch;
  v128.store(dst, y2);
  v128.store(dst + pitch, y3);
}
