/**
 * Depthwise 3×3, one output row: columns roll through.
 *
 * Eight channels at a time. Each input column is loaded once; two adjacent ones go together. Rows 0 and 1 of a column interleave into pairs
 * for one dot, row 2 of both columns into pairs for another. What the columns add to outputs that are not finished yet is carried by the
 * loop. Weights: DEPTHWISE_3X3_I8. Rows are padded; up to 7 bytes behind them are read. Outputs saturate to int8; clampRow
 * narrows them further where MIN and MAX ask for it: two more vectors in the loop would cost a tenth of its speed.
 */
import { DEPTHWISE_3X3_BYTES } from "../../format/packings.ts";
import { INT16_HIGH, INT16_LOW, ROUNDING_MAGIC } from "../constants.ts";
import { dotAdd, interleaveHigh, interleaveLow } from "../simd/dot.ts";
import { clampFloat, roundAround, scaled } from "../simd/requantize.ts";
import { storeTail, storeUpTo8 } from "../simd/tail.ts";
import { BOUNDED_INT8, FORM, MAX, MIN, OFFSET } from "./output-i8.ts";

/** Pairs of weights, by row and column, at their offsets; channels 4–7 follow 16 bytes behind. */
const W00_W10: usize = 0;
const W01_W11: usize = 32;
const W02_W12: usize = 64;
const W20_W21: usize = 96;
const W22_0: usize = 128;
const O_W20: usize = 160;
const W21_W22: usize = 192;

