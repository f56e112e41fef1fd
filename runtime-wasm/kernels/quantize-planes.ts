/**
 * QUANTIZE, TRANSPOSED: planes of float32 to pixels of int8, in one pass over both.
 *
 * Some pixels of some planes are quantized into kernel scratch, as rows of int8, and these transposed from there. Three planes, an image
 * in colour, are interleaved in registers.
 */
import { transposeBytes } from "../simd/transpose.ts";
import { scratch } from "../constants.ts";
import { quantizeRun } from "./quantize.ts";

/** Rows of scratch: up to 8 planes of up to 48 pixels; 7 bytes behind the last are read. */
const ROWS: i32 = 8;
const ROW_BYTES: i32 = 48;

/** [planes][pixels] float32 at `src` to [pixels][planes] at `dst`, all under one scale. */
export function quantizePlanes(src: usize, planes: i32, pixels: i32, dst: usize, scale: usize, zero: usize, unsigned: bool): void {
  const rows = scratch();
  const planeBytes = pixels << 2;
  for (let x = 0; x < pixels; x += ROW_BYTES) {
    const columns = min(ROW_BYTES, pixels - x);
    const out = dst + <usize>(x * planes);
    for (let p = 0; p < planes; p += ROWS) {
      const count = min(ROWS, planes - p);
      let row = rows;
      let from = src + <usize>(p * planeBytes) + (<usize>x << 2);
      for (let i = 0; i < count; i++) {
        quantizeRun(from, row, columns, scale, zero, unsigned);
        from += planeBytes;
        row += ROW_BYTES;
      }
      if (planes == 3 && columns == ROW_BYTES) interleaveThree(rows, out);
      else transposeBytes(rows, ROW_BYTES, count, columns, out + p, planes);
    }
  }
}

/** ROW_BYTES pixels of three rows. */
function interleaveThree(rows: usize, dst: usize): void {
  for (let x: usize = 0; x < <usize>ROW_BYTES; x += 16) {
    const r = v128.load(rows + x);
    const g = v128.load(rows + x, ROW_BYTES);
    const b = v128.load(rows + x, 2 * ROW_BYTES);
    const rg0 = v128.shuffle<i8>(r, g, 0, 16, 0, 1, 17, 1, 2, 18, 2, 3, 19, 3, 4, 20, 4, 5);
    const rg1 = v128.shuffle<i8>(r, g, 21, 5, 6, 22, 6, 7, 23, 7, 8, 24, 8, 9, 25, 9, 10, 26);
    const rg2 = v128.shuffle<i8>(r, g, 10, 11, 27, 11, 12, 28, 12, 13, 29, 13, 14, 30, 14, 15, 31, 15);
    v128.store(dst, v128.shuffle<i8>(rg0, b, 0, 1, 16, 3, 4, 17, 6, 7, 18, 9, 10, 19, 12, 13, 20, 15));
    v128.store(dst, v128.shuffle<i8>(rg1, b, 0, 21, 2, 3, 22, 5, 6, 23, 8, 9, 24, 11, 12, 25, 14, 15), 16);
    v128.store(dst, v128.shuffle<i8>(rg2, b, 26, 1, 2, 27, 4, 5, 28, 7, 8, 29, 10, 11, 30, 13, 14, 31), 32);
    dst += 48;
  }
}
