/**
 * REDUCE. float32, INNER = 1: four rows side by side, each added up in ascending order; INNER > 1: sixteen or four columns at a time.
 * Maximum and minimum are those of IEEE 754-2019: a NaN wins, −0 < +0.
 */
import { FLOAT32, INT32, INT64, INT8 } from "../../format/dtypes.ts";
import * as Reduce from "../../format/steps/reduce.ts";
import { limits, setLimits } from "../simd/limits.ts";
import { clampFloat } from "../simd/requantize.ts";
import { storeFloats } from "../simd/tail.ts";
import { address, floatWord, word } from "../words.ts";
import { reduceI8 } from "./reduce-i8.ts";

export function reduce(step: usize, data: usize): void {
  switch (word(step, Reduce.DTYPE)) {
    case FLOAT32: reduceF32(step, data); break;
    case INT8: reduceI8(step, data); break;
    case INT32: reduceInteger<i32>(step, data); break;
    case INT64: reduceInteger<i64>(step, data); break;
    default: unreachable();
  }
}

function reduceF32(step: usize, data: usize): void {
  const kind = word(step, Reduce.KIND);
  const count = word(step, Reduce.COUNT);
  const inner = word(step, Reduce.INNER);
  let src = address(step, Reduce.SRC, data);
  let dst = address(step, Reduce.DST, data);
  setLimits(floatWord(step, Reduce.MIN), floatWord(step, Reduce.MAX));
  let outer = word(step, Reduce.OUTER);
  if (inner == 1) {
    const row = <usize>count << 2;
    for (; outer >= 4; outer -= 4) {
      v128.store(dst, finish(reduceRows(kind, src, row, count), kind, count));
      src += row << 2;
      dst += 16;
    }
    for (; outer > 0; outer--) {
      storeFloats(dst, finish(f32x4.splat(reduceRow(kind, src, count)), kind, count), 1);
      src += row;
      dst += 4;
    }
    return;
  }
  const block = <usize>inner << 2;
  for (; outer > 0; outer--) {
    let i = 0;
    if (kind == Reduce.SUM || kind == Reduce.MEAN) {
      for (; i + 16 <= inner; i += 16) sumColumns16(kind, src + (<usize>i << 2), block, count, dst + (<usize>i << 2));
    }
    for (; i < inner; i += 4) {
      const y = finish(reduceColumns(kind, src + (<usize>i << 2), block, count), kind, count);
      storeFloats(dst + (<usize>i << 2), y, inner - i);
    }
    src += block * <usize>count;
    dst += block;
  }
}

/** Divides a mean, and clamps. */
function finish(x: v128, kind: i32, count: i32): v128 {
  if (kind == Reduce.MEAN) x = f32x4.div(x, f32x4.splat(<f32>count));
  return clampFloat(x, v128.load(limits()), v128.load(limits(), 16));
}

/** Four rows of `count` adjacent values, `row` bytes apart, one to a lane. */
export function reduceRows(kind: i32, p: usize, row: usize, count: i32): v128 {
  const p1 = row;
  const p2 = row << 1;
  const p3 = p1 + p2;
  let y = gather(p, p1, p2, p3);
  switch (kind) {
    case Reduce.MAXIMUM:
      while (--count > 0) y = f32x4.max(y, gather((p += 4), p1, p2, p3));
      break;
    case Reduce.MINIMUM:
      while (--count > 0) y = f32x4.min(y, gather((p += 4), p1, p2, p3));
      break;
    case Reduce.PRODUCT:
      while (--count > 0) y = f32x4.mul(y, gather((p += 4), p1, p2, p3));
      break;
    default:
      while (--count > 0) y = f32x4.add(y, gather((p += 4), p1, p2, p3));
  }
  return y;
}

@inline
function gather(p: usize, p1: usize, p2: usize, p3: usize): v128 {
  let x = v128.load32_zero(p);
  x = v128.load32_lane(p + p1, x, 1);
  x = v128.load32_lane(p + p2, x, 2);
  return v128.load32_lane(p + p3, x, 3);
}

/** One row of `count` adjacent values. */
export function reduceRow(kind: i32, p: usize, count: i32): f32 {
  let y = load<f32>(p);
  switch (kind) {
    case Reduce.MAXIMUM:
      while (--count > 0) y = max(y, load<f32>((p += 4)));
      break;
    case Reduce.MINIMUM:
      while (--count > 0) y = min(y, load<f32>((p += 4)));
      break;
    case Reduce.PRODUCT:
      while (--count > 0) y *= load<f32>((p += 4));
      break;
    default:
      while (--count > 0) y += load<f32>((p += 4));
  }
  return y;
}

/** Four columns of `count` values, `block` bytes apart. */
function reduceColumns(kind: i32, p: usize, block: usize, count: i32): v128 {
  let y = v128.load(p);
  switch (kind) {
    case Reduce.MAXIMUM:
      while (--count > 0) y = f32x4.max(y, v128.load((p += block)));
      break;
    case Reduce.MINIMUM:
      while (--count > 0) y = f32x4.min(y, v128.load((p += block)));
      break;
    case Reduce.PRODUCT:
      while (--count > 0) y = f32x4.mul(y, v128.load((p += block)));
      break;
    default:
      while (--count > 0) y = f32x4.add(y, v128.load((p += block)));
  }
  return y;
}

/** Sums (or means) of sixteen columns. */
function sumColumns16(kind: i32, p: usize, block: usize, count: i32, dst: usize): void {
  let y0 = v128.load(p);
  let y1 = v128.load(p, 16);
  let y2 = v128.load(p, 32);
  let y3 = v128.load(p, 48);
  for (let k = count; k > 1; k--) {
    p += block;
    y0 = f32x4.add(y0, v128.load(p));
    y1 = f32x4.add(y1, v128.load(p, 16));
    y2 = f32x4.add(y2, v128.load(p, 32));
    y3 = f32x4.add(y3, v128.load(p, 48));
  }
  v128.store(dst, finish(y0, kind, count));
  v128.store(dst, finish(y1, kind, count), 16);
  v128.store(dst, finish(y2, kind, count), 32);
  v128.store(dst, finish(y3, kind, count), 48);
}

function reduceInteger<T>(step: usize, data: usize): void {
  const kind = word(step, Reduce.KIND);
  const inner = word(step, Reduce.INNER);
  const stride = <usize>inner * sizeof<T>();
  let src = address(step, Reduce.SRC, data);
  let dst = address(step, Reduce.DST, data);
  for (let outer = word(step, Reduce.OUTER); outer > 0; outer--) {
    for (let i = 0; i < inner; i++) {
      let p = src;
      let y = load<T>(p);
      for (let k = word(step, Reduce.COUNT); k > 1; k--) {
        p += stride;
        const x = load<T>(p);
        if (kind == Reduce.MAXIMUM) y = x > y ? x : y;
        else if (kind == Reduce.MINIMUM) y = x < y ? x : y;
        else if (kind == Reduce.PRODUCT) y = <T>(y * x);
        else y = <T>(y + x);
      }
      store<T>(dst, y);
      src += sizeof<T>();
      dst += sizeof<T>();
    }
    src += stride * <usize>(word(step, Reduce.COUNT) - 1);
  }
}
