/**
 * The int8 GEMM of sparse weights: rows of A times those columns of eight outputs that are not zero (GEMM_BLOCKS_1_I8 and GEMM_BLOCKS_2_I8,
 * format/packings.ts), requantized.
 *
 *   A panel   int16, or for the pair dot masked int8, in units of one column or two (panel-i8.ts, planes-i8.ts)
 *   quads     four columns of eight outputs each; `places` (uint32, one for each unit) tell where in the A panel they stand
 *
 * A tile is 4 rows by 8 outputs in eight accumulators. What stands apart in A is brought together by interleaving: as many loads as units, and
 * a dense tile's products. With the pair dot that is for the few rows that are left over where others go sixteen at a time (conv-blocks-i8.ts).
 */
import { DOT_IS_FUSED, ONES_16 } from "../constants.ts";
import { bytesLow, dotAdd, fusedDotAdd, HAS_PAIR_DOT, interleaveLow, pairDotAdd } from "../simd/dot.ts";
import { ACCUMULATORS, finishRows, finishTile } from "./output-i8.ts";

/**
 * `rows` rows by `channels` (1 to 8) outputs; `unit` is 1 or 2, `a` the first tile, each further one `tileBytes` on (there for the next multiple of 4
 * rows). `start`: int32 [8], bias included. Output rows lie `pitchBytes` apart.
 */
export function gemmBlocksI8(unit: i32, rows: i32, quads: i32, a: usize, tileBytes: i32, weights: usize, places: usize, start: usize, scale: usize, out: usize, pitchBytes: i32, channels: i32, block: usize): void {
  if (HAS_PAIR_DOT) {
    if (load<i32>(DOT_IS_FUSED)) {
      if (unit == 1) fusedSingles(rows, quads, a, tileBytes, weights, places, start, scale, out, pitchBytes, channels, block);
      else fusedPairs(rows, quads, a, tileBytes, weights, places, start, scale, out, pitchBytes, channels, block);
      return;
    }
  }
  if (unit == 1) singles(rows, quads, a, tileBytes, weights, places, start, scale, out, pitchBytes, channels, block);
  else pairs(rows, quads, a, tileBytes, weights, places, start, scale, out, pitchBytes, channels, block);
}

function singles(rows: i32, quads: i32, a: usize, tileBytes: i32, weights: usize, places: usize, start: usize, scale: usize, out: usize, pitchBytes: i32, channels: i32, block: usize): void {
  multiply(false, 1, rows, quads, a, tileBytes, weights, places, start, scale, out, pitchBytes, channels, block);
}

function pairs(rows: i32, quads: i32, a: usize, tileBytes: i32, weights: usize, places: usize, start: usize, scale: usize, out: usize, pitchBytes: i32, channels: i32, block: usize): void {
  multiply(false, 2, rows, quads, a, tileBytes, weights, places, start, scale, out, pitchBytes, channels, block);
}

function fusedSingles(rows: i32, quads: i32, a: usize, tileBytes: i32, weights: usize, places: usize, start: usize, scale: usize, out: usize, pitchBytes: i32, channels: i32, block: usize): void {
  multiply(true, 1, rows, quads, a, tileBytes, weights, places, start, scale, out, pitchBytes, channels, block);
}

function fusedPairs(rows: i32, quads: i32, a: usize, tileBytes: i32, weights: usize, places: usize, start: usize, scale: usize, out: usize, pitchBytes: i32, channels: i32, block: usize): void {
  multiply(true, 2, rows, quads, a, tileBytes, weights, places, start, scale, out, pitchBytes, channels, block);
}

/** Steps of a quad: one where a dot takes four columns, else two. */
// @ts-ignore: decorator
@inline
function stepsOf(quads: i32): i32 {
  return HAS_PAIR_DOT ? quads : quads << 1;
}

