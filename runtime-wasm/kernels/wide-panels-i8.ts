/**
 * Panels of sixteen rows of A, whose columns can be brought together many rows at a time (collect-i8.ts). Values are int8, masked; a unit is one column or
 * two.
 *
 *   [rows/16][K/unit][16 rows][unit]
 */
import { ACTIVATION_MASK } from "../constants.ts";
import { bytesHigh, bytesLow, interleaveHigh, interleaveLow } from "../simd/dot.ts";

/** Rows of a wide panel. */
export const WIDE_ROWS: i32 = 16;

/** Makes `rows` (a multiple of 16) rows in panels of four rows (panel-i8.ts) wide panels. */
export function widenPanels(unit: i32, src: usize, rows: i32, depth: i32, dst: usize): void {
  const panelBytes = <usize>depth << 2;
  for (; rows > 0; rows -= WIDE_ROWS) {
    const second = src + panelBytes;
    const third = second + panelBytes;
    const fourth = third + panelBytes;
    for (let at: usize = 0; at < panelBytes; at += 16) {
      const t0 = v128.load(src + at);
      const t1 = v128.load(second + at);
      const t2 = v128.load(third + at);
      const t3 = v128.load(fourth + at);
      if (unit == 2) {
        v128.store(dst, v128.shuffle<i64>(t0, t1, 0, 2));
        v128.store(dst, v128.shuffle<i64>(t2, t3, 0, 2), 16);
        v128.store(dst, v128.shuffle<i64>(t0, t1, 1, 3), 32);
        v128.store(dst, v128.shuffle<i64>(t2, t3, 1, 3), 48);
      } else {
        const low01 = v128.shuffle<i32>(t0, t1, 0, 4, 1, 5);
        const low23 = v128.shuffle<i32>(t2, t3, 0, 4, 1, 5);
        const high01 = v128.shuffle<i32>(t0, t1, 2, 6, 3, 7);
        const high23 = v128.shuffle<i32>(t2, t3, 2, 6, 3, 7);
        v128.store(dst, v128.shuffle<i64>(low01, low23, 0, 2));
        v128.store(dst, v128.shuffle<i64>(low01, low23, 1, 3), 16);
        v128.store(dst, v128.shuffle<i64>(high01, high23, 0, 2), 32);
        v128.store(dst, v128.shuffle<i64>(high01, high23, 1, 3), 48);
      }
      dst += 64;
    }
    src = fourth + panelBytes;
  }
}

/**
 * Packs `rows` (a multiple of 16) rows of `length` values, `pitch` bytes apart. Sixteen values of each row go at a time: up to 15 bytes behind a row are
 * read and up to 240 bytes behind a panel written.
 */
export function packWideRows(unit: i32, src: usize, pitch: i32, rows: i32, length: i32, depth: i32, panel: usize): void {
  for (; rows > 0; rows -= WIDE_ROWS) {
    packHalf(unit, src, pitch, length, panel);
    src += 8 * pitch;
    packHalf(unit, src, pitch, length, panel + (unit << 3));
    src += 8 * pitch;
    panel += <usize>depth << 4;
  }
}

/** Eight rows of sixteen. */
function packHalf(unit: i32, row: usize, pitch: i32, length: i32, panel: usize): void {
  const mask = v128.load(ACTIVATION_MASK);
  const row4 = row + 4 * pitch;
  const end = row + length;
  for (let at: usize = 0; row + at < end; at += 16) {
    const first = row + at;
    const second = row4 + at;
    const r0 = v128.xor(v128.load(first), mask);
    const r1 = v128.xor(v128.load(first + pitch), mask);
    const r2 = v128.xor(v128.load(first + 2 * pitch), mask);
    const r3 = v128.xor(v128.load(first + 3 * pitch), mask);
    const r4 = v128.xor(v128.load(second), mask);
    const r5 = v128.xor(v128.load(second + pitch), mask);
    const r6 = v128.xor(v128.load(second + 2 * pitch), mask);
    const r7 = v128.xor(v128.load(second + 3 * pitch), mask);
    if (unit == 2) {
      storeUnits(interleaveLow(r0, r1), interleaveLow(r2, r3), interleaveLow(r4, r5), interleaveLow(r6, r7), panel);
      storeUnits(interleaveHigh(r0, r1), interleaveHigh(r2, r3), interleaveHigh(r4, r5), interleaveHigh(r6, r7), panel + 128);
    } else {
      storeColumns(bytesLow(r0, r1), bytesLow(r2, r3), bytesLow(r4, r5), bytesLow(r6, r7), panel);
      storeColumns(bytesHigh(r0, r1), bytesHigh(r2, r3), bytesHigh(r4, r5), bytesHigh(r6, r7), panel + 128);
    }
    panel += 256;
  }
}

/** Four units of two columns of eight rows, given of each two rows. */
// @ts-ignore: decorator
@inline
function storeUnits(r01: v128, r23: v128, r45: v128, r67: v128, panel: usize): void {
  const low = v128.shuffle<i32>(r01, r23, 0, 4, 1, 5);
  const high = v128.shuffle<i32>(r01, r23, 2, 6, 3, 7);
  const low4 = v128.shuffle<i32>(r45, r67, 0, 4, 1, 5);
  const high4 = v128.shuffle<i32>(r45, r67, 2, 6, 3, 7);
  v128.store(panel, v128.shuffle<i64>(low, low4, 0, 2));
  v128.store(panel, v128.shuffle<i64>(low, low4, 1, 3), 32);
  v128.store(panel, v128.shuffle<i64>(high, high4, 0, 2), 64);
  v128.store(panel, v128.shuffle<i64>(high, high4, 1, 3), 96);
}

/** Eight columns of eight rows, given of each two rows. */
// @ts-ignore: decorator
@inline
function storeColumns(r01: v128, r23: v128, r45: v128, r67: v128, panel: usize): void {
  const low = interleaveLow(r01, r23);
  const high = interleaveHigh(r01, r23);
  const low4 = interleaveLow(r45, r67);
  const high4 = interleaveHigh(r45, r67);
  const k01 = v128.shuffle<i32>(low, low4, 0, 4, 1, 5);
  const k23 = v128.shuffle<i32>(low, low4, 2, 6, 3, 7);
  const k45 = v128.shuffle<i32>(high, high4, 0, 4, 1, 5);
  const k67 = v128.shuffle<i32>(high, high4, 2, 6, 3, 7);
  v128.store_lane<i64>(panel, k01, 0);
  v128.store_lane<i64>(panel, k01, 1, 16);
  v128.store_lane<i64>(panel, k23, 0, 32);
  v128.store_lane<i64>(panel, k23, 1, 48);
  v128.store_lane<i64>(panel, k45, 0, 64);
  v128.store_lane<i64>(panel, k45, 1, 80);
  v128.store_lane<i64>(panel, k67, 0, 96);
  v128.store_lane<i64>(panel, k67, 1, 112);
}
