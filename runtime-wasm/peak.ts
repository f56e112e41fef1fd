/**
 * What this machine's instructions can do at most: the inner loops of the dense kernels, loads included, on operands that stay in the
 * first cache, and nothing else. Modules of their own, one for each build of the runtime, which only `eqm bench` carries.
 *
 * The caller fills the memory with ordinary numbers; every function writes its results behind its operands.
 */

import { dotAdd as wideDotAdd, HAS_PAIR_DOT, pairDotAdd, runDotAdd } from "./simd/dot.ts";
import { Exact, Fused, HAS_FUSED, multiplyAdd } from "./simd/multiply-add.ts";

/** Depth of the products: int8 values, int16 values, float32 values. */
const DEPTH_I8 = 1024;
const DEPTH_I16 = 512;
const DEPTH_F32 = 256;

const A: usize = 0;
const B: usize = 8192;
const RESULT: usize = 32768;
const ONES: usize = RESULT + 256;

/** `tiles` tiles of 4 rows × 8 outputs of `i32x4.dot_i16x8_s` and an addition. Returns the multiply-accumulates of one tile. */
export function dotI16(tiles: i32): i32 {
  for (let tile = 0; tile < tiles; tile++) dotTile<Int16>(A, B, RESULT);
  return 4 * 8 * DEPTH_I16;
}

/** `tiles` tiles of 4 rows × 8 outputs of the pair dot (simd/dot.ts); 0 in a build without it. Returns the multiply-accumulates of one tile. */
export function dotPairs(tiles: i32): i32 {
  if (!HAS_PAIR_DOT) return 0;
  v128.store(ONES, i16x8.splat(1));
  for (let tile = 0; tile < tiles; tile++) dotTile<Int8Pairs>(A, B, RESULT);
  return 4 * 8 * DEPTH_I8;
}

/** As dotPairs, the products of two steps added up in int16 (kernels/gemm-runs-i8.ts). */
export function dotRuns(tiles: i32): i32 {
  if (!HAS_PAIR_DOT) return 0;
  v128.store(ONES, i16x8.splat(1));
  for (let tile = 0; tile < tiles; tile++) dotRunsTile(A, B, RESULT);
  return 4 * 8 * DEPTH_I8;
}

/** `tiles` tiles of 6 rows × 8 outputs of `f32x4.mul` and `f32x4.add`. Returns the multiply-accumulates of one tile. */
export function mulAddF32(tiles: i32): i32 {
  for (let tile = 0; tile < tiles; tile++) mulAddF32Tile<Exact>(A, B, RESULT);
  return 6 * 8 * DEPTH_F32;
}

/** As mulAddF32, of the fused multiply-add (simd/multiply-add.ts); 0 in a build without it. */
export function fusedF32(tiles: i32): i32 {
  if (!HAS_FUSED) return 0;
  for (let tile = 0; tile < tiles; tile++) mulAddF32Tile<Fused>(A, B, RESULT);
  return 6 * 8 * DEPTH_F32;
}

/** Type arguments that stand for what a tile is made of: A as [DEPTH/2][4 rows][2], B as [DEPTH/2][8 outputs][2], both int16. */
type Int16 = i16;
/** A as [DEPTH/4][4 rows][4], B as [DEPTH/4][8 outputs][4], both int8. */
type Int8Pairs = i8;

// @ts-ignore: decorator
@inline
function dotAdd<T>(sum: v128, b: v128, x: v128, ones: v128): v128 {
  if (sizeof<T>() == 2) return i32x4.add(sum, i32x4.dot_i16x8_s(x, b));
  return pairDotAdd(sum, b, x, ones);
}

function dotTile<T>(a: usize, b: usize, dst: usize): void {
  // A literal would be made anew at every use.
  const ones = v128.load(ONES);
  let c0 = i32x4.splat(0);
  let c1 = c0;
  let c2 = c0;
  let c3 = c0;
  let c4 = c0;
  let c5 = c0;
  let c6 = c0;
  let c7 = c0;
  for (let k = sizeof<T>() == 2 ? DEPTH_I16 >> 1 : DEPTH_I8 >> 2; k > 0; k--) {
    const b0 = v128.load(b);
    const b1 = v128.load(b, 16);
    const rows = v128.load(a);
    let x = v128.shuffle<i32>(rows, rows, 0, 0, 0, 0);
    c0 = dotAdd<T>(c0, b0, x, ones);
    c1 = dotAdd<T>(c1, b1, x, ones);
    x = v128.shuffle<i32>(rows, rows, 1, 1, 1, 1);
    c2 = dotAdd<T>(c2, b0, x, ones);
    c3 = dotAdd<T>(c3, b1, x, ones);
    x = v128.shuffle<i32>(rows, rows, 2, 2, 2, 2);
    c4 = dotAdd<T>(c4, b0, x, ones);
    c5 = dotAdd<T>(c5, b1, x, ones);
    x = v128.shuffle<i32>(rows, rows, 3, 3, 3, 3);
    c6 = dotAdd<T>(c6, b0, x, ones);
    c7 = dotAdd<T>(c7, b1, x, ones);
    a += 16;
    b += 32;
  }
  storeTile(dst, c0, c1, c2, c3, c4, c5, c6, c7);
}

