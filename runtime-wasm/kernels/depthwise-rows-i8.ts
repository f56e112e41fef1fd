/**
 * Depthwise 3×3, one output row: columns roll through.
 *
 * Eight channels at a time. Each input column is loaded once: rows 0 and 1 interleave into pairs for one dot, row 2 sign-extended to
 * int32 is a pair (x, sign) against the weight pair (w, 0). A column feeds up to three outputs; the sums of the unfinished ones are
 * carried by the loop. Weights: DEPTHWISE_3X3_I8. Rows are padded; up to 7 bytes behind them are read. Outputs saturate to int8; clampRow
 * narrows them further where MIN and MAX ask for it: two more vectors in the loop would cost a tenth of its speed.
 */
import { INT16_HIGH, INT16_LOW, ROUNDING_MAGIC } from "../constants.ts";
import { dotAdd, interleaveHigh, interleaveLow } from "../simd/dot.ts";
import { clampFloat, roundAround, scaled } from "../simd/requantize.ts";
import { storeUpTo8 } from "../simd/tail.ts";
import { BOUNDED_INT8, FORM, MAX, MIN, OFFSET } from "./output-i8.ts";

/** Stride 1: `columns` outputs from `columns` + 2 input columns, `channels` bytes each. */
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
    let top0 = interleaveLow(r0, r1);
    let top1 = interleaveHigh(r0, r1);
    let low0 = i32x4.extend_low_i16x8_s(r2);
    let low1 = i32x4.extend_high_i16x8_s(r2);
    let now0 = dotAdd(dotAdd(bias0, top0, v128.load(w)), low0, v128.load(w, 32));
    let now1 = dotAdd(dotAdd(bias1, top1, v128.load(w, 16)), low1, v128.load(w, 48));
    p0 += channels;
    p1 += channels;
    p2 += channels;
    r0 = v128.load_ext<i8>(p0);
    r1 = v128.load_ext<i8>(p1);
    r2 = v128.load_ext<i8>(p2);
    top0 = interleaveLow(r0, r1);
    top1 = interleaveHigh(r0, r1);
    low0 = i32x4.extend_low_i16x8_s(r2);
    low1 = i32x4.extend_high_i16x8_s(r2);
    now0 = dotAdd(dotAdd(now0, top0, v128.load(w, 64)), low0, v128.load(w, 96));
    now1 = dotAdd(dotAdd(now1, top1, v128.load(w, 80)), low1, v128.load(w, 112));
    let next0 = dotAdd(dotAdd(bias0, top0, v128.load(w)), low0, v128.load(w, 32));
    let next1 = dotAdd(dotAdd(bias1, top1, v128.load(w, 16)), low1, v128.load(w, 48));
    let x = columns;
    do {
      p0 += channels;
      p1 += channels;
      p2 += channels;
      r0 = v128.load_ext<i8>(p0);
      r1 = v128.load_ext<i8>(p1);
      r2 = v128.load_ext<i8>(p2);
      top0 = interleaveLow(r0, r1);
      top1 = interleaveHigh(r0, r1);
      low0 = i32x4.extend_low_i16x8_s(r2);
      low1 = i32x4.extend_high_i16x8_s(r2);
      now0 = scaled(dotAdd(dotAdd(now0, top0, v128.load(w, 128)), low0, v128.load(w, 160)), scale0);
      now1 = scaled(dotAdd(dotAdd(now1, top1, v128.load(w, 144)), low1, v128.load(w, 176)), scale1);
      if (!bounded) {
        now0 = clampFloat(now0, v128.load(INT16_LOW), v128.load(INT16_HIGH));
        now1 = clampFloat(now1, v128.load(INT16_LOW), v128.load(INT16_HIGH));
      }
      const y = i16x8.narrow_i32x4_s(roundAround(now0, magic, offset), roundAround(now1, magic, offset));
      storeUpTo8(o, i8x16.narrow_i16x8_s(y, y), c);
      o += channels;
      now0 = dotAdd(dotAdd(next0, top0, v128.load(w, 64)), low0, v128.load(w, 96));
      now1 = dotAdd(dotAdd(next1, top1, v128.load(w, 80)), low1, v128.load(w, 112));
      next0 = dotAdd(dotAdd(bias0, top0, v128.load(w)), low0, v128.load(w, 32));
      next1 = dotAdd(dotAdd(bias1, top1, v128.load(w, 16)), low1, v128.load(w, 48));
    } while (--x);
    row0 += 8;
    row1 += 8;
    row2 += 8;
    out += 8;
    w += 192;
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
    let r0 = v128.load_ext<i8>(p0);
    let r1 = v128.load_ext<i8>(p1);
    let r2 = v128.load_ext<i8>(p2);
    let now0 = dotAdd(dotAdd(bias0, interleaveLow(r0, r1), v128.load(w)), i32x4.extend_low_i16x8_s(r2), v128.load(w, 32));
    let now1 = dotAdd(dotAdd(bias1, interleaveHigh(r0, r1), v128.load(w, 16)), i32x4.extend_high_i16x8_s(r2), v128.load(w, 48));
    let x = columns;
    do {
      p0 += channels;
      p1 += channels;
      p2 += channels;
      r0 = v128.load_ext<i8>(p0);
      r1 = v128.load_ext<i8>(p1);
      r2 = v128.load_ext<i8>(p2);
      now0 = dotAdd(dotAdd(now0, interleaveLow(r0, r1), v128.load(w, 64)), i32x4.extend_low_i16x8_s(r2), v128.load(w, 96));
      now1 = dotAdd(dotAdd(now1, interleaveHigh(r0, r1), v128.load(w, 80)), i32x4.extend_high_i16x8_s(r2), v128.load(w, 112));
      p0 += channels;
      p1 += channels;
      p2 += channels;
      r0 = v128.load_ext<i8>(p0);
      r1 = v128.load_ext<i8>(p1);
      r2 = v128.load_ext<i8>(p2);
      const top0 = interleaveLow(r0, r1);
      const top1 = interleaveHigh(r0, r1);
      const low0 = i32x4.extend_low_i16x8_s(r2);
      const low1 = i32x4.extend_high_i16x8_s(r2);
      now0 = scaled(dotAdd(dotAdd(now0, top0, v128.load(w, 128)), low0, v128.load(w, 160)), scale0);
      now1 = scaled(dotAdd(dotAdd(now1, top1, v128.load(w, 144)), low1, v128.load(w, 176)), scale1);
      if (!bounded) {
        now0 = clampFloat(now0, v128.load(INT16_LOW), v128.load(INT16_HIGH));
        now1 = clampFloat(now1, v128.load(INT16_LOW), v128.load(INT16_HIGH));
      }
      const y = i16x8.narrow_i32x4_s(roundAround(now0, magic, offset), roundAround(now1, magic, offset));
      storeUpTo8(o, i8x16.narrow_i16x8_s(y, y), c);
      o += channels;
      now0 = dotAdd(dotAdd(bias0, top0, v128.load(w)), low0, v128.load(w, 32));
      now1 = dotAdd(dotAdd(bias1, top1, v128.load(w, 16)), low1, v128.load(w, 48));
    } while (--x);
    row0 += 8;
    row1 += 8;
    row2 += 8;
    out += 8;
    w += 192;
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
