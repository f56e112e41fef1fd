/** POOL: dispatch, float32, and the maxima's positions for every type. Windows are clipped to the image; padding is never read. */
import { FLOAT32, INT8, UINT8 } from "../../format/dtypes.ts";
import * as Pool from "../../format/steps/pool.ts";
import { clampScalar, limits, setLimits } from "../simd/limits.ts";
import { clampFloat } from "../simd/requantize.ts";
import { storeFloats } from "../simd/tail.ts";
import { address, floatWord, word } from "../words.ts";
import { poolI8, poolU8 } from "./pool-i8.ts";
import { firstTap, lastTap } from "./window.ts";

export function pool(step: usize, data: usize): void {
  const hasIndices = word(step, Pool.INDICES) != -1;
  switch (word(step, Pool.DTYPE)) {
    case FLOAT32:
      if (hasIndices) poolWithIndices<f32>(step, data);
      else poolF32(step, data);
      break;
    case INT8:
      if (hasIndices) poolWithIndices<i8>(step, data);
      else poolI8(step, data);
      break;
    case UINT8:
      if (hasIndices) poolWithIndices<u8>(step, data);
      else poolU8(step, data);
      break;
    default:
      unreachable();
  }
}

function poolF32(step: usize, data: usize): void {
  const inD = word(step, Pool.IN_D);
  const inH = word(step, Pool.IN_H);
  const inW = word(step, Pool.IN_W);
  const dilationD = word(step, Pool.DILATION_D);
  const dilationH = word(step, Pool.DILATION_H);
  const dilationW = word(step, Pool.DILATION_W);
  const isMaximum = word(step, Pool.KIND) == Pool.MAXIMUM;
  const bytes = <usize>word(step, Pool.CHANNELS) << 2;
  const columnStep = bytes * <usize>dilationW;
  const lineStep = bytes * <usize>(inW * dilationH);
  const planeStep = bytes * <usize>(inW * inH * dilationD);
  let image = address(step, Pool.SRC, data);
  let dst = address(step, Pool.DST, data);
  setLimits(floatWord(step, Pool.MIN), floatWord(step, Pool.MAX));
  for (let n = word(step, Pool.BATCH); n > 0; n--) {
    for (let outZ = 0; outZ < word(step, Pool.OUT_D); outZ++) {
      const z = outZ * word(step, Pool.STRIDE_D) - word(step, Pool.PAD_FRONT);
      const kz = firstTap(z, dilationD);
      const planes = lastTap(z, dilationD, word(step, Pool.KERNEL_D), inD) - kz;
      for (let outY = 0; outY < word(step, Pool.OUT_H); outY++) {
        const y = outY * word(step, Pool.STRIDE_H) - word(step, Pool.PAD_TOP);
        const ky = firstTap(y, dilationH);
        const lines = lastTap(y, dilationH, word(step, Pool.KERNEL_H), inH) - ky;
        const line = ((z + kz * dilationD) * inH + y + ky * dilationH) * inW;
        for (let outX = 0; outX < word(step, Pool.OUT_W); outX++) {
          const x = outX * word(step, Pool.STRIDE_W) - word(step, Pool.PAD_LEFT);
          const kx = firstTap(x, dilationW);
          const columns = lastTap(x, dilationW, word(step, Pool.KERNEL_W), inW) - kx;
          const corner = image + <usize>(line + x + kx * dilationW) * bytes;
          if (isMaximum) {
            maximum(corner, planes, planeStep, lines, lineStep, columns, columnStep, dst, bytes);
          } else {
            const taps = word(step, Pool.COUNT_INCLUDE_PAD) ? paddedTaps(step, z, y, x) : planes * lines * columns;
            average(corner, planes, planeStep, lines, lineStep, columns, columnStep, dst, bytes, <f32>taps);
          }
          dst += bytes;
        }
      }
    }
    image += bytes * <usize>(inD * inH * inW);
  }
}

