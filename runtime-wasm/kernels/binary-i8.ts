/**
 * BINARY_I8 (format/steps/binary-i8.ts): rows of innermost runs through a vector kernel of eight elements.
 *
 * Neighbouring dimensions that both operands walk through evenly are merged first. A run reads each operand with stride 1 in place; one
 * repeated element comes from eight copies of it; any other stride is gathered eight elements at a time. Where both operands have
 * stride 1 a call takes many rows: short rows, as of a few channels, would otherwise cost more than their elements.
 */
import * as BinaryI8 from "../../format/steps/binary-i8.ts";
import { ADD, DIV, MUL, SUB } from "../../format/steps/binary.ts";
import { INT16_HIGH, INT16_LOW, ROUNDING_MAGIC, scratch } from "../constants.ts";
import { addZero, clampFloat, clampInt8, roundAround, roundBounded, roundingOffset, zeroNaN } from "../simd/requantize.ts";
import { storeUpTo8 } from "../simd/tail.ts";
import { address, floatWord, word } from "../words.ts";
import { RUN } from "./run-length.ts";

const RANK: i32 = 6;
/** Below this, adding the magic rounds (simd/requantize.ts). */
const ROUNDING_LIMIT: f32 = 4194304;
/** In scratch(): merged dimensions, strides and the current index, int32 each, and eight elements of each operand. */
const DIMS: usize = 0;
const A_STRIDES: usize = 32;
const B_STRIDES: usize = 64;
const INDEX: usize = 96;
const A_RUN: usize = 128;
const B_RUN: usize = 144;

/** Runs one BINARY_I8 step. */
export function binaryI8(step: usize, data: usize): void {
  const rank = mergeDims(step);
  const last = <usize>(rank - 1) << 2;
  const count = load<i32>(scratch() + DIMS + last);
  const aStride = load<i32>(scratch() + A_STRIDES + last);
  const bStride = load<i32>(scratch() + B_STRIDES + last);
  const isRows = rank > 1 && aStride == 1 && bStride == 1;
  const outer = isRows ? rank - 2 : rank - 1;
  let a = address(step, BinaryI8.A, data);
  let b = address(step, BinaryI8.B, data);
  let dst = address(step, BinaryI8.DST, data);
  memory.fill(scratch() + INDEX, 0, 32);
  while (true) {
    if (isRows) {
      const row = last - 4;
      combineRows(step, a, load<i32>(scratch() + A_STRIDES + row), b, load<i32>(scratch() + B_STRIDES + row), dst, count, load<i32>(scratch() + DIMS + row));
      dst += load<i32>(scratch() + DIMS + row) * count;
    } else {
      combineRun(step, a, aStride, b, bStride, dst, count);
      dst += count;
    }
    let d = outer - 1;
    while (d >= 0) {
      const at = <usize>d << 2;
      const index = load<i32>(scratch() + INDEX + at) + 1;
      a += load<i32>(scratch() + A_STRIDES + at);
      b += load<i32>(scratch() + B_STRIDES + at);
      if (index < load<i32>(scratch() + DIMS + at)) {
        store<i32>(scratch() + INDEX + at, index);
        break;
      }
      a -= index * load<i32>(scratch() + A_STRIDES + at);
      b -= index * load<i32>(scratch() + B_STRIDES + at);
      store<i32>(scratch() + INDEX + at, 0);
      d--;
    }
    if (d < 0) return;
  }
}

/** Writes the merged dimensions and strides, outermost first, and returns how many there are, at least one. */
function mergeDims(step: usize): i32 {
  let rank = 0;
  for (let i = 0; i < RANK; i++) {
    const dim = word(step, BinaryI8.DIM0 + i);
    const aStride = word(step, BinaryI8.A_STRIDE0 + i);
    const bStride = word(step, BinaryI8.B_STRIDE0 + i);
    if (dim == 1) continue;
    const last: usize = <usize>(rank - 1) << 2;
    if (rank > 0 && load<i32>(scratch() + A_STRIDES + last) == aStride * dim && load<i32>(scratch() + B_STRIDES + last) == bStride * dim) {
      store<i32>(scratch() + DIMS + last, load<i32>(scratch() + DIMS + last) * dim);
      store<i32>(scratch() + A_STRIDES + last, aStride);
      store<i32>(scratch() + B_STRIDES + last, bStride);
      continue;
    }
    const at: usize = <usize>rank << 2;
    store<i32>(scratch() + DIMS + at, dim);
    store<i32>(scratch() + A_STRIDES + at, aStride);
    store<i32>(scratch() + B_STRIDES + at, bStride);
    rank++;
  }
  if (rank > 0) return rank;
  store<i32>(scratch() + DIMS, 1);
  store<i32>(scratch() + A_STRIDES, 0);
  store<i32>(scratch() + B_STRIDES, 0);
  return 1;
}

