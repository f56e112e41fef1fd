/**
 * Packing of four int8 rows into an A panel [K/unit][4 rows][unit]. T is the type of the panel's values: int16, or for the pair dot int8, masked.
 *
 *   unit   PAIRS for int16 and QUADS for int8: for the dense GEMMs (kernels/gemm-i8.ts, gemm-pairs-i8.ts)
 *          1 or 2: for GEMMs of blocks (kernels/gemm-blocks-i8.ts), of which each picks the columns it needs
 *
 * Eight values of each row go at a time: up to 7 bytes behind a row are read and up to 48 bytes behind a panel written. What stands
 * in the padding of a panel does not matter: the weights there are zero.
 */
import { ACTIVATION_MASK } from "../constants.ts";
import { bytesLow, interleaveHigh, interleaveLow } from "../simd/dot.ts";

/** Adjacent values of a row in a dense panel of int16. */
export const PAIRS: i32 = 2;
/** Adjacent values of a row in a dense panel of int8. */
export const QUADS: i32 = 4;

/**
 * `length` values of four rows to `panel`; the next segment belongs behind the length rounded up to even. Segments of int8 panels in QUADS
 * start at multiples of 4 values.
 */
// @ts-ignore: decorator
@inline
export function packSegment<T>(unit: i32, row0: usize, row1: usize, row2: usize, row3: usize, length: i32, panel: usize): void {
  if (sizeof<T>() == 1) {
    if (unit == QUADS) packQuads(row0, row1, row2, row3, length, panel);
    else if (unit == 1) packBytes(row0, row1, row2, row3, length, panel);
    else packBytePairs(row0, row1, row2, row3, length, panel);
  } else {
    if (unit == PAIRS) packPairs(row0, row1, row2, row3, length, panel);
    else packSingles(row0, row1, row2, row3, length, panel);
  }
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

/** int8 in units of one value. */
function packBytes(row0: usize, row1: usize, row2: usize, row3: usize, length: i32, panel: usize): void {
  packSmallUnits(true, row0, row1, row2, row3, length, panel);
}

/** int8 in units of two values. */
function packBytePairs(row0: usize, row1: usize, row2: usize, row3: usize, length: i32, panel: usize): void {
  packSmallUnits(false, row0, row1, row2, row3, length, panel);
}

// @ts-ignore: decorator
@inline
function packSmallUnits(single: bool, row0: usize, row1: usize, row2: usize, row3: usize, length: i32, panel: usize): void {
  const mask = v128.load(ACTIVATION_MASK);
  while (length > 0) {
    const r0 = v128.xor(v128.load64_zero(row0), mask);
    const r1 = v128.xor(v128.load64_zero(row1), mask);
    const r2 = v128.xor(v128.load64_zero(row2), mask);
    const r3 = v128.xor(v128.load64_zero(row3), mask);
    const r01 = single ? bytesLow(r0, r1) : interleaveLow(r0, r1);
    const r23 = single ? bytesLow(r2, r3) : interleaveLow(r2, r3);
    v128.store(panel, single ? interleaveLow(r01, r23) : v128.shuffle<i32>(r01, r23, 0, 4, 1, 5));
    v128.store(panel, single ? interleaveHigh(r01, r23) : v128.shuffle<i32>(r01, r23, 2, 6, 3, 7), 16);
    row0 += 8;
    row1 += 8;
    row2 += 8;
    row3 += 8;
    panel += 32;
    length -= 8;
  }
}

/** int16 in units of one value. */
function packSingles(row0: usize, row1: usize, row2: usize, row3: usize, length: i32, panel: usize): void {
  while (length > 0) {
    const r0 = v128.load_ext<i8>(row0);
    const r1 = v128.load_ext<i8>(row1);
    const r2 = v128.load_ext<i8>(row2);
    const r3 = v128.load_ext<i8>(row3);
    const low01 = interleaveLow(r0, r1);
    const low23 = interleaveLow(r2, r3);
    const high01 = interleaveHigh(r0, r1);
    const high23 = interleaveHigh(r2, r3);
    v128.store(panel, v128.shuffle<i32>(low01, low23, 0, 4, 1, 5));
    v128.store(panel, v128.shuffle<i32>(low01, low23, 2, 6, 3, 7), 16);
    v128.store(panel, v128.shuffle<i32>(high01, high23, 0, 4, 1, 5), 32);
    v128.store(panel, v128.shuffle<i32>(high01, high23, 2, 6, 3, 7), 48);
    row0 += 8;
    row1 += 8;
    row2 += 8;
    row3 += 8;
    panel += 64;
    length -= 8;
  }
}

/** `rows` rows of `length` values, `pitch` bytes apart, as one segment each; a missing row of the last four repeats the row before. */
export function packRows<T>(unit: i32, src: usize, pitch: i32, rows: i32, length: i32, depth: i32, panel: usize): void {
  while (rows > 0) {
    const row1 = rows > 1 ? src + pitch : src;
    const row2 = rows > 2 ? row1 + pitch : row1;
    const row3 = rows > 3 ? row2 + pitch : row2;
    packSegment<T>(unit, src, row1, row2, row3, length, panel);
    src = row3 + pitch;
    panel += <usize>depth * 4 * sizeof<T>();
    rows -= 4;
  }
}
