/**
 * Packing of four int8 rows into an A panel: int16 [K/2][4 rows][2 k] (kernels/gemm-i8.ts), or for the pair dot, masked,
 * int8 [K/4][4 rows][4 k] (kernels/gemm-pairs-i8.ts). T is the type of the panel's values.
 *
 * Eight values of each row go at a time: up to 7 bytes behind a row are read and up to 48 bytes behind a panel written. What stands
 * in the padding of a panel does not matter: the weights there are zero.
 */
import { ACTIVATION_MASK } from "../constants.ts";

/**
 * `length` values of four rows to `panel`; the next segment belongs behind the length rounded up to even. Segments of int8 panels start at
 * multiples of 4 values.
 */
// @ts-ignore: decorator
@inline
export function packSegment<T>(row0: usize, row1: usize, row2: usize, row3: usize, length: i32, panel: usize): void {
  if (sizeof<T>() == 1) packQuads(row0, row1, row2, row3, length, panel);
  else packPairs(row0, row1, row2, row3, length, panel);
}

function packQuads(row0: usize, row1: usize, row2: usize, row3: usize, length: i32, panel: usize): void {
  const mask = v128.load(ACTIVATION_MASK);
  for (; length >= 16; length -= 16) {
    const r0 = v128.load(row0);
    const r1 = v128.load(row1);
    const r2 = v128.load(row2);
    const r3 = v128.load(row3);
    const r01 = v128.xor(v128.shuffle<i32>(r0, r1, 0, 4, 1, 5), mask);
    const r23 = v128.xor(v128.shuffle<i32>(r2, r3, 0, 4, 1, 5), mask);
    const q01 = v128.xor(v128.shuffle<i32>(r0, r1, 2, 6, 3, 7), mask);
    const q23 = v128.xor(v128.shuffle<i32>(r2, r3, 2, 6, 3, 7), mask);
    v128.store(panel, v128.shuffle<i64>(r01, r23, 0, 2));
    v128.store(panel, v128.shuffle<i64>(r01, r23, 1, 3), 16);
    v128.store(panel, v128.shuffle<i64>(q01, q23, 0, 2), 32);
    v128.store(panel, v128.shuffle<i64>(q01, q23, 1, 3), 48);
    row0 += 16;
    row1 += 16;
    row2 += 16;
    row3 += 16;
    panel += 64;
  }
  for (; length > 0; length -= 8) {
    const r01 = v128.xor(v128.shuffle<i32>(v128.load64_zero(row0), v128.load64_zero(row1), 0, 4, 1, 5), mask);
    const r23 = v128.xor(v128.shuffle<i32>(v128.load64_zero(row2), v128.load64_zero(row3), 0, 4, 1, 5), mask);
    v128.store(panel, v128.shuffle<i64>(r01, r23, 0, 2));
    v128.store(panel, v128.shuffle<i64>(r01, r23, 1, 3), 16);
    row0 += 8;
    row1 += 8;
    row2 += 8;
    row3 += 8;
    panel += 32;
  }
}

function packPairs(row0: usize, row1: usize, row2: usize, row3: usize, length: i32, panel: usize): void {
  while (length > 0) {
    const r0 = v128.load_ext<i8>(row0);
    const r1 = v128.load_ext<i8>(row1);
    const r2 = v128.load_ext<i8>(row2);
    const r3 = v128.load_ext<i8>(row3);
    const r01 = v128.shuffle<i32>(r0, r1, 0, 4, 1, 5);
    const r23 = v128.shuffle<i32>(r2, r3, 0, 4, 1, 5);
    const q01 = v128.shuffle<i32>(r0, r1, 2, 6, 3, 7);
    const q23 = v128.shuffle<i32>(r2, r3, 2, 6, 3, 7);
    v128.store(panel, v128.shuffle<i64>(r01, r23, 0, 2));
    v128.store(panel, v128.shuffle<i64>(r01, r23, 1, 3), 16);
    v128.store(panel, v128.shuffle<i64>(q01, q23, 0, 2), 32);
    v128.store(panel, v128.shuffle<i64>(q01, q23, 1, 3), 48);
    row0 += 8;
    row1 += 8;
    row2 += 8;
    row3 += 8;
    panel += 64;
    length -= 8;
  }
}

/** `rows` rows of `length` values, `pitch` bytes apart, as one segment each; a missing row of the last four repeats the row before. */
export function packRows<T>(src: usize, pitch: i32, rows: i32, length: i32, depth: i32, panel: usize): void {
  while (rows > 0) {
    const row1 = rows > 1 ? src + pitch : src;
    const row2 = rows > 2 ? row1 + pitch : row1;
    const row3 = rows > 3 ? row2 + pitch : row2;
    packSegment<T>(src, row1, row2, row3, length, panel);
    src = row3 + pitch;
    panel += <usize>depth * 4 * sizeof<T>();
    rows -= 4;
  }
}
