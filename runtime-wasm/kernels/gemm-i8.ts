/**
 * The int8 GEMM: rows of A times one panel of eight outputs of B, requantized.
 *
 *   A panel   int16 [rows/4][K/2][4 rows][2 k]      B panel   int8 or int16 [K/2][8 outputs][2 k]
 *
 * A tile is 4 rows by 8 outputs in eight accumulators that start from the bias; engines unroll the loop over k themselves. One row that is
 * left over is multiplied by itself: a whole tile would cost 2½ times as much.
 */
import { dotAdd } from "../simd/dot.ts";
import { ACCUMULATORS, finishRows, finishTile } from "./output-i8.ts";

/**
 * `rows` rows (the A panel is there for the next multiple of 4) by `channels` (1 to 8) outputs; `pairs` = K/2; T is the type of B's
 * elements. Output rows lie `pitchBytes` apart.
 */
export function gemmI8<T>(rows: i32, pairs: i32, a: usize, b: usize, bias: usize, scale: usize, out: usize, pitchBytes: i32, channels: i32, block: usize): void {
  multiply<T>(false, 0, rows, pairs, a, b, bias, scale, out, pitchBytes, channels, block);
}

/**
 * gemmI8 with A in planes (planes-i8.ts) and B of int16: step i of the first tile is at `a` plus the i-th of `offsets` (uint32), that of each
 * further tile 16 bytes on.
 */
export function gemmPlanesI8(offsets: usize, rows: i32, pairs: i32, a: usize, b: usize, bias: usize, scale: usize, out: usize, pitchBytes: i32, channels: i32, block: usize): void {
  multiply<i16>(true, offsets, rows, pairs, a, b, bias, scale, out, pitchBytes, channels, block);
}

// @ts-ignore: decorator
@inline
function multiply<T>(planes: bool, offsets: usize, rows: i32, pairs: i32, a: usize, b: usize, bias: usize, scale: usize, out: usize, pitchBytes: i32, channels: i32, block: usize): void {
  while (planes ? rows > 0 : rows > 1) {
    let c00 = v128.load(bias);
    let c01 = v128.load(bias, 16);
    let c10 = c00;
    let c11 = c01;
    let c20 = c00;
    let c21 = c01;
    let c30 = c00;
    let c31 = c01;
    let k = pairs;
    let p = b;
    let offset = offsets;
    do {
      let b0: v128;
      let b1: v128;
      if (sizeof<T>() == 1) {
        b0 = v128.load_ext<i8>(p);
        b1 = v128.load_ext<i8>(p, 8);
        p += 16;
      } else {
        b0 = v128.load(p);
        b1 = v128.load(p, 16);
        p += 32;
      }
      const x = v128.load(planes ? a + load<u32>(offset) : a);
      let row = v128.shuffle<i32>(x, x, 0, 0, 0, 0);
      c00 = dotAdd(c00, row, b0);
      c01 = dotAdd(c01, row, b1);
      row = v128.shuffle<i32>(x, x, 1, 1, 1, 1);
      c10 = dotAdd(c10, row, b0);
      c11 = dotAdd(c11, row, b1);
      row = v128.shuffle<i32>(x, x, 2, 2, 2, 2);
      c20 = dotAdd(c20, row, b0);
      c21 = dotAdd(c21, row, b1);
      row = v128.shuffle<i32>(x, x, 3, 3, 3, 3);
      c30 = dotAdd(c30, row, b0);
      c31 = dotAdd(c31, row, b1);
      if (planes) offset += 4;
      else a += 16;
    } while (--k);
    if (planes) a += 16;
    finishTile(block, rows, channels, scale, out, pitchBytes, c00, c01, c10, c11, c20, c21, c30, c31);
    out += 4 * pitchBytes;
    rows -= 4;
  }
  if (!planes && rows == 1) multiplyRow<T>(pairs, a, b, bias, scale, out, channels, block);
}

/** One row, the first of an A panel, by `channels` (1 to 8) outputs; `pairs` is even. */
function multiplyRow<T>(pairs: i32, a: usize, b: usize, bias: usize, scale: usize, out: usize, channels: i32, block: usize): void {
  let even0 = v128.load(bias);
  let even1 = v128.load(bias, 16);
  let odd0 = i64x2.splat(0);
  let odd1 = odd0;
  do {
    let x = v128.load32_splat(a);
    even0 = dotAdd(even0, x, eight<T>(b));
    even1 = dotAdd(even1, x, eight<T>(b + 8 * sizeof<T>()));
    x = v128.load32_splat(a, 16);
    odd0 = dotAdd(odd0, x, eight<T>(b + 16 * sizeof<T>()));
    odd1 = dotAdd(odd1, x, eight<T>(b + 24 * sizeof<T>()));
    a += 32;
    b += 32 * sizeof<T>();
    pairs -= 2;
  } while (pairs);
  v128.store(block, i32x4.add(even0, odd0), ACCUMULATORS);
  v128.store(block, i32x4.add(even1, odd1), ACCUMULATORS + 16);
  finishRows(block, 1, channels, scale, out, 0);
}

/** Eight values at `p`, as int16. */
// @ts-ignore: decorator
@inline
function eight<T>(p: usize): v128 {
  return sizeof<T>() == 1 ? v128.load_ext<i8>(p) : v128.load(p);
}

/** Widens `bytes` (a multiple of 8) int8 at `src` to int16. */
export function widen(src: usize, bytes: i32, dst: usize): void {
  const end = src + <usize>bytes;
  while (src < end) {
    v128.store(dst, v128.load_ext<i8>(src));
    src += 8;
    dst += 16;
  }
}
