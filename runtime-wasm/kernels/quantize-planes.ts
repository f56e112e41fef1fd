/**
 * QUANTIZE, TRANSPOSED: planes of float32 to pixels of int8, in one pass over both.
 *
 * Some pixels of some planes are quantized into kernel scratch, as rows of int8, and these transposed from there. Three planes, an image
 * in colour, are interleaved in registers.
 */
import { transposeBytes } from "../simd/transpose.ts";
import { scratch } from "../constants.ts";
import { quantizeRun } from "./quantize.ts";

/** Rows of scratch: up to 8 planes of up to 48 pixels, or 3 of 160; 7 bytes behind the last are read. */
const ROWS: i32 = 8;
const ROW_BYTES: i32 = 48;
const ROW_BYTES_OF_THREE: i32 = 160;

/** [planes][pixels] float32 at `src` to [pixels][planes] at `dst`, all under one scale. */
export function quantizePlanes(src: usize, planes: i32, pixels: i32, dst: usize, scale: usize, zero: usize, unsigned: bool): void {
  const rows = scratch();
  const planeBytes = pixels << 2;
  const rowBytes = planes == 3 ? ROW_BYTES_OF_THREE : ROW_BYTES;
  for (let x = 0; x < pixels; x += rowBytes) {
    const columns = min(rowBytes, pixels - x);
    const out = dst + <usize>(x * planes);
    for (let p = 0; p < planes; p += ROWS) {
      const count = min(ROWS, planes - p);
      let row = rows;
      let from = src + <usize>(p * planeBytes) + (<usize>x << 2);
      for (let i = 0; i < count; i++) {
        quantizeRun(from, row, columns, scale, zero, unsigned);
        from += planeBytes;
        row += rowBytes;
      }
      // Two pixels are left to write over what a vector writes behind the last of its own.
      const done = planes == 3 ? max(columns - 2, 0) & ~15 : 0;
      if (done > 0) interleaveThree(rows, done, out);
      transposeBytes(rows + done, rowBytes, count, columns - done, out + p + <usize>(done * planes), planes);
    }
  }
}

/** `pixels` (a multiple of 16) of three rows, and 4 bytes behind them. */
function interleaveThree(rows: usize, pixels: i32, dst: usize): void {
  const end = rows + pixels;
  for (; rows < end; rows += 16) {
    const r = v128.load(rows);
    const g = v128.load(rows, ROW_BYTES_OF_THREE);
    const b = v128.load(rows, 2 * ROW_BYTES_OF_THREE);
    const rg0 = v128.shuffle<i8>(r, g, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
    const rg1 = v128.shuffle<i8>(r, g, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
    const bb0 = v128.shuffle<i8>(b, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
    const bb1 = v128.shuffle<i8>(b, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
    storeFourPixels(dst, v128.shuffle<i16>(rg0, bb0, 0, 8, 1, 9, 2, 10, 3, 11));
    storeFourPixels(dst + 12, v128.shuffle<i16>(rg0, bb0, 4, 12, 5, 13, 6, 14, 7, 15));
    storeFourPixels(dst + 24, v128.shuffle<i16>(rg1, bb1, 0, 8, 1, 9, 2, 10, 3, 11));
    storeFourPixels(dst + 36, v128.shuffle<i16>(rg1, bb1, 4, 12, 5, 13, 6, 14, 7, 15));
    dst += 48;
  }
}

/** The first three bytes of each four, and 4 bytes behind them. */
// @ts-ignore: decorator
@inline
function storeFourPixels(dst: usize, pixels: v128): void {
  v128.store(dst, v128.shuffle<i8>(pixels, pixels, 0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, 0, 0, 0, 0));
}
