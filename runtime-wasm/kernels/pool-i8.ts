/**
 * POOL of int8 and uint8 (format/steps/pool.ts): a window's taps inside the image form a box; each output pixel walks it with sixteen
 * (MAXIMUM) or eight (AVERAGE) channels at a time.
 */
import * as Pool from "../../format/steps/pool.ts";
import { INT16_HIGH, INT16_LOW, ROUNDING_MAGIC } from "../constants.ts";
import { addZero, clampFloat, clampInt8, roundBounded, scaled } from "../simd/requantize.ts";
import { storeUpTo8 } from "../simd/tail.ts";
import { address, floatWord, word } from "../words.ts";

/** int8: maxima with or without INDICES, averages. */
export function poolI8(step: usize, data: usize): void {
  poolPixels<i8>(step, data);
}

/** uint8: maxima with or without INDICES. */
export function poolU8(step: usize, data: usize): void {
  poolPixels<u8>(step, data);
}

/** First tap at or behind position 0, for a window that starts at `start`. */
function firstTap(start: i32, dilation: i32): i32 {
  return start < 0 ? (dilation - 1 - start) / dilation : 0;
}

/** One behind the last tap before position `end`. */
function endTap(start: i32, dilation: i32, kernel: i32, end: i32): i32 {
  return start < end ? min(kernel, (end - start + dilation - 1) / dilation) : 0;
}

function poolPixels<T>(step: usize, data: usize): void {
  const channels = word(step, Pool.CHANNELS);
  const inD = word(step, Pool.IN_D);
  const inH = word(step, Pool.IN_H);
  const inW = word(step, Pool.IN_W);
  const dilationD = word(step, Pool.DILATION_D);
  const dilationH = word(step, Pool.DILATION_H);
  const dilationW = word(step, Pool.DILATION_W);
  const withIndices = word(step, Pool.INDICES) != -1;
  const isMaximum = word(step, Pool.KIND) == Pool.MAXIMUM;
  const batch = word(step, Pool.BATCH);
  let indices = address(step, Pool.INDICES, data);
  let src = address(step, Pool.SRC, data);
  let dst = address(step, Pool.DST, data);
  for (let n = 0; n < batch; n++) {
    for (let outD = 0; outD < word(step, Pool.OUT_D); outD++) {
      const d = outD * word(step, Pool.STRIDE_D) - word(step, Pool.PAD_FRONT);
      const d0 = firstTap(d, dilationD);
      const d1 = max(d0, endTap(d, dilationD, word(step, Pool.KERNEL_D), inD));
      for (let outH = 0; outH < word(step, Pool.OUT_H); outH++) {
        const h = outH * word(step, Pool.STRIDE_H) - word(step, Pool.PAD_TOP);
        const h0 = firstTap(h, dilationH);
        const h1 = max(h0, endTap(h, dilationH, word(step, Pool.KERNEL_H), inH));
        for (let outW = 0; outW < word(step, Pool.OUT_W); outW++) {
          const w = outW * word(step, Pool.STRIDE_W) - word(step, Pool.PAD_LEFT);
          const w0 = firstTap(w, dilationW);
          const w1 = max(w0, endTap(w, dilationW, word(step, Pool.KERNEL_W), inW));
          const box = src + <usize>((((d + d0 * dilationD) * inH + h + h0 * dilationH) * inW + w + w0 * dilationW) * channels);
          if (withIndices) {
            maximaWithIndices<T>(step, src, n, d, h, w, d0, d1, h0, h1, w0, w1, dst, indices);
            indices += channels << 3;
          } else if (isMaximum) {
            maxima<T>(step, box, d1 - d0, h1 - h0, w1 - w0, dst);
          } else if (isSigned<T>()) {
            averages(step, box, d1 - d0, h1 - h0, w1 - w0, divisor(step, d, h, w, (d1 - d0) * (h1 - h0) * (w1 - w0)), dst);
          }
          dst += channels;
        }
      }
    }
    src += inD * inH * inW * channels;
  }
}

/** What an average divides by: `inside`, the taps inside the image, or with those in the padding; at least 1. */
function divisor(step: usize, d: i32, h: i32, w: i32, inside: i32): i32 {
  let count = inside;
  if (word(step, Pool.COUNT_INCLUDE_PAD) == 1) {
    count = endTap(d, word(step, Pool.DILATION_D), word(step, Pool.KERNEL_D), word(step, Pool.IN_D) + word(step, Pool.PAD_BACK));
    count *= endTap(h, word(step, Pool.DILATION_H), word(step, Pool.KERNEL_H), word(step, Pool.IN_H) + word(step, Pool.PAD_BOTTOM));
    count *= endTap(w, word(step, Pool.DILATION_W), word(step, Pool.KERNEL_W), word(step, Pool.IN_W) + word(step, Pool.PAD_RIGHT));
  }
  return max(1, count);
}

