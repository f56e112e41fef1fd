/**
 * Products of packed float32 panels: 6 rows × 8 outputs in twelve accumulators.
 *
 *   rows      panels of [depth][6], one after the other      weights   GEMM_F32: stripes of [depth][8]
 *   y[row][output] = clamp(Σ a·w + bias[output], limits)      the sum in ascending order, one multiply and one add each, from 0
 *
 * The multiply-add may be fused (multiply-add.ts). An output's bits do not depend on the tile it falls in. `setLimits` must have run.
 */
import { scratch } from "../constants.ts";
import { limits } from "./limits.ts";
import { Exact, Fused, HAS_FUSED, isFused, multiplyAdd } from "./multiply-add.ts";
import { clampFloat } from "./requantize.ts";

/** In scratch(): a tile that does not fit its destination: 6 rows of 8 values. */
const TILE: usize = 32;
const TILE_PITCH: usize = 32;

/** `rows` packed rows times `outputs` outputs, to `dst` with `pitch` bytes between rows. */
export function multiplyPanels(panels: usize, rows: i32, depth: i32, weights: usize, outputs: i32, bias: usize, dst: usize, pitch: usize): void {
  const panelBytes = <usize>depth * 24;
  const stripeBytes = <usize>depth << 5;
  for (let output = 0; output < outputs; output += 8) {
    const width = min(8, outputs - output);
    let panel = panels;
    let out = dst;
    for (let row = 0; row < rows; row += 6) {
      const height = min(6, rows - row);
      if (width == 8 && height == 6) {
        multiplyTile(depth, panel, weights, bias, out, pitch);
      } else {
        if (width > 4) multiplyTile(depth, panel, weights, bias, scratch() + TILE, TILE_PITCH);
        else multiplyNarrowTile(depth, panel, weights, bias);
        copyTile(out, pitch, height, width);
      }
      panel += panelBytes;
      out += pitch * 6;
    }
    weights += stripeBytes;
    bias += 32;
    dst += 32;
  }
}

function multiplyTile(depth: i32, a: usize, b: usize, bias: usize, dst: usize, pitch: usize): void {
  if (HAS_FUSED && isFused()) multiplyTileBy<Fused>(depth, a, b, bias, dst, pitch);
  else multiplyTileBy<Exact>(depth, a, b, bias, dst, pitch);
}