/** Positions of the window at (z, y, x) inside image and padding. */
function paddedTaps(step: usize, z: i32, y: i32, x: i32): i32 {
  const depth = word(step, Pool.IN_D) + word(step, Pool.PAD_BACK);
  const height = word(step, Pool.IN_H) + word(step, Pool.PAD_BOTTOM);
  const width = word(step, Pool.IN_W) + word(step, Pool.PAD_RIGHT);
  return (
    paddedAxisTaps(z, word(step, Pool.DILATION_D), word(step, Pool.KERNEL_D), depth) *
    paddedAxisTaps(y, word(step, Pool.DILATION_H), word(step, Pool.KERNEL_H), height) *
    paddedAxisTaps(x, word(step, Pool.DILATION_W), word(step, Pool.KERNEL_W), width)
  );
}

function paddedAxisTaps(start: i32, dilation: i32, kernel: i32, end: i32): i32 {
  return start >= end ? 0 : min(kernel, (end - 1 - start) / dilation + 1);
}

/** Eight channels at a time, then four; the last vector may reach into the guard, of which nothing is stored. */
function maximum(
  src: usize,
  planes: i32,
  planeStep: usize,
  lines: i32,
  lineStep: usize,
  columns: i32,
  columnStep: usize,
  dst: usize,
  bytes: usize,
): void {
  const low = v128.load(limits());
  const high = v128.load(limits(), 16);
  for (let c: usize = 0; c < bytes; c += 32) {
    let y0 = f32x4.splat(-Infinity);
    let y1 = y0;
    // All ones where a NaN was seen, which then is the NaN.
    let bad0 = i32x4.splat(0);
    let bad1 = bad0;
    let plane = src + c;
    for (let k = planes; k > 0; k--) {
      let line = plane;
      for (let j = lines; j > 0; j--) {
        let p = line;
        for (let i = columns; i > 0; i--) {
          const x0 = v128.load(p);
          const x1 = v128.load(p, 16);
          y0 = f32x4.pmax(y0, x0);
          y1 = f32x4.pmax(y1, x1);
          bad0 = v128.or(bad0, f32x4.ne(x0, x0));
          bad1 = v128.or(bad1, f32x4.ne(x1, x1));
          p += columnStep;
        }
        line += lineStep;
      }
      plane += planeStep;
    }
    storePair(dst + c, clampFloat(v128.or(y0, bad0), low, high), clampFloat(v128.or(y1, bad1), low, high), <i32>((bytes - c) >> 2));
  }
}

function average(
  src: usize,
  planes: i32,
  planeStep: usize,
  lines: i32,
  lineStep: usize,
  columns: i32,
  columnStep: usize,
  dst: usize,
  bytes: usize,
  taps: f32,
): void {
  const low = v128.load(limits());
  const high = v128.load(limits(), 16);
  const divisor = f32x4.splat(taps);
  for (let c: usize = 0; c < bytes; c += 32) {
    let y0 = f32x4.splat(0);
    let y1 = y0;
    let plane = src + c;
    for (let k = planes; k > 0; k--) {
      let line = plane;
      for (let j = lines; j > 0; j--) {
        let p = line;
        for (let i = columns; i > 0; i--) {
          y0 = f32x4.add(y0, v128.load(p));
          y1 = f32x4.add(y1, v128.load(p, 16));
          p += columnStep;
        }
        line += lineStep;
      }
      plane += planeStep;
    }
    storePair(dst + c, clampFloat(f32x4.div(y0, divisor), low, high), clampFloat(f32x4.div(y1, divisor), low, high), <i32>((bytes - c) >> 2));
  }
}

/** Stores the first `count` of eight values. */
@inline
function storePair(dst: usize, y0: v128, y1: v128, count: i32): void {
  storeFloats(dst, y0, count);
  if (count > 4) storeFloats(dst + 16, y1, count - 4);
}

