/** Transposes of small tiles in registers. */
import { storeFloats, storeUpTo8 } from "./tail.ts";

/** Four rows of four 4-byte values at `src`, `srcRow` bytes apart, to four columns at `dst`, `dstRow` bytes apart. */
@inline
export function transpose4(src: usize, srcRow: usize, dst: usize, dstRow: usize): void {
  const second = src + srcRow;
  const third = second + srcRow;
  const r0 = v128.load(src);
  const r1 = v128.load(second);
  const r2 = v128.load(third);
  const r3 = v128.load(third + srcRow);
  const low01 = v128.shuffle<i32>(r0, r1, 0, 4, 1, 5);
  const low23 = v128.shuffle<i32>(r2, r3, 0, 4, 1, 5);
  const high01 = v128.shuffle<i32>(r0, r1, 2, 6, 3, 7);
  const high23 = v128.shuffle<i32>(r2, r3, 2, 6, 3, 7);
  v128.store(dst, v128.shuffle<i64>(low01, low23, 0, 2));
  v128.store(dst + dstRow, v128.shuffle<i64>(low01, low23, 1, 3));
  dst += dstRow << 1;
  v128.store(dst, v128.shuffle<i64>(high01, high23, 0, 2));
  v128.store(dst + dstRow, v128.shuffle<i64>(high01, high23, 1, 3));
}

/**
 * Rows of 4-byte values to columns: source value (row, column) stands at src + row·srcRow + 4·column, its copy at
 * dst + column·dstRow + 4·row. Reads up to 12 bytes past a row.
 */
export function transposeWords(src: usize, srcRow: i32, rows: i32, columns: i32, dst: usize, dstRow: i32): void {
  for (let column = 0; column < columns; column += 4) {
    const height = min(4, columns - column);
    let p = src + (<usize>column << 2);
    let q = dst + <usize>column * <usize>dstRow;
    let row = rows;
    if (height == 4) {
      for (; row >= 4; row -= 4) {
        transpose4(p, srcRow, q, dstRow);
        p += srcRow << 2;
        q += 16;
      }
    }
    for (; row > 0; row -= 4) {
      transposePart(p, srcRow, min(4, row), q, dstRow, height);
      p += srcRow << 2;
      q += 16;
    }
  }
}

/** `width` (1…4) rows to `height` (1…4) columns. */
function transposePart(src: usize, srcRow: i32, width: i32, dst: usize, dstRow: i32, height: i32): void {
  const last = src + <usize>(width - 1) * <usize>srcRow;
  const r0 = v128.load(src);
  const r1 = v128.load(width > 1 ? src + srcRow : last);
  const r2 = v128.load(width > 2 ? src + (srcRow << 1) : last);
  const r3 = v128.load(last);
  const low01 = v128.shuffle<i32>(r0, r1, 0, 4, 1, 5);
  const low23 = v128.shuffle<i32>(r2, r3, 0, 4, 1, 5);
  storeFloats(dst, v128.shuffle<i64>(low01, low23, 0, 2), width);
  if (height == 1) return;
  storeFloats(dst + dstRow, v128.shuffle<i64>(low01, low23, 1, 3), width);
  if (height == 2) return;
  const high01 = v128.shuffle<i32>(r0, r1, 2, 6, 3, 7);
  const high23 = v128.shuffle<i32>(r2, r3, 2, 6, 3, 7);
  dst += dstRow << 1;
  storeFloats(dst, v128.shuffle<i64>(high01, high23, 0, 2), width);
  if (height == 4) storeFloats(dst + dstRow, v128.shuffle<i64>(high01, high23, 1, 3), width);
}

/** As transposeWords, of single bytes. Reads up to 7 bytes past a row. */
export function transposeBytes(src: usize, srcRow: i32, rows: i32, columns: i32, dst: usize, dstRow: i32): void {
  for (let column = 0; column < columns; column += 8) {
    const height = min(8, columns - column);
    let p = src + <usize>column;
    let q = dst + <usize>column * <usize>dstRow;
    for (let row = rows; row > 0; row -= 8) {
      transpose8(p, srcRow, min(8, row), q, dstRow, height);
      p += srcRow << 3;
      q += 8;
    }
  }
}

/** `width` (1…8) rows of 8 bytes to `height` (1…8) columns. */
function transpose8(src: usize, srcRow: i32, width: i32, dst: usize, dstRow: i32, height: i32): void {
  const last = src + <usize>(width - 1) * <usize>srcRow;
  const p1 = width > 1 ? src + srcRow : last;
  const p2 = width > 2 ? p1 + srcRow : last;
  const p3 = width > 3 ? p2 + srcRow : last;
  const p4 = width > 4 ? p3 + srcRow : last;
  const p5 = width > 5 ? p4 + srcRow : last;
  const p6 = width > 6 ? p5 + srcRow : last;
  const rows01 = interleaveBytes(v128.load64_zero(src), v128.load64_zero(p1));
  const rows23 = interleaveBytes(v128.load64_zero(p2), v128.load64_zero(p3));
  const rows45 = interleaveBytes(v128.load64_zero(p4), v128.load64_zero(p5));
  const rows67 = interleaveBytes(v128.load64_zero(p6), v128.load64_zero(last));
  const low0123 = v128.shuffle<i16>(rows01, rows23, 0, 8, 1, 9, 2, 10, 3, 11);
  const low4567 = v128.shuffle<i16>(rows45, rows67, 0, 8, 1, 9, 2, 10, 3, 11);
  dst = storeColumns(v128.shuffle<i32>(low0123, low4567, 0, 4, 1, 5), width, dst, dstRow, height);
  if (height <= 2) return;
  dst = storeColumns(v128.shuffle<i32>(low0123, low4567, 2, 6, 3, 7), width, dst, dstRow, height - 2);
  if (height <= 4) return;
  const high0123 = v128.shuffle<i16>(rows01, rows23, 4, 12, 5, 13, 6, 14, 7, 15);
  const high4567 = v128.shuffle<i16>(rows45, rows67, 4, 12, 5, 13, 6, 14, 7, 15);
  dst = storeColumns(v128.shuffle<i32>(high0123, high4567, 0, 4, 1, 5), width, dst, dstRow, height - 4);
  if (height <= 6) return;
  storeColumns(v128.shuffle<i32>(high0123, high4567, 2, 6, 3, 7), width, dst, dstRow, height - 6);
}

@inline
function interleaveBytes(a: v128, b: v128): v128 {
  return v128.shuffle<i8>(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
}

/** The first `width` bytes of both halves (of the first half where `height` is 1) to two columns. */
@inline
function storeColumns(pair: v128, width: i32, dst: usize, dstRow: i32, height: i32): usize {
  storeUpTo8(dst, pair, width);
  dst += dstRow;
  if (height > 1) storeUpTo8(dst, v128.shuffle<i64>(pair, pair, 1, 0), width);
  return dst + dstRow;
}