/** Stride 1: `columns` outputs from `columns` + 2 input columns, `channels` bytes each; two at a time. */
export function rowStride1(row0: usize, row1: usize, row2: usize, channels: i32, columns: i32, w: usize, bias: usize, scale: usize, out: usize, block: usize): void {
  const magic = v128.load(ROUNDING_MAGIC);
  const offset = v128.load(block, OFFSET);
  const bounded = load<i32>(block, FORM) == BOUNDED_INT8;
  for (let c = channels; c > 0; c -= 8) {
    const bias0 = v128.load(bias);
    const bias1 = v128.load(bias, 16);
    const scale0 = v128.load(scale);
    const scale1 = v128.load(scale, 16);
    let p0 = row0;
    let p1 = row1;
    let p2 = row2;
    let o = out;
    let r0 = v128.load_ext<i8>(p0);
    let r1 = v128.load_ext<i8>(p1);
    let r2 = v128.load_ext<i8>(p2);
    p0 += channels;
    p1 += channels;
    p2 += channels;
    let s0 = v128.load_ext<i8>(p0);
    let s1 = v128.load_ext<i8>(p1);
    let s2 = v128.load_ext<i8>(p2);
    let left0 = interleaveLow(r0, r1);
    let left1 = interleaveHigh(r0, r1);
    let right0 = interleaveLow(s0, s1);
    let right1 = interleaveHigh(s0, s1);
    let low0 = interleaveLow(r2, s2);
    let low1 = interleaveHigh(r2, s2);
    let now0 = dotAdd(dotAdd(dotAdd(bias0, left0, v128.load(w, W00_W10)), right0, v128.load(w, W01_W11)), low0, v128.load(w, W20_W21));
    let now1 = dotAdd(dotAdd(dotAdd(bias1, left1, v128.load(w, W00_W10 + 16)), right1, v128.load(w, W01_W11 + 16)), low1, v128.load(w, W20_W21 + 16));
    let next0 = dotAdd(dotAdd(bias0, right0, v128.load(w, W00_W10)), low0, v128.load(w, O_W20));
    let next1 = dotAdd(dotAdd(bias1, right1, v128.load(w, W00_W10 + 16)), low1, v128.load(w, O_W20 + 16));
    for (let x = columns >> 1; x > 0; x--) {
      p0 += channels;
      p1 += channels;
      p2 += channels;
      r0 = v128.load_ext<i8>(p0);
      r1 = v128.load_ext<i8>(p1);
      r2 = v128.load_ext<i8>(p2);
      p0 += channels;
      p1 += channels;
      p2 += channels;
      s0 = v128.load_ext<i8>(p0);
      s1 = v128.load_ext<i8>(p1);
      s2 = v128.load_ext<i8>(p2);
      left0 = interleaveLow(r0, r1);
      left1 = interleaveHigh(r0, r1);
      right0 = interleaveLow(s0, s1);
      right1 = interleaveHigh(s0, s1);
      low0 = interleaveLow(r2, s2);
      low1 = interleaveHigh(r2, s2);
      now0 = scaled(dotAdd(dotAdd(now0, left0, v128.load(w, W02_W12)), low0, v128.load(w, W22_0)), scale0);
      now1 = scaled(dotAdd(dotAdd(now1, left1, v128.load(w, W02_W12 + 16)), low1, v128.load(w, W22_0 + 16)), scale1);
      next0 = dotAdd(dotAdd(dotAdd(next0, left0, v128.load(w, W01_W11)), right0, v128.load(w, W02_W12)), low0, v128.load(w, W21_W22));
      next1 = dotAdd(dotAdd(dotAdd(next1, left1, v128.load(w, W01_W11 + 16)), right1, v128.load(w, W02_W12 + 16)), low1, v128.load(w, W21_W22 + 16));
      next0 = scaled(next0, scale0);
      next1 = scaled(next1, scale1);
      if (!bounded) {
        now0 = clampFloat(now0, v128.load(INT16_LOW), v128.load(INT16_HIGH));
        now1 = clampFloat(now1, v128.load(INT16_LOW), v128.load(INT16_HIGH));
        next0 = clampFloat(next0, v128.load(INT16_LOW), v128.load(INT16_HIGH));
        next1 = clampFloat(next1, v128.load(INT16_LOW), v128.load(INT16_HIGH));
      }
      const y = i8x16.narrow_i16x8_s(
        i16x8.narrow_i32x4_s(roundAround(now0, magic, offset), roundAround(now1, magic, offset)),
        i16x8.narrow_i32x4_s(roundAround(next0, magic, offset), roundAround(next1, magic, offset)),
      );
      storeUpTo8(o, y, c);
      if (c >= 8) v128.store_lane<i64>(o + channels, y, 1);
      else storeTail(o + channels, i64x2.extract_lane(y, 1), c);
      o += channels << 1;
      now0 = dotAdd(dotAdd(dotAdd(bias0, left0, v128.load(w, W00_W10)), right0, v128.load(w, W01_W11)), low0, v128.load(w, W20_W21));
      now1 = dotAdd(dotAdd(dotAdd(bias1, left1, v128.load(w, W00_W10 + 16)), right1, v128.load(w, W01_W11 + 16)), low1, v128.load(w, W20_W21 + 16));
      next0 = dotAdd(dotAdd(bias0, right0, v128.load(w, W00_W10)), low0, v128.load(w, O_W20));
      next1 = dotAdd(dotAdd(bias1, right1, v128.load(w, W00_W10 + 16)), low1, v128.load(w, O_W20 + 16));
    }
    if (columns & 1) {
      r0 = v128.load_ext<i8>(p0 + channels);
      r1 = v128.load_ext<i8>(p1 + channels);
      r2 = v128.load_ext<i8>(p2 + channels);
      now0 = dotAdd(dotAdd(now0, interleaveLow(r0, r1), v128.load(w, W02_W12)), interleaveLow(r2, r2), v128.load(w, W22_0));
      now1 = dotAdd(dotAdd(now1, interleaveHigh(r0, r1), v128.load(w, W02_W12 + 16)), interleaveHigh(r2, r2), v128.load(w, W22_0 + 16));
      now0 = clampFloat(scaled(now0, scale0), v128.load(INT16_LOW), v128.load(INT16_HIGH));
      now1 = clampFloat(scaled(now1, scale1), v128.load(INT16_LOW), v128.load(INT16_HIGH));
      const y = i16x8.narrow_i32x4_s(roundAround(now0, magic, offset), roundAround(now1, magic, offset));
      storeUpTo8(o, i8x16.narrow_i16x8_s(y, y), c);
    }
    row0 += 8;
    row1 += 8;
    row2 += 8;
    out += 8;
    w += 8 * DEPTHWISE_3X3_BYTES;
    bias += 32;
    scale += 32;
  }
}

