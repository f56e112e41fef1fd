/** RESAMPLE: every output row is a weighted sum of input rows of INNER values, four at a time; single bytes and plain copies apart. */
import { FLOAT32, elementBytes, INT8 } from "../../format/dtypes.ts";
import * as Resample from "../../format/steps/resample.ts";
import { zeroNaN } from "../simd/requantize.ts";
import { storeFloats, storeUpTo8 } from "../simd/tail.ts";
import { address, floatWord, word } from "../words.ts";
import { copyRun } from "./copy.ts";

export function resample(step: usize, data: usize): void {
  const from = word(step, Resample.SRC_DTYPE);
  const to = word(step, Resample.DST_DTYPE);
  const inner = word(step, Resample.INNER);
  const taps = word(step, Resample.TAPS);
  const isPlain = word(step, Resample.WEIGHTS) == -1;
  const srcRow = <usize>(inner * elementBytes(from));
  const dstRow = <usize>(inner * elementBytes(to));
  const indices = address(step, Resample.INDICES, data);
  const weights = address(step, Resample.WEIGHTS, data);
  let src = address(step, Resample.SRC, data);
  let dst = address(step, Resample.DST, data);
  for (let outer = word(step, Resample.OUTER); outer > 0; outer--) {
    for (let t = 0; t < word(step, Resample.OUT_LENGTH); t++) {
      const table = <usize>(t * taps) << 2;
      const first = load<i32>(indices + table);
      if (first == -1) fillRow(dst, floatWord(step, Resample.OUTSIDE), inner, to);
      else if (isPlain && from == to) copyRun(dst, src + <usize>first * srcRow, <i32>srcRow);
      else resampleRow(src, srcRow, dst, inner, indices + table, isPlain ? 0 : weights + table, taps, from == INT8, to == INT8);
      dst += dstRow;
    }
    src += srcRow * <usize>word(step, Resample.IN_LENGTH);
  }
}

/** A row of one value, rounded to `dtype`. */
function fillRow(dst: usize, value: f32, inner: i32, dtype: i32): void {
  const bytes = elementBytes(dtype);
  for (; inner > 0; inner--) {
    if (dtype == FLOAT32) store<f32>(dst, value);
    else if (bytes == 1) store<u8>(dst, dtype == INT8 ? i32x4.extract_lane(toInt8(f32x4.splat(value)), 0) : <i32>nearest(value));
    else if (bytes == 4) store<i32>(dst, <i32>nearest(value));
    else store<i64>(dst, <i64>nearest(value));
    dst += bytes;
  }
}

/** Rounded half to even and saturated: four bytes in lane 0. A NaN gives 0. */
@inline
function toInt8(x: v128): v128 {
  const bounded = f32x4.pmin(f32x4.pmax(zeroNaN(x), f32x4.splat(-128)), f32x4.splat(127));
  const words = i32x4.trunc_sat_f32x4_s(f32x4.nearest(bounded));
  const halves = i16x8.narrow_i32x4_s(words, words);
  return i8x16.narrow_i16x8_s(halves, halves);
}

@inline
function read(src: usize, isInt8: bool): v128 {
  if (!isInt8) return v128.load(src);
  return f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_s(i16x8.extend_low_i8x16_s(v128.load32_zero(src))));
}

/** One row of `inner` values from `taps` rows of the source; `weights` is 0 for a single row of weight 1. */
function resampleRow(
  src: usize,
  srcRow: usize,
  dst: usize,
  inner: i32,
  indices: usize,
  weights: usize,
  taps: i32,
  fromInt8: bool,
  toInt8Row: bool,
): void {
  const srcStep: usize = fromInt8 ? 4 : 16;
  const dstStep: usize = toInt8Row ? 4 : 16;
  for (; inner > 0; inner -= 4) {
    let y = read(src + <usize>load<i32>(indices) * srcRow, fromInt8);
    if (weights != 0) {
      y = f32x4.mul(v128.load32_splat(weights), y);
      for (let k = 1; k < taps; k++) {
        const at = <usize>k << 2;
        const x = read(src + <usize>load<i32>(indices + at) * srcRow, fromInt8);
        y = f32x4.add(y, f32x4.mul(v128.load32_splat(weights + at), x));
      }
    }
    if (toInt8Row) storeUpTo8(dst, toInt8(y), min(4, inner));
    else storeFloats(dst, y, inner);
    src += srcStep;
    dst += dstStep;
  }
}
