/** Four neighbouring output pixels of a row of DEPTHWISE_F32 at a time. At least four channels; limits must be set. */
import { limits } from "../simd/limits.ts";
import { Exact, Fused, HAS_FUSED, isFused, multiplyAdd } from "../simd/multiply-add.ts";
import { clampFloat } from "../simd/requantize.ts";

/** Four output pixels, `pixelStep` apart in the input, all columns inside. At least four channels. */
export function quad(
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
export function quadOfThree(src: usize, lineStep: usize, rows: i32, weights: usize, tapBytes: usize, bias: usize, dst: usize, bytes: usize): void {
  if (HAS_FUSED && isFused()) quadOfThreeBy<Fused, Adjacent>(src, lineStep, rows, weights, tapBytes, bias, dst, bytes);
  else quadOfThreeBy<Exact, Adjacent>(src, lineStep, rows, weights, tapBytes, bias, dst, bytes);
}

/** As quadOfThree of stride 2: nine input columns serve all. */
export function quadOfThreeApart(src: usize, lineStep: usize, rows: i32, weights: usize, tapBytes: usize, bias: usize, dst: usize, bytes: usize): void {
  if (HAS_FUSED && isFused()) quadOfThreeBy<Fused, Apart>(src, lineStep, rows, weights, tapBytes, bias, dst, bytes);
  else quadOfThreeBy<Exact, Apart>(src, lineStep, rows, weights, tapBytes, bias, dst, bytes);
}

/** Type arguments that stand for strides of 1 and 2. */
type Adjacent = i32;
type Apart = f32;

function quadOfThreeBy<M, Columns>(src: usize, lineStep: usize, rows: i32, weights: usize, tapBytes: usize, bias: usize, dst: usize, bytes: usize): void {
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
      if (isInteger<Columns>()) {
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
      } else {
        s0 = multiplyAdd<M>(s0, v128.load(p), w0);
        p += bytes;
        s0 = multiplyAdd<M>(s0, v128.load(p), w1);
        p += bytes;
        const x2 = v128.load(p);
        s0 = multiplyAdd<M>(s0, x2, w2);
        s1 = multiplyAdd<M>(s1, x2, w0);
        p += bytes;
        s1 = multiplyAdd<M>(s1, v128.load(p), w1);
        p += bytes;
        const x4 = v128.load(p);
        s1 = multiplyAdd<M>(s1, x4, w2);
        s2 = multiplyAdd<M>(s2, x4, w0);
        p += bytes;
        s2 = multiplyAdd<M>(s2, v128.load(p), w1);
        p += bytes;
        const x6 = v128.load(p);
        s2 = multiplyAdd<M>(s2, x6, w2);
        s3 = multiplyAdd<M>(s3, x6, w0);
        p += bytes;
        s3 = multiplyAdd<M>(s3, v128.load(p), w1);
        s3 = multiplyAdd<M>(s3, v128.load(p + bytes), w2);
      }
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