/** Maxima with their positions: the first of equal ones, the first NaN. A window outside the image has position −1. */
function poolWithIndices<T>(step: usize, data: usize): void {
  const channels = word(step, Pool.CHANNELS);
  const inD = word(step, Pool.IN_D);
  const inH = word(step, Pool.IN_H);
  const inW = word(step, Pool.IN_W);
  let dst = address(step, Pool.DST, data);
  let indices = address(step, Pool.INDICES, data);
  for (let n = 0; n < word(step, Pool.BATCH); n++) {
    for (let outZ = 0; outZ < word(step, Pool.OUT_D); outZ++) {
      for (let outY = 0; outY < word(step, Pool.OUT_H); outY++) {
        for (let outX = 0; outX < word(step, Pool.OUT_W); outX++) {
          for (let c = 0; c < channels; c++) {
            const at = largestTap<T>(step, data, n, outZ, outY, outX, c);
            let y: T;
            if (at < 0) y = isFloat<T>() ? <T>-Infinity : <T>(isSigned<T>() ? -128 : 0);
            else y = load<T>(address(step, Pool.SRC, data) + <usize>((n * inD * inH * inW + at) * channels + c) * sizeof<T>());
            store<T>(dst, clampTo<T>(step, y));
            store<i64>(indices, at < 0 ? -1 : <i64>(n * channels + c) * <i64>(inD * inH * inW) + <i64>onnxPosition(step, at));
            dst += sizeof<T>();
            indices += 8;
          }
        }
      }
    }
  }
}

/** Position in the image, row-major over D, H, W, of the maximum of one window of channel `c`; −1 where the window is empty. */
function largestTap<T>(step: usize, data: usize, n: i32, outZ: i32, outY: i32, outX: i32, c: i32): i32 {
  const channels = word(step, Pool.CHANNELS);
  const inD = word(step, Pool.IN_D);
  const inH = word(step, Pool.IN_H);
  const inW = word(step, Pool.IN_W);
  const z = outZ * word(step, Pool.STRIDE_D) - word(step, Pool.PAD_FRONT);
  const y = outY * word(step, Pool.STRIDE_H) - word(step, Pool.PAD_TOP);
  const x = outX * word(step, Pool.STRIDE_W) - word(step, Pool.PAD_LEFT);
  const src = address(step, Pool.SRC, data) + <usize>(n * inD * inH * inW * channels + c) * sizeof<T>();
  let best = -1;
  let largest = <T>0;
  for (let k = 0; k < word(step, Pool.KERNEL_D); k++) {
    const iz = z + k * word(step, Pool.DILATION_D);
    if (<u32>iz >= <u32>inD) continue;
    for (let j = 0; j < word(step, Pool.KERNEL_H); j++) {
      const iy = y + j * word(step, Pool.DILATION_H);
      if (<u32>iy >= <u32>inH) continue;
      for (let i = 0; i < word(step, Pool.KERNEL_W); i++) {
        const ix = x + i * word(step, Pool.DILATION_W);
        if (<u32>ix >= <u32>inW) continue;
        const at = (iz * inH + iy) * inW + ix;
        const value = load<T>(src + <usize>(at * channels) * sizeof<T>());
        if (best < 0 || value > largest || (value != value && largest == largest)) {
          best = at;
          largest = value;
        }
      }
    }
  }
  return best;
}

/** A row-major position in the order that the step asks for. */
function onnxPosition(step: usize, at: i32): i32 {
  if (!word(step, Pool.COLUMN_MAJOR)) return at;
  const inD = word(step, Pool.IN_D);
  const inH = word(step, Pool.IN_H);
  const inW = word(step, Pool.IN_W);
  return at / (inH * inW) + ((at / inW) % inH) * inD + (at % inW) * inD * inH;
}

function clampTo<T>(step: usize, y: T): T {
  if (isFloat<T>()) return <T>clampScalar(<f32>y, floatWord(step, Pool.MIN), floatWord(step, Pool.MAX));
  return <T>min(max(<i32>y, word(step, Pool.MIN)), word(step, Pool.MAX));
}