function storeTile(dst: usize, c0: v128, c1: v128, c2: v128, c3: v128, c4: v128, c5: v128, c6: v128, c7: v128): void {
  v128.store(dst, c0);
  v128.store(dst, c1, 16);
  v128.store(dst, c2, 32);
  v128.store(dst, c3, 48);
  v128.store(dst, c4, 64);
  v128.store(dst, c5, 80);
  v128.store(dst, c6, 96);
  v128.store(dst, c7, 112);
}

/** A as [DEPTH/8][2][4 rows][4], B as [DEPTH/8][2][8 outputs][4], both int8. */
function dotRunsTile(a: usize, b: usize, dst: usize): void {
  const ones = v128.load(ONES);
  let c0 = i32x4.splat(0);
  let c1 = c0;
  let c2 = c0;
  let c3 = c0;
  let c4 = c0;
  let c5 = c0;
  let c6 = c0;
  let c7 = c0;
  for (let k = DEPTH_I8 >> 3; k > 0; k--) {
    const b0 = v128.load(b);
    const b1 = v128.load(b, 16);
    const b2 = v128.load(b, 32);
    const b3 = v128.load(b, 48);
    let x = v128.load32_splat(a);
    let y = v128.load32_splat(a, 16);
    c0 = runDotAdd(c0, b0, x, b2, y, ones);
    c1 = runDotAdd(c1, b1, x, b3, y, ones);
    x = v128.load32_splat(a, 4);
    y = v128.load32_splat(a, 20);
    c2 = runDotAdd(c2, b0, x, b2, y, ones);
    c3 = runDotAdd(c3, b1, x, b3, y, ones);
    x = v128.load32_splat(a, 8);
    y = v128.load32_splat(a, 24);
    c4 = runDotAdd(c4, b0, x, b2, y, ones);
    c5 = runDotAdd(c5, b1, x, b3, y, ones);
    x = v128.load32_splat(a, 12);
    y = v128.load32_splat(a, 28);
    c6 = runDotAdd(c6, b0, x, b2, y, ones);
    c7 = runDotAdd(c7, b1, x, b3, y, ones);
    a += 32;
    b += 64;
  }
  storeTile(dst, c0, c1, c2, c3, c4, c5, c6, c7);
}

/** A as [DEPTH][6 rows], B as [DEPTH][8 outputs], both float32. */
function mulAddF32Tile<M>(a: usize, b: usize, dst: usize): void {
  let c00 = f32x4.splat(0);
  let c01 = c00;
  let c10 = c00;
  let c11 = c00;
  let c20 = c00;
  let c21 = c00;
  let c30 = c00;
  let c31 = c00;
  let c40 = c00;
  let c41 = c00;
  let c50 = c00;
  let c51 = c00;
  for (let k = DEPTH_F32; k > 0; k--) {
    const b0 = v128.load(b);
    const b1 = v128.load(b, 16);
    let x = v128.load32_splat(a);
    c00 = multiplyAdd<M>(c00, x, b0);
    c01 = multiplyAdd<M>(c01, x, b1);
    x = v128.load32_splat(a, 4);
    c10 = multiplyAdd<M>(c10, x, b0);
    c11 = multiplyAdd<M>(c11, x, b1);
    x = v128.load32_splat(a, 8);
    c20 = multiplyAdd<M>(c20, x, b0);
    c21 = multiplyAdd<M>(c21, x, b1);
    x = v128.load32_splat(a, 12);
    c30 = multiplyAdd<M>(c30, x, b0);
    c31 = multiplyAdd<M>(c31, x, b1);
    x = v128.load32_splat(a, 16);
    c40 = multiplyAdd<M>(c40, x, b0);
    c41 = multiplyAdd<M>(c41, x, b1);
    x = v128.load32_splat(a, 20);
    c50 = multiplyAdd<M>(c50, x, b0);
    c51 = multiplyAdd<M>(c51, x, b1);
    a += 24;
    b += 32;
  }
  v128.store(dst, c00);
  v128.store(dst, c01, 16);
  v128.store(dst, c10, 32);
  v128.store(dst, c11, 48);
  v128.store(dst, c20, 64);
  v128.store(dst, c21, 80);
  v128.store(dst, c30, 96);
  v128.store(dst, c31, 112);
  v128.store(dst, c40, 128);
  v128.store(dst, c41, 144);
  v128.store(dst, c50, 160);
  v128.store(dst, c51, 176);
}