/** Maxima over a box of taps, all channels of one pixel. */
function maxima<T>(step: usize, box: usize, taps0: i32, taps1: i32, taps2: i32, dst: usize): void {
  const channels = word(step, Pool.CHANNELS);
  const moveW = <usize>(word(step, Pool.DILATION_W) * channels);
  const moveH = <usize>(word(step, Pool.DILATION_H) * word(step, Pool.IN_W) * channels);
  const moveD = <usize>(word(step, Pool.DILATION_D) * word(step, Pool.IN_H) * word(step, Pool.IN_W) * channels);
  const low = i8x16.splat(<i8>word(step, Pool.MIN));
  const high = i8x16.splat(<i8>word(step, Pool.MAX));
  for (let c = 0; c < channels; c += 16) {
    let y = low;
    let plane = box + <usize>c;
    for (let d = 0; d < taps0; d++) {
      let row = plane;
      for (let h = 0; h < taps1; h++) {
        let tap = row;
        for (let w = 0; w < taps2; w++) {
          y = isSigned<T>() ? i8x16.max_s(y, v128.load(tap)) : i8x16.max_u(y, v128.load(tap));
          tap += moveW;
        }
        row += moveH;
      }
      plane += moveD;
    }
    y = isSigned<T>() ? i8x16.min_s(y, high) : i8x16.min_u(y, high);
    const rest = channels - c;
    if (rest >= 16) {
      v128.store(dst + c, y);
    } else {
      storeUpTo8(dst + c, y, rest);
      if (rest > 8) storeUpTo8(dst + c + 8, v128.shuffle<i64>(y, y, 1, 1), rest - 8);
    }
  }
}

/** Averages of int8 over a box of taps, all channels of one pixel: the sum of all inside, by `divisor`. */
function averages(step: usize, box: usize, taps0: i32, taps1: i32, taps2: i32, divisor: i32, dst: usize): void {
  const channels = word(step, Pool.CHANNELS);
  const moveW = <usize>(word(step, Pool.DILATION_W) * channels);
  const moveH = <usize>(word(step, Pool.DILATION_H) * word(step, Pool.IN_W) * channels);
  const moveD = <usize>(word(step, Pool.DILATION_D) * word(step, Pool.IN_H) * word(step, Pool.IN_W) * channels);
  const start = i32x4.splat(-word(step, Pool.IN_ZERO) * taps0 * taps1 * taps2);
  const magic = v128.load(ROUNDING_MAGIC);
  const lowest = v128.load(INT16_LOW);
  const highest = v128.load(INT16_HIGH);
  const scale = f32x4.splat(floatWord(step, Pool.SCALE) / <f32>divisor);
  const zero = i16x8.splat(<i16>word(step, Pool.OUT_ZERO));
  const low = i8x16.splat(<i8>word(step, Pool.MIN));
  const high = i8x16.splat(<i8>word(step, Pool.MAX));
  for (let c = 0; c < channels; c += 8) {
    let sum0 = start;
    let sum1 = start;
    let plane = box + <usize>c;
    for (let d = 0; d < taps0; d++) {
      let row = plane;
      for (let h = 0; h < taps1; h++) {
        let tap = row;
        for (let w = 0; w < taps2; w++) {
          const x = v128.load_ext<i8>(tap);
          sum0 = i32x4.add(sum0, i32x4.extend_low_i16x8_s(x));
          sum1 = i32x4.add(sum1, i32x4.extend_high_i16x8_s(x));
          tap += moveW;
        }
        row += moveH;
      }
      plane += moveD;
    }
    const r = addZero(
      roundBounded(clampFloat(scaled(sum0, scale), lowest, highest), magic),
      roundBounded(clampFloat(scaled(sum1, scale), lowest, highest), magic),
      zero,
    );
    storeUpTo8(dst + c, clampInt8(r, r, low, high), channels - c);
  }
}

/** Maxima and their positions, one channel after the other; the first of equal ones counts. A window without a tap gives MIN and −1. */
function maximaWithIndices<T>(step: usize, src: usize, n: i32, d: i32, h: i32, w: i32, d0: i32, d1: i32, h0: i32, h1: i32, w0: i32, w1: i32, dst: usize, indices: usize): void {
  const channels = word(step, Pool.CHANNELS);
  const inD = word(step, Pool.IN_D);
  const inH = word(step, Pool.IN_H);
  const inW = word(step, Pool.IN_W);
  const columnMajor = word(step, Pool.COLUMN_MAJOR) == 1;
  for (let c = 0; c < channels; c++) {
    let best: i32 = -129;
    let position: i64 = -1;
    for (let i = d0; i < d1; i++) {
      const z = d + i * word(step, Pool.DILATION_D);
      for (let j = h0; j < h1; j++) {
        const y = h + j * word(step, Pool.DILATION_H);
        for (let k = w0; k < w1; k++) {
          const x = w + k * word(step, Pool.DILATION_W);
          const value = <i32>load<T>(src + <usize>(((z * inH + y) * inW + x) * channels + c));
          if (value > best) {
            best = value;
            position = columnMajor ? ((<i64>x * inH + y) * inD + z) : ((<i64>z * inH + y) * inW + x);
          }
        }
      }
    }
    store<u8>(dst + c, <u8>min(max(best, word(step, Pool.MIN)), word(step, Pool.MAX)));
    if (position >= 0) position += (<i64>n * channels + c) * inD * inH * inW;
    store<i64>(indices + (c << 3), position);
  }
}