function multiplyTileBy<M>(depth: i32, a: usize, b: usize, bias: usize, dst: usize, pitch: usize): void {
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
  for (let k = depth; k > 0; k--) {
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
  const bias0 = v128.load(bias);
  const bias1 = v128.load(bias, 16);
  const low = v128.load(limits());
  const high = v128.load(limits(), 16);
  v128.store(dst, clampFloat(f32x4.add(c00, bias0), low, high));
  v128.store(dst, clampFloat(f32x4.add(c01, bias1), low, high), 16);
  dst += pitch;
  v128.store(dst, clampFloat(f32x4.add(c10, bias0), low, high));
  v128.store(dst, clampFloat(f32x4.add(c11, bias1), low, high), 16);
  dst += pitch;
  v128.store(dst, clampFloat(f32x4.add(c20, bias0), low, high));
  v128.store(dst, clampFloat(f32x4.add(c21, bias1), low, high), 16);
  dst += pitch;
  v128.store(dst, clampFloat(f32x4.add(c30, bias0), low, high));
  v128.store(dst, clampFloat(f32x4.add(c31, bias1), low, high), 16);
  dst += pitch;
  v128.store(dst, clampFloat(f32x4.add(c40, bias0), low, high));
  v128.store(dst, clampFloat(f32x4.add(c41, bias1), low, high), 16);
  dst += pitch;
  v128.store(dst, clampFloat(f32x4.add(c50, bias0), low, high));
  v128.store(dst, clampFloat(f32x4.add(c51, bias1), low, high), 16);
}

/** The first four outputs of a stripe, to TILE. */
function multiplyNarrowTile(depth: i32, a: usize, b: usize, bias: usize): void {
  if (HAS_FUSED && isFused()) multiplyNarrowTileBy<Fused>(depth, a, b, bias);
  else multiplyNarrowTileBy<Exact>(depth, a, b, bias);
}

function multiplyNarrowTileBy<M>(depth: i32, a: usize, b: usize, bias: usize): void {
  let c0 = f32x4.splat(0);
  let c1 = c0;
  let c2 = c0;
  let c3 = c0;
  let c4 = c0;
  let c5 = c0;
  for (let k = depth; k > 0; k--) {
    const b0 = v128.load(b);
    c0 = multiplyAdd<M>(c0, v128.load32_splat(a), b0);
    c1 = multiplyAdd<M>(c1, v128.load32_splat(a, 4), b0);
    c2 = multiplyAdd<M>(c2, v128.load32_splat(a, 8), b0);
    c3 = multiplyAdd<M>(c3, v128.load32_splat(a, 12), b0);
    c4 = multiplyAdd<M>(c4, v128.load32_splat(a, 16), b0);
    c5 = multiplyAdd<M>(c5, v128.load32_splat(a, 20), b0);
    a += 24;
    b += 32;
  }
  const bias0 = v128.load(bias);
  const low = v128.load(limits());
  const high = v128.load(limits(), 16);
  v128.store(scratch() + TILE, clampFloat(f32x4.add(c0, bias0), low, high));
  v128.store(scratch() + TILE, clampFloat(f32x4.add(c1, bias0), low, high), 32);
  v128.store(scratch() + TILE, clampFloat(f32x4.add(c2, bias0), low, high), 64);
  v128.store(scratch() + TILE, clampFloat(f32x4.add(c3, bias0), low, high), 96);
  v128.store(scratch() + TILE, clampFloat(f32x4.add(c4, bias0), low, high), 128);
  v128.store(scratch() + TILE, clampFloat(f32x4.add(c5, bias0), low, high), 160);
}

/** The first `width` values of `height` rows of TILE. */
function copyTile(dst: usize, pitch: usize, height: i32, width: i32): void {
  let src = scratch() + TILE;
  for (let row = 0; row < height; row++) {
    copyValues(dst, src, width);
    dst += pitch;
    src += TILE_PITCH;
  }
}

function copyValues(dst: usize, src: usize, count: i32): void {
  if (count == 8) {
    v128.store(dst, v128.load(src));
    v128.store(dst, v128.load(src, 16), 16);
    return;
  }
  for (let i = 0; i < count; i++) {
    store<f32>(dst, load<f32>(src));
    dst += 4;
    src += 4;
  }
}

/**
 * One row of `depth` adjacent values times `outputs` outputs, 32 at a time. The weights of output o and depth k stand at
 * weights + ⌊o/8⌋·stripe + k·step + (o mod 8)·4 bytes; eight are read at a time.
 */
export function multiplyRow(row: usize, depth: i32, weights: usize, stripe: usize, step: usize, outputs: i32, bias: usize, dst: usize): void {
  let output = 0;
  for (; output + 32 <= outputs; output += 32) {
    multiplyRow32(row, depth, weights, stripe, step, bias, dst);
    weights += stripe << 2;
    bias += 128;
    dst += 128;
  }
  for (; output < outputs; output += 8) {
    multiplyRow8(row, depth, weights, step, bias);
    copyValues(dst, scratch() + TILE, min(8, outputs - output));
    weights += stripe;
    bias += 32;
    dst += 32;
  }
}

function multiplyRow32(a: usize, depth: i32, w0: usize, stripe: usize, step: usize, bias: usize, dst: usize): void {
  if (HAS_FUSED && isFused()) multiplyRow32By<Fused>(a, depth, w0, stripe, step, bias, dst);
  else multiplyRow32By<Exact>(a, depth, w0, stripe, step, bias, dst);
}

function multiplyRow32By<M>(a: usize, depth: i32, w0: usize, stripe: usize, step: usize, bias: usize, dst: usize): void {
  let w1 = w0 + stripe;
  let w2 = w1 + stripe;
  let w3 = w2 + stripe;
  let c0 = f32x4.splat(0);
  let c1 = c0;
  let c2 = c0;
  let c3 = c0;
  let c4 = c0;
  let c5 = c0;
  let c6 = c0;
  let c7 = c0;
  for (let k = depth; k > 0; k--) {
    const x = v128.load32_splat(a);
    c0 = multiplyAdd<M>(c0, x, v128.load(w0));
    c1 = multiplyAdd<M>(c1, x, v128.load(w0, 16));
    c2 = multiplyAdd<M>(c2, x, v128.load(w1));
    c3 = multiplyAdd<M>(c3, x, v128.load(w1, 16));
    c4 = multiplyAdd<M>(c4, x, v128.load(w2));
    c5 = multiplyAdd<M>(c5, x, v128.load(w2, 16));
    c6 = multiplyAdd<M>(c6, x, v128.load(w3));
    c7 = multiplyAdd<M>(c7, x, v128.load(w3, 16));
    a += 4;
    w0 += step;
    w1 += step;
    w2 += step;
    w3 += step;
  }
  const low = v128.load(limits());
  const high = v128.load(limits(), 16);
  v128.store(dst, clampFloat(f32x4.add(c0, v128.load(bias)), low, high));
  v128.store(dst, clampFloat(f32x4.add(c1, v128.load(bias, 16)), low, high), 16);
  v128.store(dst, clampFloat(f32x4.add(c2, v128.load(bias, 32)), low, high), 32);
  v128.store(dst, clampFloat(f32x4.add(c3, v128.load(bias, 48)), low, high), 48);
  v128.store(dst, clampFloat(f32x4.add(c4, v128.load(bias, 64)), low, high), 64);
  v128.store(dst, clampFloat(f32x4.add(c5, v128.load(bias, 80)), low, high), 80);
  v128.store(dst, clampFloat(f32x4.add(c6, v128.load(bias, 96)), low, high), 96);
  v128.store(dst, clampFloat(f32x4.add(c7, v128.load(bias, 112)), low, high), 112);
}

/** Eight outputs of one row, to TILE. */
function multiplyRow8(a: usize, depth: i32, w: usize, step: usize, bias: usize): void {
  if (HAS_FUSED && isFused()) multiplyRow8By<Fused>(a, depth, w, step, bias);
  else multiplyRow8By<Exact>(a, depth, w, step, bias);
}

function multiplyRow8By<M>(a: usize, depth: i32, w: usize, step: usize, bias: usize): void {
  let c0 = f32x4.splat(0);
  let c1 = c0;
  for (let k = depth; k > 0; k--) {
    const x = v128.load32_splat(a);
    c0 = multiplyAdd<M>(c0, x, v128.load(w));
    c1 = multiplyAdd<M>(c1, x, v128.load(w, 16));
    a += 4;
    w += step;
  }
  const low = v128.load(limits());
  const high = v128.load(limits(), 16);
  v128.store(scratch() + TILE, clampFloat(f32x4.add(c0, v128.load(bias)), low, high));
  v128.store(scratch() + TILE, clampFloat(f32x4.add(c1, v128.load(bias, 16)), low, high), 16);
}