/** The columns of one step, of four rows: in lane r, row r's. */
// @ts-ignore: decorator
@inline
function gather(unit: i32, a: usize, places: usize): v128 {
  if (HAS_PAIR_DOT) {
    if (unit == 2) return interleaveLow(v128.load64_zero(a + load<u32>(places)), v128.load64_zero(a + load<u32>(places, 4)));
    const k01 = bytesLow(v128.load32_zero(a + load<u32>(places)), v128.load32_zero(a + load<u32>(places, 4)));
    const k23 = bytesLow(v128.load32_zero(a + load<u32>(places, 8)), v128.load32_zero(a + load<u32>(places, 12)));
    return interleaveLow(k01, k23);
  }
  if (unit == 2) return v128.load(a + load<u32>(places));
  return interleaveLow(v128.load64_zero(a + load<u32>(places)), v128.load64_zero(a + load<u32>(places, 4)));
}

/** Weights of one step: outputs 0–3 at `weights`, 4–7 at `weights` + STEP_BYTES / 2. */
// @ts-ignore: decorator
@inline
function widened(weights: usize): v128 {
  return HAS_PAIR_DOT ? v128.load(weights) : v128.load_ext<i8>(weights);
}

const STEP_BYTES: usize = HAS_PAIR_DOT ? 32 : 16;

// @ts-ignore: decorator
@inline
function dot(fused: bool, accumulator: v128, w: v128, x: v128, ones: v128): v128 {
  if (HAS_PAIR_DOT) return fused ? fusedDotAdd(accumulator, w, x) : pairDotAdd(accumulator, w, x, ones);
  return dotAdd(accumulator, x, w);
}

// @ts-ignore: decorator
@inline
function multiply(fused: bool, unit: i32, rows: i32, quads: i32, a: usize, tileBytes: i32, weights: usize, places: usize, start: usize, scale: usize, out: usize, pitchBytes: i32, channels: i32, block: usize): void {
  const ones = v128.load(ONES_16);
  const placesBytes: usize = (HAS_PAIR_DOT ? 16 : 8) / unit;
  while (rows > 0) {
    let c00 = v128.load(start);
    let c01 = v128.load(start, 16);
    let c10 = c00;
    let c11 = c01;
    let c20 = c00;
    let c21 = c01;
    let c30 = c00;
    let c31 = c01;
    let p = weights;
    let place = places;
    for (let k = stepsOf(quads); k > 0; k--) {
      const b0 = widened(p);
      const b1 = widened(p + STEP_BYTES / 2);
      const x = gather(unit, a, place);
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
      p += STEP_BYTES;
      place += placesBytes;
    }
    finishTile(block, rows, channels, scale, out, pitchBytes, c00, c01, c10, c11, c20, c21, c30, c31);
    a += tileBytes;
    out += 4 * pitchBytes;
    rows -= 4;
  }
}

/** One row, which stands four times in the A panel's tile at `a`, by `channels` (1 to 8) outputs. */
export function gemvBlocksI8(unit: i32, quads: i32, a: usize, weights: usize, places: usize, start: usize, scale: usize, out: usize, channels: i32, block: usize): void {
  if (HAS_PAIR_DOT) {
    if (load<i32>(DOT_IS_FUSED)) {
      if (unit == 1) multiplyRow(true, 1, quads, a, weights, places, start, scale, out, channels, block);
      else multiplyRow(true, 2, quads, a, weights, places, start, scale, out, channels, block);
      return;
    }
  }
  if (unit == 1) multiplyRow(false, 1, quads, a, weights, places, start, scale, out, channels, block);
  else multiplyRow(false, 2, quads, a, weights, places, start, scale, out, channels, block);
}

// @ts-ignore: decorator
@inline
function multiplyRow(fused: bool, unit: i32, quads: i32, a: usize, weights: usize, places: usize, start: usize, scale: usize, out: usize, channels: i32, block: usize): void {
  const ones = v128.load(ONES_16);
  const placesBytes: usize = (HAS_PAIR_DOT ? 16 : 8) / unit;
  let c0 = v128.load(start);
  let c1 = v128.load(start, 16);
  for (let k = stepsOf(quads); k > 0; k--) {
    const x = gather(unit, a, places);
    c0 = dot(fused, c0, widened(weights), x, ones);
    c1 = dot(fused, c1, widened(weights + STEP_BYTES / 2), x, ones);
    weights += STEP_BYTES;
    places += placesBytes;
  }
  v128.store(block, c0, ACCUMULATORS);
  v128.store(block, c1, ACCUMULATORS + 16);
  finishRows(block, 1, channels, scale, out, 0);
}
