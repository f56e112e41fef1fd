/**
 * The int8 GEMM on the pair dot (simd/dot.ts) of run-safe weights (format/packings.ts): as gemm-pairs-i8.ts, but the products of two steps are added up
 * in int16 before they are widened, which takes three multiplications where that takes four.
 *
 *   A panel   int8, masked [rows/4][K/4][4 rows][4 k]      B panel   int8 [K/4][8 outputs][4 k]      start   int32 [8], bias included
 */
import { ONES_16 } from "../constants.ts";
import { pairDotAdd, runDotAdd } from "../simd/dot.ts";
import { gemmPairsI8 } from "./gemm-pairs-i8.ts";
import { finishTile } from "./output-i8.ts";

/**
 * `rows` rows (the A panel is there for the next multiple of 4) by `channels` (1 to 8) outputs; `steps` = K/4. Output rows lie `pitchBytes`
 * apart.
 */
export function gemmRunsI8(rows: i32, steps: i32, a: usize, b: usize, start: usize, scale: usize, out: usize, pitchBytes: i32, channels: i32, block: usize): void {
  // One row that is left over takes a kernel of its own.
  const tiled = (rows & 3) == 1 ? rows - 1 : rows;
  if (tiled > 0) multiply(false, 0, tiled, steps, steps & 1, a, b, start, scale, out, pitchBytes, channels, block);
  if (rows > tiled)
    gemmPairsI8(1, steps, a + <usize>(tiled * steps << 2), b, start, scale, out + <usize>(tiled * pitchBytes), pitchBytes, channels, block);
}

/** gemmRunsI8 of a multiple of 4 rows and any number of steps, of which only the first `runs`, an even number, are run-safe two by two; the rest pair-safe. */
export function gemmSomeRunsI8(rows: i32, steps: i32, runs: i32, a: usize, b: usize, start: usize, scale: usize, out: usize, pitchBytes: i32, channels: i32, block: usize): void {
  multiply(false, 0, rows, steps, steps - runs, a, b, start, scale, out, pitchBytes, channels, block);
}

/** gemmRunsI8 with A in planes (planes-i8.ts): step i of the first tile is at `a` plus the i-th of `offsets` (uint32), that of each further tile 16 bytes on. */
export function gemmPlanesRunsI8(offsets: usize, rows: i32, steps: i32, a: usize, b: usize, start: usize, scale: usize, out: usize, pitchBytes: i32, channels: i32, block: usize): void {
  multiply(true, offsets, rows, steps, steps & 1, a, b, start, scale, out, pitchBytes, channels, block);
}

// @ts-ignore: decorator
@inline
function multiply(planes: bool, offsets: usize, rows: i32, steps: i32, alone: i32, a: usize, b: usize, start: usize, scale: usize, out: usize, pitchBytes: i32, channels: i32, block: usize): void {
  const ones = v128.load(ONES_16);
  while (rows > 0) {
    let c00 = v128.load(start);
    let c01 = v128.load(start, 16);
    let c10 = c00;
    let c11 = c01;
    let c20 = c00;
    let c21 = c01;
    let c30 = c00;
    let c31 = c01;
    let p = b;
    let offset = offsets;
    let k = steps;
    for (; k > alone; k -= 2) {
      const first = planes ? a + load<u32>(offset) : a;
      const second = planes ? a + load<u32>(offset, 4) : a + 16;
      const b0 = v128.load(p);
      const b1 = v128.load(p, 16);
      const b2 = v128.load(p, 32);
      const b3 = v128.load(p, 48);
      let x = v128.load32_splat(first);
      let y = v128.load32_splat(second);
      c00 = runDotAdd(c00, b0, x, b2, y, ones);
      c01 = runDotAdd(c01, b1, x, b3, y, ones);
      x = v128.load32_splat(first, 4);
      y = v128.load32_splat(second, 4);
      c10 = runDotAdd(c10, b0, x, b2, y, ones);
      c11 = runDotAdd(c11, b1, x, b3, y, ones);
      x = v128.load32_splat(first, 8);
      y = v128.load32_splat(second, 8);
      c20 = runDotAdd(c20, b0, x, b2, y, ones);
      c21 = runDotAdd(c21, b1, x, b3, y, ones);
      x = v128.load32_splat(first, 12);
      y = v128.load32_splat(second, 12);
      c30 = runDotAdd(c30, b0, x, b2, y, ones);
      c31 = runDotAdd(c31, b1, x, b3, y, ones);
      if (planes) offset += 8;
      else a += 32;
      p += 64;
    }
    for (; k > 0; k--) {
      const first = planes ? a + load<u32>(offset) : a;
      const b0 = v128.load(p);
      const b1 = v128.load(p, 16);
      let x = v128.load32_splat(first);
      c00 = pairDotAdd(c00, b0, x, ones);
      c01 = pairDotAdd(c01, b1, x, ones);
      x = v128.load32_splat(first, 4);
      c10 = pairDotAdd(c10, b0, x, ones);
      c11 = pairDotAdd(c11, b1, x, ones);
      x = v128.load32_splat(first, 8);
      c20 = pairDotAdd(c20, b0, x, ones);
      c21 = pairDotAdd(c21, b1, x, ones);
      x = v128.load32_splat(first, 12);
      c30 = pairDotAdd(c30, b0, x, ones);
      c31 = pairDotAdd(c31, b1, x, ones);
      if (planes) offset += 4;
      else a += 16;
      p += 32;
    }
    if (planes) a += 16;
    finishTile(block, rows, channels, scale, out, pitchBytes, c00, c01, c10, c11, c20, c21, c30, c31);
    out += 4 * pitchBytes;
    rows -= 4;
  }
}