/** Stride 2: `columns` outputs from 2·`columns` + 1 input columns, `channels` bytes each. */
export function rowStride2(row0: usize, row1: usize, row2: usize, channels: i32, columns: i32, w: usize, bias: usize, scale: usize, out: usize, block: usize): void {
  const magic = v128.load(ROUNDING_MAGIC);
  const offset = v128.load(block, OFFSET);
  const bounded = load<i32>(block, FORM) == BOUNDED_INT8;
  for (let c = channels; c > 0; c -= 8) {
    const bias0 = v128.load(bias);
    const bias1 = v128.load(bias, 16);
    const scale0 = v128.load(scale);
    const scale1 = v128.load(scale, 16);
    let p0 = row0;
    let p1 = row1;
    let p2 = row2;
    let o = out;
    let s0 = v128.load_ext<i8>(p0);
    let s1 = v128.load_ext<i8>(p1);
    let s2 = v128.load_ext<i8>(p2);
    let now0 = dotAdd(dotAdd(bias0, interleaveLow(s0, s1), v128.load(w, W00_W10)), interleaveLow(s2, s2), v128.load(w, O_W20));
    let now1 = dotAdd(dotAdd(bias1, interleaveHigh(s0, s1), v128.load(w, W00_W10 + 16)), interleaveHigh(s2, s2), v128.load(w, O_W20 + 16));
    let x = columns;
    do {
      p0 += channels;
      p1 += channels;
      p2 += channels;
      const r0 = v128.load_ext<i8>(p0);
      const r1 = v128.load_ext<i8>(p1);
      const r2 = v128.load_ext<i8>(p2);
      p0 += channels;
      p1 += channels;
      p2 += channels;
      s0 = v128.load_ext<i8>(p0);
      s1 = v128.load_ext<i8>(p1);
      s2 = v128.load_ext<i8>(p2);
      const right0 = interleaveLow(s0, s1);
      const right1 = interleaveHigh(s0, s1);
      const low0 = interleaveLow(r2, s2);
      const low1 = interleaveHigh(r2, s2);
      now0 = dotAdd(dotAdd(now0, interleaveLow(r0, r1), v128.load(w, W01_W11)), right0, v128.load(w, W02_W12));
      now1 = dotAdd(dotAdd(now1, interleaveHigh(r0, r1), v128.load(w, W01_W11 + 16)), right1, v128.load(w, W02_W12 + 16));
      now0 = scaled(dotAdd(now0, low0, v128.load(w, W21_W22)), scale0);
      now1 = scaled(dotAdd(now1, low1, v128.load(w, W21_W22 + 16)), scale1);
      if (!bounded) {
        now0 = clampFloat(now0, v128.load(INT16_LOW), v128.load(INT16_HIGH));
        now1 = clampFloat(now1, v128.load(INT16_LOW), v128.load(INT16_HIGH));
      }
      const y = i16x8.narrow_i32x4_s(roundAround(now0, magic, offset), roundAround(now1, magic, offset));
      storeUpTo8(o, i8x16.narrow_i16x8_s(y, y), c);
      o += channels;
      now0 = dotAdd(dotAdd(bias0, right0, v128.load(w, W00_W10)), low0, v128.load(w, O_W20));
      now1 = dotAdd(dotAdd(bias1, right1, v128.load(w, W00_W10 + 16)), low1, v128.load(w, O_W20 + 16));
    } while (--x);
    row0 += 8;
    row1 += 8;
    row2 += 8;
    out += 8;
    w += 8 * DEPTHWISE_3X3_BYTES;
    bias += 32;
    scale += 32;
  }
}

/** Clamps `count` int8 to the block's MIN and MAX, in place. */
export function clampRow(p: usize, count: i32, block: usize): void {
  const min = v128.load(block, MIN);
  const max = v128.load(block, MAX);
  while (count >= 16) {
    v128.store(p, i8x16.min_s(i8x16.max_s(v128.load(p), min), max));
    p += 16;
    count -= 16;
  }
  while (count > 0) {
    storeUpTo8(p, i8x16.min_s(i8x16.max_s(v128.load64_zero(p), min), max), count);
    p += 8;
    count -= 8;
  }
}
