/**
 * The int8 GEMM on the pair dot (simd/dot.ts): rows of A times one panel of eight outputs of pair-safe weights, requantized.
 *
 *   A panel   int8, masked [rows/4][K/4][4 rows][4 k]      B panel   int8 [K/4][8 outputs][4 k]      start   int32 [8], bias included
 *
 * A tile is 4 rows by 8 outputs in eight accumulators; one row that is left over is multiplied by itself. Each function comes twice: with the dot of
 * two steps, and with the fused one.
 */
import { ONES_16 } from "../constants.ts";
import { fusedDotAdd, pairDotAdd } from "../simd/dot.ts";
import { ACCUMULATORS, finishRows, finishTile } from "./output-i8.ts";

/**
 * `rows` rows (the A panel is there for the next multiple of 4) by `channels` (1 to 8) outputs; `quads` = K/4. Output rows lie
 * `pitchBytes` apart.
 */
export function gemmPairsI8(rows: i32, quads: i32, a: usize, b: usize, start: usize, scale: usize, out: usize, pitchBytes: i32, channels: i32, block: usize): void {
  multiply(false, false, 0, rows, quads, a, b, start, scale, out, pitchBytes, channels, block);
}

/** gemmPairsI8 with the fused dot. */
export function gemmFusedPairsI8(rows: i32, quads: i32, a: usize, b: usize, start: usize, scale: usize, out: usize, pitchBytes: i32, channels: i32, block: usize): void {
  multiply(true, false, 0, rows, quads, a, b, start, scale, out, pitchBytes, channels, block);
}

/** gemmPairsI8 with A in planes (planes-i8.ts): step i of the first tile is at `a` plus the i-th of `offsets` (uint32), that of each further tile 16 bytes on. */
export function gemmPlanesPairsI8(offsets: usize, rows: i32, quads: i32, a: usize, b: usize, start: usize, scale: usize, out: usize, pitchBytes: i32, channels: i32, block: usize): void {
  multiply(false, true, offsets, rows, quads, a, b, start, scale, out, pitchBytes, channels, block);
}

/** gemmPlanesPairsI8 with the fused dot. */
export function gemmPlanesFusedPairsI8(offsets: usize, rows: i32, quads: i32, a: usize, b: usize, start: usize, scale: usize, out: usize, pitchBytes: i32, channels: i32, block: usize): void {
  multiply(true, true, offsets, rows, quads, a, b, start, scale, out, pitchBytes, channels, block);
}

// @ts-ignore: decorator
@inline
function dot(fused: bool, accumulator: v128, w: v128, x: v128, ones: v128): v128 {
  return fused ? fusedDotAdd(accumulator, w, x) : pairDotAdd(accumulator, w, x, ones);
}

// @ts-ignore: decorator
@inline
function multiply(fused: bool, planes: bool, offsets: usize, rows: i32, quads: i32, a: usize, b: usize, start: usize, scale: usize, out: usize, pitchBytes: i32, channels: i32, block: usize): void {
  const ones = v128.load(ONES_16);
  while (planes ? rows > 0 : rows > 1) {
    let c00 = v128.load(start);
    let c01 = v128.load(start, 16);
    let c10 = c00;
    let c11 = c01;
    let c20 = c00;
    let c21 = c01;
    let c30 = c00;
    let c31 = c01;
    let k = quads;
    let p = b;
    let offset = offsets;
    do {
      const b0 = v128.load(p);
      const b1 = v128.load(p, 16);
      const x = v128.load(planes ? a + load<u32>(offset) : a);
      let row = v128.shuffle<i32>(x, x, 0, 0, 0, 0);
      c00 = dot(fused, c00, b0, row, ones);
      c01 = dot(fused, c01, b1, row, ones);
      row = v128.shuffle<i32>(x, x, 1, 1, 1, 1);
      c10 = dot(fused, c10, b0, row, ones);
      c11 = dot(fused, c11, b1, row, ones);
      row = v128.shuffle<i32>(x, x, 2, 2, 2, 2);
      c20 = dot(fused, c20, b0, row, ones);
      c21 = dot(fused, c21, b1, row, ones);
      row = v128.shuffle<i32>(x, x, 3, 3, 3, 3);
      c30 = dot(fused, c30, b0, row, ones);
      c31 = dot(fused, c31, b1, row, ones);
      if (planes) offset += 4;
      else a += 16;
      p += 32;
    } while (--k);
    if (planes) a += 16;
    finishTile(block, rows, channels, scale, out, pitchBytes, c00, c01, c10, c11, c20, c21, c30, c31);
    out += 4 * pitchBytes;
    rows -= 4;
  }
  if (!planes && rows == 1) {
    if (fused) multiplyRowFused(quads, a, b, start, scale, out, channels, block);
    else multiplyRowPairs(quads, a, b, start, scale, out, channels, block);
  }
}

/** One row, the first of an A panel, by `channels` (1 to 8) outputs. */
function multiplyRowPairs(quads: i32, a: usize, b: usize, start: usize, scale: usize, out: usize, channels: i32, block: usize): void {
  multiplyRow(false, quads, a, b, start, scale, out, channels, block);
}

/** multiplyRowPairs with the fused dot. */
function multiplyRowFused(quads: i32, a: usize, b: usize, start: usize, scale: usize, out: usize, channels: i32, block: usize): void {
  multiplyRow(true, quads, a, b, start, scale, out, channels, block);
}

// @ts-ignore: decorator
@inline
function multiplyRow(fused: bool, quads: i32, a: usize, b: usize, start: usize, scale: usize, out: usize, channels: i32, block: usize): void {
  const ones = v128.load(ONES_16);
  let c0 = v128.load(start);
  let c1 = v128.load(start, 16);
  do {
    const x = v128.load32_splat(a);
    c0 = dot(fused, c0, v128.load(b), x, ones);
    c1 = dot(fused, c1, v128.load(b, 16), x, ones);
    a += 16;
    b += 32;
  } while (--quads);
  v128.store(block, c0, ACCUMULATORS);
  v128.store(block, c1, ACCUMULATORS + 16);
  finishRows(block, 1, channels, scale, out, 0);
}
