/**
 * MATMUL_I8 (format/steps/matmul-i8.ts): packs B at run time, less its zero point, into int16 panels; then the GEMM of CONV_I8.
 *
 *   Σ (a − A_ZERO)·(b − B_ZERO) = −A_ZERO·Σ (b − B_ZERO) + Σ a·(b − B_ZERO): the first sum is the column's bias
 *
 *   scratch: output block | SCALE in eight lanes | biases of ⌈N/8⌉·8 | B [⌈N/8⌉][K/2][8][2] int16 | A panel
 */
import { FLOAT32 } from "../../format/dtypes.ts";
import { gemmDepth } from "../../format/packings.ts";
import * as Matmul from "../../format/steps/matmul-i8.ts";
import { ONES_16 } from "../constants.ts";
import { dotAdd, interleaveHigh, interleaveLow } from "../simd/dot.ts";
import { address, floatWord, word } from "../words.ts";
import { gemmI8 } from "./gemm-i8.ts";
import { OUTPUT_BYTES, prepareOutput } from "./output-i8.ts";
import { PAIRS, packRows } from "./panel-i8.ts";

const SCALES_BYTES: usize = 32;

/** Runs one MATMUL_I8 step. */
export function matmulI8(step: usize, data: usize): void {
  const block = address(step, Matmul.SCRATCH, data);
  prepareOutput(block, word(step, Matmul.OUT_DTYPE), word(step, Matmul.BOUNDED), word(step, Matmul.OUT_ZERO), word(step, Matmul.MIN), word(step, Matmul.MAX));
  const scales = block + OUTPUT_BYTES;
  v128.store(scales, f32x4.splat(floatWord(step, Matmul.SCALE)));
  v128.store(scales, f32x4.splat(floatWord(step, Matmul.SCALE)), 16);
  const a = address(step, Matmul.A, data);
  const b = address(step, Matmul.B, data);
  const inner = word(step, Matmul.BATCH_INNER);
  const outBytes = word(step, Matmul.M) * word(step, Matmul.N) * (word(step, Matmul.OUT_DTYPE) == FLOAT32 ? 4 : 1);
  let dst = address(step, Matmul.DST, data);
  let packed: usize = 0;
  const outer = word(step, Matmul.BATCH_OUTER);
  for (let i = 0; i < outer; i++) {
    for (let j = 0; j < inner; j++) {
      const matrix = b + <usize>(i * word(step, Matmul.B_OUTER) + j * word(step, Matmul.B_INNER));
      if (matrix != packed) packMatrix(step, matrix, block);
      packed = matrix;
      multiplyRows(step, a + <usize>(i * word(step, Matmul.A_OUTER) + j * word(step, Matmul.A_INNER)), dst, block);
      dst += outBytes;
    }
  }
}

function multiplyRows(step: usize, a: usize, dst: usize, block: usize): void {
  const m = word(step, Matmul.M);
  const n = word(step, Matmul.N);
  const k = word(step, Matmul.K);
  const depth = gemmDepth(1, k);
  const outputs = (n + 7) & ~7;
  const rowBlock = Matmul.rowBlock(m, k);
  const outBytes = word(step, Matmul.OUT_DTYPE) == FLOAT32 ? 4 : 1;
  const pitchBytes = n * outBytes;
  const scales = block + OUTPUT_BYTES;
  const biases = scales + SCALES_BYTES;
  const panels = biases + outputs * 4;
  const panel = panels + outputs * depth * 2;
  for (let row = 0; row < m; row += rowBlock) {
    const rows = min(rowBlock, m - row);
    packRows<i16>(PAIRS, a + <usize>(row * k), k, rows, k, depth, panel);
    for (let column = 0; column < n; column += 8) {
      gemmI8<i16>(
        rows,
        depth >> 1,
        panel,
        panels + <usize>(column * depth * 2),
        biases + <usize>(column << 2),
        scales,
        dst + <usize>(row * pitchBytes + column * outBytes),
        pitchBytes,
        min(8, n - column),
        block,
      );
    }
  }
}