/** `rows` rows of `count` elements beside each other, the operands' rows `aPitch` and `bPitch` apart. */
function combineRows(step: usize, a: usize, aPitch: i32, b: usize, bPitch: i32, dst: usize, count: i32, rows: i32): void {
  const most = max(1, RUN / count);
  while (rows > 0) {
    const some = min(rows, most);
    combine(step, a, 8, aPitch, b, 8, bPitch, dst, count, some);
    a += some * aPitch;
    b += some * bPitch;
    dst += some * count;
    rows -= some;
  }
}

/** One run of `count` elements with any strides. */
function combineRun(step: usize, a: usize, aStride: i32, b: usize, bStride: i32, dst: usize, count: i32): void {
  if ((aStride == 1 || aStride == 0) && (bStride == 1 || bStride == 0)) {
    if (aStride == 0) {
      v128.store(scratch() + A_RUN, i8x16.splat(load<i8>(a)));
      a = scratch() + A_RUN;
    }
    if (bStride == 0) {
      v128.store(scratch() + B_RUN, i8x16.splat(load<i8>(b)));
      b = scratch() + B_RUN;
    }
    for (let i = 0; i < count; i += RUN) {
      combine(step, a + <usize>(i * aStride), aStride << 3, 0, b + <usize>(i * bStride), bStride << 3, 0, dst + <usize>i, min(RUN, count - i), 1);
    }
    return;
  }
  while (count > 0) {
    const run = min(8, count);
    for (let i = 0; i < run; i++) {
      store<i8>(scratch() + A_RUN + i, load<i8>(a));
      store<i8>(scratch() + B_RUN + i, load<i8>(b));
      a += aStride;
      b += bStride;
    }
    combine(step, scratch() + A_RUN, 8, 0, scratch() + B_RUN, 8, 0, dst, run, 1);
    dst += run;
    count -= run;
  }
}

/** `rows` rows of `count` elements; each operand moves by 8 or 0 bytes for every eight elements, and by its pitch for every row. */
function combine(step: usize, a: usize, aMove: i32, aPitch: i32, b: usize, bMove: i32, bPitch: i32, dst: usize, count: i32, rows: i32): void {
  const op = word(step, BinaryI8.OP);
  const aScale = floatWord(step, BinaryI8.A_SCALE);
  const bScale = floatWord(step, BinaryI8.B_SCALE);
  // Both distances from the zero points are below 256.
  const isBounded = <f32>256 * (abs<f32>(aScale) + abs<f32>(bScale)) < ROUNDING_LIMIT;
  if ((op == ADD || op == SUB) && isBounded) addScaled<Bounded>(step, a, aMove, aPitch, b, bMove, bPitch, dst, count, rows);
  else if (op == ADD || op == SUB) addScaled<Unbounded>(step, a, aMove, aPitch, b, bMove, bPitch, dst, count, rows);
  else multiply(step, op, a, aMove, aPitch, b, bMove, bPitch, dst, count, rows);
}

/** Type arguments that stand for sums below 2²², of which nothing is to be cut off before rounding, and any others. */
type Bounded = i32;
type Unbounded = f32;

/** ADD and SUB: a − b·scale is a + b·(−scale), to the bit. */
function addScaled<Range>(step: usize, a: usize, aMove: i32, aPitch: i32, b: usize, bMove: i32, bPitch: i32, dst: usize, count: i32, rows: i32): void {
  const bScale = floatWord(step, BinaryI8.B_SCALE);
  const aZero = i16x8.splat(<i16>word(step, BinaryI8.A_ZERO));
  const bZero = i16x8.splat(<i16>word(step, BinaryI8.B_ZERO));
  const aFactor = f32x4.splat(floatWord(step, BinaryI8.A_SCALE));
  const bFactor = f32x4.splat(word(step, BinaryI8.OP) == SUB ? -bScale : bScale);
  const magic = v128.load(ROUNDING_MAGIC);
  const zero = word(step, BinaryI8.OUT_ZERO);
  const offset = isInteger<Range>() ? roundingOffset(zero) : i16x8.splat(<i16>zero);
  const low = i8x16.splat(<i8>word(step, BinaryI8.MIN));
  const high = i8x16.splat(<i8>word(step, BinaryI8.MAX));
  while (rows > 0) {
    let p = a;
    let q = b;
    let out = dst;
    let rest = count;
    while (rest >= 16) {
      const r0 = sumOfEight<Range>(p, q, aZero, bZero, aFactor, bFactor, magic, offset);
      const r1 = sumOfEight<Range>(p + aMove, q + bMove, aZero, bZero, aFactor, bFactor, magic, offset);
      v128.store(out, clampInt8(r0, r1, low, high));
      p += aMove << 1;
      q += bMove << 1;
      out += 16;
      rest -= 16;
    }
    while (rest > 0) {
      const r = sumOfEight<Range>(p, q, aZero, bZero, aFactor, bFactor, magic, offset);
      storeUpTo8(out, clampInt8(r, r, low, high), rest);
      p += aMove;
      q += bMove;
      out += 8;
      rest -= 8;
    }
    a += aPitch;
    b += bPitch;
    dst += count;
    rows--;
  }
}

