/** REDUCE of int8 (MEAN; format/steps/reduce.ts): sums in int32, vectorised over INNER, or along the run where INNER is 1. */
import * as Reduce from "../../format/steps/reduce.ts";
import { INT16_HIGH, INT16_LOW, ONES_16, ROUNDING_MAGIC } from "../constants.ts";
import { dotAdd } from "../simd/dot.ts";
import { addZero, clampFloat, clampInt8, roundBounded, scaled } from "../simd/requantize.ts";
import { storeUpTo8 } from "../simd/tail.ts";
import { address, floatWord, word } from "../words.ts";

/** Rows that int16 sums of int8 cannot overflow. */
const ROWS_16: i32 = 256;

/** Runs one REDUCE step of int8: KIND is MEAN. */
export function reduceI8(step: usize, data: usize): void {
  const count = word(step, Reduce.COUNT);
  const inner = word(step, Reduce.INNER);
  const start = -word(step, Reduce.IN_ZERO) * count;
  let src = address(step, Reduce.SRC, data);
  let dst = address(step, Reduce.DST, data);
  for (let o = word(step, Reduce.OUTER); o > 0; o--) {
    if (inner == 1) {
      finish(step, i32x4.splat(start + sumRun(src, count)), i32x4.splat(0), dst, 1);
    } else {
      for (let i = 0; i < inner; i += 8) sumColumns(step, src + i, count, inner, start, dst + i, min(8, inner - i));
    }
    src += count * inner;
    dst += inner;
  }
}

/** Requantizes `count` (1 to 8) sums. */
function finish(step: usize, sum0: v128, sum1: v128, dst: usize, count: i32): void {
  const magic = v128.load(ROUNDING_MAGIC);
  const low = v128.load(INT16_LOW);
  const high = v128.load(INT16_HIGH);
  const scale = f32x4.splat(floatWord(step, Reduce.SCALE));
  const y = addZero(
    roundBounded(clampFloat(scaled(sum0, scale), low, high), magic),
    roundBounded(clampFloat(scaled(sum1, scale), low, high), magic),
    i16x8.splat(<i16>word(step, Reduce.OUT_ZERO)),
  );
  storeUpTo8(dst, clampInt8(y, y, i8x16.splat(<i8>word(step, Reduce.MIN)), i8x16.splat(<i8>word(step, Reduce.MAX))), count);
}

function sumColumns(step: usize, src: usize, count: i32, inner: i32, start: i32, dst: usize, channels: i32): void {
  let sum0 = i32x4.splat(start);
  let sum1 = sum0;
  while (count > 0) {
    let rows = min(count, ROWS_16);
    count -= rows;
    let sum = i64x2.splat(0);
    do {
      sum = i16x8.add(sum, v128.load_ext<i8>(src));
      src += inner;
    } while (--rows);
    sum0 = i32x4.add(sum0, i32x4.extend_low_i16x8_s(sum));
    sum1 = i32x4.add(sum1, i32x4.extend_high_i16x8_s(sum));
  }
  finish(step, sum0, sum1, dst, channels);
}

function sumRun(src: usize, count: i32): i32 {
  const ones = v128.load(ONES_16);
  let sum = i32x4.splat(0);
  while (count >= 8) {
    sum = dotAdd(sum, v128.load_ext<i8>(src), ones);
    src += 8;
    count -= 8;
  }
  let total = i32x4.extract_lane(sum, 0) + i32x4.extract_lane(sum, 1) + i32x4.extract_lane(sum, 2) + i32x4.extract_lane(sum, 3);
  while (count > 0) {
    total += load<i8>(src);
    src++;
    count--;
  }
  return total;
}
