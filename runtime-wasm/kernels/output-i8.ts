/**
 * What becomes of a GEMM's accumulators. The loop-invariant vectors stand in an output block in the step's scratch, so that the
 * inner loops hold none of them in registers:
 *
 *   0  rounding offset (int32 lanes)   16 min   32 max (int8 lanes; float32 lanes for FLOAT32)   48 form   52 1 if min and max narrow int8
 *   64 eight accumulators: [4 rows][8] int32
 */
import { FLOAT32 } from "../../format/dtypes.ts";
import { INT16_HIGH, INT16_LOW, ROUNDING_MAGIC } from "../constants.ts";
import { clampFloat, clampInt8, roundAround, roundingOffset, scaled } from "../simd/requantize.ts";
import { storeFloats, storeUpTo8 } from "../simd/tail.ts";

export const OFFSET: usize = 0;
export const MIN: usize = 16;
export const MAX: usize = 32;
export const FORM: usize = 48;
export const NARROWER: usize = 52;
export const ACCUMULATORS: usize = 64;
export const OUTPUT_BYTES: usize = 192;

/** int8, the product with the scale proved below 2²². */
export const BOUNDED_INT8: i32 = 0;
/** int8, the product cut off at the int16 range before rounding. */
export const CLAMPED_INT8: i32 = 1;
/** float32, neither rounded nor offset. */
export const FLOATS: i32 = 2;

/** Writes the block. `min` and `max` are float32 bits where `dtype` is FLOAT32. */
export function prepareOutput(block: usize, dtype: i32, bounded: i32, zero: i32, min: i32, max: i32): void {
  const isFloat = dtype == FLOAT32;
  v128.store(block, roundingOffset(zero), OFFSET);
  v128.store(block, isFloat ? i32x4.splat(min) : i8x16.splat(<i8>min), MIN);
  v128.store(block, isFloat ? i32x4.splat(max) : i8x16.splat(<i8>max), MAX);
  store<i32>(block, isFloat ? FLOATS : bounded ? BOUNDED_INT8 : CLAMPED_INT8, FORM);
  store<i32>(block, <i32>(min > -128 || max < 127), NARROWER);
}

/** Stores the first `rows` (4 if more) of four rows of `channels` (1 to 8) outputs, in any form. */
// @ts-ignore: decorator
@inline
export function finishTile(
  block: usize,
  rows: i32,
  channels: i32,
  scale: usize,
  out: usize,
  pitchBytes: i32,
  c00: v128,
  c01: v128,
  c10: v128,
  c11: v128,
  c20: v128,
  c21: v128,
  c30: v128,
  c31: v128,
): void {
  if (channels == 8 && load<i32>(block, FORM) == BOUNDED_INT8) {
    const magic = v128.load(ROUNDING_MAGIC);
    const s0 = v128.load(scale);
    const s1 = v128.load(scale, 16);
    const offset = v128.load(block, OFFSET);
    let y01 = i8x16.narrow_i16x8_s(rounded(c00, c01, s0, s1, magic, offset), rounded(c10, c11, s0, s1, magic, offset));
    let y23 = i8x16.narrow_i16x8_s(rounded(c20, c21, s0, s1, magic, offset), rounded(c30, c31, s0, s1, magic, offset));
    if (load<i32>(block, NARROWER)) {
      const low = v128.load(block, MIN);
      const high = v128.load(block, MAX);
      y01 = i8x16.min_s(i8x16.max_s(y01, low), high);
      y23 = i8x16.min_s(i8x16.max_s(y23, low), high);
    }
    v128.store_lane<i64>(out, y01, 0);
    if (rows > 1) v128.store_lane<i64>(out + pitchBytes, y01, 1);
    if (rows > 2) v128.store_lane<i64>(out + 2 * pitchBytes, y23, 0);
    if (rows > 3) v128.store_lane<i64>(out + 3 * pitchBytes, y23, 1);
  } else {
    v128.store(block, c00, ACCUMULATORS);
    v128.store(block, c01, ACCUMULATORS + 16);
    v128.store(block, c10, ACCUMULATORS + 32);
    v128.store(block, c11, ACCUMULATORS + 48);
    v128.store(block, c20, ACCUMULATORS + 64);
    v128.store(block, c21, ACCUMULATORS + 80);
    v128.store(block, c30, ACCUMULATORS + 96);
    v128.store(block, c31, ACCUMULATORS + 112);
    finishRows(block, min(rows, 4), channels, scale, out, pitchBytes);
  }
}

/** Eight accumulators, scaled within the bound, as int16. */
// @ts-ignore: decorator
@inline
function rounded(c0: v128, c1: v128, scale0: v128, scale1: v128, magic: v128, offset: v128): v128 {
  return i16x8.narrow_i32x4_s(roundAround(scaled(c0, scale0), magic, offset), roundAround(scaled(c1, scale1), magic, offset));
}

/** Stores `rows` (1 to 4) rows of `channels` (1 to 8) outputs from the block's accumulators, in any form. */
export function finishRows(block: usize, rows: i32, channels: i32, scale: usize, out: usize, pitchBytes: i32): void {
  const form = load<i32>(block, FORM);
  const scale0 = v128.load(scale);
  const scale1 = v128.load(scale, 16);
  const low = v128.load(block, MIN);
  const high = v128.load(block, MAX);
  let row = block;
  for (let r = 0; r < rows; r++) {
    const x0 = scaled(v128.load(row, ACCUMULATORS), scale0);
    const x1 = scaled(v128.load(row, ACCUMULATORS + 16), scale1);
    if (form == FLOATS) {
      storeFloats(out, clampFloat(x0, low, high), channels);
      if (channels > 4) storeFloats(out + 16, clampFloat(x1, low, high), channels - 4);
    } else {
      storeUpTo8(out, requantized(block, x0, x1), channels);
    }
    row += 32;
    out += pitchBytes;
  }
}

/** Eight products as int8, in the low half. */
function requantized(block: usize, x0: v128, x1: v128): v128 {
  const magic = v128.load(ROUNDING_MAGIC);
  const low = v128.load(INT16_LOW);
  const high = v128.load(INT16_HIGH);
  const offset = v128.load(block, OFFSET);
  const sum = i16x8.narrow_i32x4_s(roundAround(clampFloat(x0, low, high), magic, offset), roundAround(clampFloat(x1, low, high), magic, offset));
  return clampInt8(sum, sum, v128.load(block, MIN), v128.load(block, MAX));
}