// @ts-ignore: decorator
@inline
function sumOfEight<Range>(p: usize, q: usize, aZero: v128, bZero: v128, aFactor: v128, bFactor: v128, magic: v128, offset: v128): v128 {
  const x = i16x8.sub(v128.load_ext<i8>(p), aZero);
  const y = i16x8.sub(v128.load_ext<i8>(q), bZero);
  const sum0 = f32x4.add(
    f32x4.mul(f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_s(x)), aFactor),
    f32x4.mul(f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_s(y)), bFactor),
  );
  const sum1 = f32x4.add(
    f32x4.mul(f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_s(x)), aFactor),
    f32x4.mul(f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_s(y)), bFactor),
  );
  if (isInteger<Range>()) return i16x8.narrow_i32x4_s(roundAround(sum0, magic, offset), roundAround(sum1, magic, offset));
  const lowest = v128.load(INT16_LOW);
  const highest = v128.load(INT16_HIGH);
  return addZero(roundBounded(clampFloat(sum0, lowest, highest), magic), roundBounded(clampFloat(sum1, lowest, highest), magic), offset);
}

/** MUL, DIV and PRELU. */
function multiply(step: usize, op: i32, a: usize, aMove: i32, aPitch: i32, b: usize, bMove: i32, bPitch: i32, dst: usize, count: i32, rows: i32): void {
  const aZero = i16x8.splat(<i16>word(step, BinaryI8.A_ZERO));
  const bZero = i16x8.splat(<i16>word(step, BinaryI8.B_ZERO));
  const aFactor = f32x4.splat(floatWord(step, BinaryI8.A_SCALE));
  const factor = f32x4.splat(floatWord(step, BinaryI8.OUT_SCALE));
  const lowest = v128.load(INT16_LOW);
  const highest = v128.load(INT16_HIGH);
  const magic = v128.load(ROUNDING_MAGIC);
  const zero = i16x8.splat(<i16>word(step, BinaryI8.OUT_ZERO));
  const low = i8x16.splat(<i8>word(step, BinaryI8.MIN));
  const high = i8x16.splat(<i8>word(step, BinaryI8.MAX));
  while (rows > 0) {
    let p = a;
    let q = b;
    let out = dst;
    let rest = count;
    while (rest > 0) {
      const x = i16x8.sub(v128.load_ext<i8>(p), aZero);
      const y = i16x8.sub(v128.load_ext<i8>(q), bZero);
      const x0 = f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_s(x));
      const x1 = f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_s(x));
      const y0 = f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_s(y));
      const y1 = f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_s(y));
      const v0 = product(op, x0, y0, aFactor, factor);
      const v1 = product(op, x1, y1, aFactor, factor);
      const r = addZero(roundBounded(clampFloat(v0, lowest, highest), magic), roundBounded(clampFloat(v1, lowest, highest), magic), zero);
      storeUpTo8(out, clampInt8(r, r, low, high), rest);
      p += aMove;
      q += bMove;
      out += 8;
      rest -= 8;
    }
    a += aPitch;
    b += bPitch;
    dst += count;
    rows--;
  }
}

// @ts-ignore: decorator
@inline
function product(op: i32, x: v128, y: v128, aFactor: v128, factor: v128): v128 {
  if (op == DIV) return zeroNaN(f32x4.mul(f32x4.div(x, y), factor));
  const scaledProduct = f32x4.mul(f32x4.mul(x, y), factor);
  if (op == MUL) return scaledProduct;
  return v128.bitselect(f32x4.mul(x, aFactor), scaledProduct, f32x4.ge(x, f32x4.splat(0)));
}