/** Packs one matrix B, and its biases. */
function packMatrix(step: usize, b: usize, block: usize): void {
  const n = word(step, Matmul.N);
  const k = word(step, Matmul.K);
  const depth = gemmDepth(1, k);
  const outputs = (n + 7) & ~7;
  const transposed = word(step, Matmul.B_TRANSPOSED) == 1;
  const zero = i16x8.splat(<i16>word(step, Matmul.B_ZERO));
  const factor = i32x4.splat(-word(step, Matmul.A_ZERO));
  const ones = v128.load(ONES_16);
  let bias = block + OUTPUT_BYTES + SCALES_BYTES;
  let panel = bias + outputs * 4;
  for (let column = 0; column < n; column += 8) {
    if (transposed) {
      const rows = min(8, n - column);
      packColumnRows(b, k, rows, k, zero, panel);
      packColumnRows(b + <usize>(min(4, rows - 1) * k), k, rows - 4, k, zero, panel + 16);
      b += k << 3;
    } else {
      packColumns(b, n, k, depth, zero, panel);
      b += 8;
    }
    let sum0 = i64x2.splat(0);
    let sum1 = sum0;
    const end = panel + <usize>(depth << 4);
    for (let p = panel; p < end; p += 32) {
      sum0 = dotAdd(sum0, v128.load(p), ones);
      sum1 = dotAdd(sum1, v128.load(p, 16), ones);
    }
    v128.store(bias, i32x4.mul(sum0, factor));
    v128.store(bias, i32x4.mul(sum1, factor), 16);
    bias += 32;
    panel = end;
  }
}

/** Eight columns of B [K][N], `pitch` bytes from row to row. */
function packColumns(b: usize, pitch: i32, k: i32, depth: i32, zero: v128, panel: usize): void {
  const end = panel + <usize>(depth << 4);
  while (k > 0) {
    const even = i16x8.sub(v128.load_ext<i8>(b), zero);
    const odd = k > 1 ? i16x8.sub(v128.load_ext<i8>(b + pitch), zero) : i64x2.splat(0);
    v128.store(panel, interleaveLow(even, odd));
    v128.store(panel, interleaveHigh(even, odd), 16);
    b += pitch << 1;
    panel += 32;
    k -= 2;
  }
  if (panel < end) memory.fill(panel, 0, end - panel);
}

/**
 * Four columns of B, given as the rows of [N][K] (a missing one repeats the one before), to the low half of each step of a panel. Zeros
 * follow up to the next multiple of 8 values.
 */
function packColumnRows(row0: usize, pitch: i32, rows: i32, k: i32, zero: v128, panel: usize): void {
  let row1 = rows > 1 ? row0 + pitch : row0;
  let row2 = rows > 2 ? row1 + pitch : row1;
  let row3 = rows > 3 ? row2 + pitch : row2;
  while (k > 0) {
    const mask = i16x8.lt_s(v128(0, 0, 1, 0, 2, 0, 3, 0, 4, 0, 5, 0, 6, 0, 7, 0), i16x8.splat(<i16>min(k, 8)));
    const r0 = v128.and(i16x8.sub(v128.load_ext<i8>(row0), zero), mask);
    const r1 = v128.and(i16x8.sub(v128.load_ext<i8>(row1), zero), mask);
    const r2 = v128.and(i16x8.sub(v128.load_ext<i8>(row2), zero), mask);
    const r3 = v128.and(i16x8.sub(v128.load_ext<i8>(row3), zero), mask);
    const r01 = v128.shuffle<i32>(r0, r1, 0, 4, 1, 5);
    const r23 = v128.shuffle<i32>(r2, r3, 0, 4, 1, 5);
    const q01 = v128.shuffle<i32>(r0, r1, 2, 6, 3, 7);
    const q23 = v128.shuffle<i32>(r2, r3, 2, 6, 3, 7);
    v128.store(panel, v128.shuffle<i64>(r01, r23, 0, 2));
    v128.store(panel, v128.shuffle<i64>(r01, r23, 1, 3), 32);
    v128.store(panel, v128.shuffle<i64>(q01, q23, 0, 2), 64);
    v128.store(panel, v128.shuffle<i64>(q01, q23, 1, 3), 96);
    row0 += 8;
    row1 += 8;
    row2 += 8;
    row3 += 8;
    panel += 128;
    k -= 8;
  }
}
