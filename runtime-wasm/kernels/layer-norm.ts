/** LAYER_NORM, a row at a time in three passes: the mean, the squares of what is left, the results. */
import * as LayerNorm from "../../format/steps/layer-norm.ts";
import { storeFloats } from "../simd/tail.ts";
import { address, floatWord, word } from "../words.ts";

export function layerNorm(step: usize, data: usize): void {
  const count = word(step, LayerNorm.COUNT);
  const pitch = <usize>count << 2;
  const isCentred = word(step, LayerNorm.CENTRED) != 0;
  const epsilon = floatWord(step, LayerNorm.EPSILON);
  const hasMean = word(step, LayerNorm.MEAN) != -1;
  const hasInverse = word(step, LayerNorm.INVERSE) != -1;
  const scale: usize = word(step, LayerNorm.SCALE) == -1 ? 0 : address(step, LayerNorm.SCALE, data);
  const bias: usize = word(step, LayerNorm.BIAS) == -1 ? 0 : address(step, LayerNorm.BIAS, data);
  let src = address(step, LayerNorm.SRC, data);
  let dst = address(step, LayerNorm.DST, data);
  let means = address(step, LayerNorm.MEAN, data);
  let inverses = address(step, LayerNorm.INVERSE, data);
  for (let row = word(step, LayerNorm.ROWS); row > 0; row--) {
    const mean: f32 = isCentred ? rowMean(src, count) : 0;
    const inverse = inverseDeviation(src, mean, count, epsilon);
    normalizeRow(src, dst, mean, inverse, scale, bias, count);
    if (hasMean) store<f32>(means, mean);
    if (hasInverse) store<f32>(inverses, inverse);
    src += pitch;
    dst += pitch;
    means += 4;
    inverses += 4;
  }
}

/** Σx / count of a row. */
export function rowMean(p: usize, count: i32): f32 {
  return sum(p, count) / <f32>count;
}

/** 1 / √(Σ(x − mean)² / count + epsilon) of a row. */
export function inverseDeviation(p: usize, mean: f32, count: i32, epsilon: f32): f32 {
  return <f32>1 / sqrt<f32>(sumOfSquares(p, mean, count) / <f32>count + epsilon);
}

/** (q0 + q1) + (q2 + q3) of the sums of four partial sums each. */
@inline
function total(p0: v128, p1: v128, p2: v128, p3: v128): f32 {
  const q = f32x4.add(f32x4.add(p0, p1), f32x4.add(p2, p3));
  return f32x4.extract_lane(q, 0) + f32x4.extract_lane(q, 1) + (f32x4.extract_lane(q, 2) + f32x4.extract_lane(q, 3));
}

/** The lanes of x whose index is below `count`, zeros in the others. */
@inline
function lanesBelow(count: i32, x: v128): v128 {
  return v128.and(x, i32x4.gt_s(i32x4.splat(count), i32x4(0, 1, 2, 3)));
}

/** Σx of `count` adjacent values. Reads up to 12 bytes past them. */
function sum(p: usize, count: i32): f32 {
  let p0 = f32x4.splat(0);
  let p1 = p0;
  let p2 = p0;
  let p3 = p0;
  for (; count >= 16; count -= 16) {
    p0 = f32x4.add(p0, v128.load(p));
    p1 = f32x4.add(p1, v128.load(p, 16));
    p2 = f32x4.add(p2, v128.load(p, 32));
    p3 = f32x4.add(p3, v128.load(p, 48));
    p += 64;
  }
  if (count > 0) p0 = f32x4.add(p0, lanesBelow(count, v128.load(p)));
  if (count > 4) p1 = f32x4.add(p1, lanesBelow(count - 4, v128.load(p, 16)));
  if (count > 8) p2 = f32x4.add(p2, lanesBelow(count - 8, v128.load(p, 32)));
  if (count > 12) p3 = f32x4.add(p3, lanesBelow(count - 12, v128.load(p, 48)));
  return total(p0, p1, p2, p3);
}

/** Σ(x − mean)² of `count` adjacent values. Reads up to 12 bytes past them. */
function sumOfSquares(p: usize, mean: f32, count: i32): f32 {
  const m = f32x4.splat(mean);
  let p0 = f32x4.splat(0);
  let p1 = p0;
  let p2 = p0;
  let p3 = p0;
  for (; count >= 16; count -= 16) {
    p0 = f32x4.add(p0, square(f32x4.sub(v128.load(p), m)));
    p1 = f32x4.add(p1, square(f32x4.sub(v128.load(p, 16), m)));
    p2 = f32x4.add(p2, square(f32x4.sub(v128.load(p, 32), m)));
    p3 = f32x4.add(p3, square(f32x4.sub(v128.load(p, 48), m)));
    p += 64;
  }
  if (count > 0) p0 = f32x4.add(p0, square(lanesBelow(count, f32x4.sub(v128.load(p), m))));
  if (count > 4) p1 = f32x4.add(p1, square(lanesBelow(count - 4, f32x4.sub(v128.load(p, 16), m))));
  if (count > 8) p2 = f32x4.add(p2, square(lanesBelow(count - 8, f32x4.sub(v128.load(p, 32), m))));
  if (count > 12) p3 = f32x4.add(p3, square(lanesBelow(count - 12, f32x4.sub(v128.load(p, 48), m))));
  return total(p0, p1, p2, p3);
}

@inline
function square(x: v128): v128 {
  return f32x4.mul(x, x);
}

/** One row's results; the address of scale or bias is 0 for none. `dst` may be `src`. */
export function normalizeRow(src: usize, dst: usize, mean: f32, inverse: f32, scale: usize, bias: usize, count: i32): void {
  const m = f32x4.splat(mean);
  const factor = f32x4.splat(inverse);
  const hasScale = scale != 0;
  const hasBias = bias != 0;
  for (; count > 0; count -= 4) {
    let y = f32x4.mul(f32x4.sub(v128.load(src), m), factor);
    if (hasScale) y = f32x4.mul(y, v128.load(scale));
    if (hasBias) y = f32x4.add(y, v128.load(bias));
    storeFloats(dst, y, count);
    src += 16;
    dst += 16;
    scale += 16;
    bias += 16;
  }
}
