/**
 * The int8 GEMM of four-bit weights on the pair dot (simd/dot.ts): rows of A times one panel of eight outputs, requantized.
 *
 *   A panel   int8, masked [rows/4][K/4][4 rows][4 k]      B panel   int8 [K/4][8 outputs][4 k]      start   int32 [8], bias included
 *
 * Products of four-bit weights are so small that int16 accumulators hold the sums of a whole run (format/packings.ts), eight steps at
 * least; a tile is 4 rows by 8 outputs in eight of them. Between runs int32 sums stand in the output block.
 */
import { EIGHTS, LOW_HALVES, ONES_16 } from "../constants.ts";
import { dotAdd, pairDot } from "../simd/dot.ts";
import { ACCUMULATORS, finishRows, finishTile } from "./output-i8.ts";

/**
 * `rows` rows (the A panel is there for the next multiple of 4) by `channels` (1 to 8) outputs; `steps` = K/4, `runs` their partition.
 * Output rows lie `pitchBytes` apart.
 */
export function gemmI4(rows: i32, steps: i32, a: usize, b: usize, runs: usize, start: usize, scale: usize, out: usize, pitchBytes: i32, channels: i32, block: usize): void {
  multiply(false, 0, rows, steps, a, b, runs, start, scale, out, pitchBytes, channels, block);
}

/** gemmI4 with A in planes (planes-i8.ts): step i of the first tile is at `a` plus the i-th of `offsets` (uint32), that of each further tile 16 bytes on. */
export function gemmPlanesI4(offsets: usize, rows: i32, steps: i32, a: usize, b: usize, runs: usize, start: usize, scale: usize, out: usize, pitchBytes: i32, channels: i32, block: usize): void {
  multiply(true, offsets, rows, steps, a, b, runs, start, scale, out, pitchBytes, channels, block);
}

// @ts-ignore: decorator
@inline
function multiply(planes: bool, offsets: usize, rows: i32, steps: i32, a: usize, b: usize, runs: usize, start: usize, scale: usize, out: usize, pitchBytes: i32, channels: i32, block: usize): void {
  const sums = block + ACCUMULATORS;
  while (rows > 0) {
    let isFirst = true;
    let left = steps;
    let run = runs;
    let p = b;
    let offset = offsets;
    for (;;) {
      let k = <i32>load<u8>(run++);
      left -= k;
      let c00 = i64x2.splat(0);
      let c01 = c00;
      let c10 = c00;
      let c11 = c00;
      let c20 = c00;
      let c21 = c00;
      let c30 = c00;
      let c31 = c00;
      do {
        const b0 = v128.load(p);
        const b1 = v128.load(p, 16);
        const at = planes ? a + load<u32>(offset) : a;
        let row = v128.load32_splat(at);
        c00 = i16x8.add(c00, pairDot(b0, row));
        c01 = i16x8.add(c01, pairDot(b1, row));
        row = v128.load32_splat(at, 4);
        c10 = i16x8.add(c10, pairDot(b0, row));
        c11 = i16x8.add(c11, pairDot(b1, row));
        row = v128.load32_splat(at, 8);
        c20 = i16x8.add(c20, pairDot(b0, row));
        c21 = i16x8.add(c21, pairDot(b1, row));
        row = v128.load32_splat(at, 12);
        c30 = i16x8.add(c30, pairDot(b0, row));
        c31 = i16x8.add(c31, pairDot(b1, row));
        if (planes) offset += 4;
        else a += 16;
        p += 32;
      } while (--k);
      const ones = v128.load(ONES_16);
      if (isFirst) {
        const s0 = v128.load(start);
        const s1 = v128.load(start, 16);
        c00 = dotAdd(s0, c00, ones);
        c01 = dotAdd(s1, c01, ones);
        c10 = dotAdd(s0, c10, ones);
        c11 = dotAdd(s1, c11, ones);
        c20 = dotAdd(s0, c20, ones);
        c21 = dotAdd(s1, c21, ones);
        c30 = dotAdd(s0, c30, ones);
        c31 = dotAdd(s1, c31, ones);
        isFirst = false;
      } else {
        c00 = dotAdd(v128.load(sums), c00, ones);
        c01 = dotAdd(v128.load(sums, 16), c01, ones);
        c10 = dotAdd(v128.load(sums, 32), c10, ones);
        c11 = dotAdd(v128.load(sums, 48), c11, ones);
        c20 = dotAdd(v128.load(sums, 64), c20, ones);
        c21 = dotAdd(v128.load(sums, 80), c21, ones);
        c30 = dotAdd(v128.load(sums, 96), c30, ones);
        c31 = dotAdd(v128.load(sums, 112), c31, ones);
      }
      if (left == 0) {
        finishTile(block, rows, channels, scale, out, pitchBytes, c00, c01, c10, c11, c20, c21, c30, c31);
        break;
      }
      v128.store(sums, c00);
      v128.store(sums, c01, 16);
      v128.store(sums, c10, 32);
      v128.store(sums, c11, 48);
      v128.store(sums, c20, 64);
      v128.store(sums, c21, 80);
      v128.store(sums, c30, 96);
      v128.store(sums, c31, 112);
    }
    if (planes) a += 16;
    out += 4 * pitchBytes;
    rows -= 4;
  }
}

/**
 * One row, the first of an A panel, by `channels` (1 to 8) outputs of a B panel that is still packed. Its weights are 8 too large, for
 * which `start` is 8·Σa too small (biasOfRow); int16 holds four steps of them.
 */
export function gemvI4(steps: i32, a: usize, b: usize, start: usize, scale: usize, out: usize, channels: i32, block: usize): void {
  const low = v128.load(LOW_HALVES);
  const ones = v128.load(ONES_16);
  let sum0 = v128.load(start);
  let sum1 = v128.load(start, 16);
  for (; steps >= 4; steps -= 4) {
    let halves = v128.load(b);
    let x = v128.load32_splat(a);
    let c0 = pairDot(v128.and(halves, low), x);
    let c1 = pairDot(v128.and(i16x8.shr_u(halves, 4), low), x);
    halves = v128.load(b, 16);
    x = v128.load32_splat(a, 16);
    c0 = i16x8.add(c0, pairDot(v128.and(halves, low), x));
    c1 = i16x8.add(c1, pairDot(v128.and(i16x8.shr_u(halves, 4), low), x));
    halves = v128.load(b, 32);
    x = v128.load32_splat(a, 32);
    c0 = i16x8.add(c0, pairDot(v128.and(halves, low), x));
    c1 = i16x8.add(c1, pairDot(v128.and(i16x8.shr_u(halves, 4), low), x));
    halves = v128.load(b, 48);
    x = v128.load32_splat(a, 48);
    c0 = i16x8.add(c0, pairDot(v128.and(halves, low), x));
    c1 = i16x8.add(c1, pairDot(v128.and(i16x8.shr_u(halves, 4), low), x));
    sum0 = dotAdd(sum0, c0, ones);
    sum1 = dotAdd(sum1, c1, ones);
    a += 64;
    b += 64;
  }
  for (; steps > 0; steps--) {
    const halves = v128.load(b);
    const x = v128.load32_splat(a);
    sum0 = dotAdd(sum0, pairDot(v128.and(halves, low), x), ones);
    sum1 = dotAdd(sum1, pairDot(v128.and(i16x8.shr_u(halves, 4), low), x), ones);
    a += 16;
    b += 16;
  }
  v128.store(block, sum0, ACCUMULATORS);
  v128.store(block, sum1, ACCUMULATORS + 16);
  finishRows(block, 1, channels, scale, out, 0);
}

/** −8·Σa of the first row of an A panel of `steps` steps, as the pair dot reads it, in four lanes. */
export function biasOfRow(a: usize, steps: i32): v128 {
  const eights = v128.load(EIGHTS);
  const ones = v128.load(ONES_16);
  let sum = i64x2.splat(0);
  do {
    sum = dotAdd(sum, pairDot(eights, v128.load32_splat(a)), ones);
    a += 16;
  } while (--steps);
  return i32x4.neg(sum);
}

/** Unpacks `steps` steps of a packed panel to one byte a weight, 32 bytes a step. */
export function unpackI4(src: usize, steps: i32, dst: usize): void {
  const low = v128.load(LOW_HALVES);
  const eight = v128.load(EIGHTS);
  do {
    const halves = v128.load(src);
    v128.store(dst, i8x16.sub(v128.and(halves, low), eight));
    v128.store(dst, i8x16.sub(v128.and(i16x8.shr_u(halves, 4), low), eight), 16);
    src += 16;
    dst += 32;
  } while (--steps);
}

/** Widens `steps` steps of a packed panel of the plain form to int16 [K/2][8 outputs][2 k], 64 bytes a step. */
export function widenI4(src: usize, steps: i32, dst: usize): void {
  do {
    const quarters = v128.load(src);
    v128.store(dst, i16x8.shr_s(i16x8.shl(quarters, 12), 12));
    v128.store(dst, i16x8.shr_s(i16x8.shl(quarters, 8), 12), 16);
    v128.store(dst, i16x8.shr_s(i16x8.shl(quarters, 4), 12), 32);
    v128.store(dst, i16x8.shr_s(quarters, 12), 48);
    src += 16;
    dst += 64;
  } while (--steps);
}

/** One row, the first of an int16 A panel, by `channels` (1 to 8) outputs of a packed panel of the plain form. */
export function gemvWideI4(steps: i32, a: usize, b: usize, start: usize, scale: usize, out: usize, channels: i32, block: usize): void {
  let even0 = v128.load(start);
  let even1 = v128.load(start, 16);
  let odd0 = i64x2.splat(0);
  let odd1 = odd0;
  do {
    const quarters = v128.load(b);
    let x = v128.load32_splat(a);
    even0 = dotAdd(even0, x, i16x8.shr_s(i16x8.shl(quarters, 12), 12));
    even1 = dotAdd(even1, x, i16x8.shr_s(i16x8.shl(quarters, 8), 12));
    x = v128.load32_splat(a, 16);
    odd0 = dotAdd(odd0, x, i16x8.shr_s(i16x8.shl(quarters, 4), 12));
    odd1 = dotAdd(odd1, x, i16x8.shr_s(quarters, 12));
    a += 32;
    b += 16;
  } while (--steps);
  v128.store(block, i32x4.add(even0, odd0), ACCUMULATORS);
  v128.store(block, i32x4.add(even1, odd1), ACCUMULATORS + 16);
  finishRows(block, 1, channels, scale, out, 0);
}
