/**
 * From int32 accumulators and float32 values to int8, bit for bit the same everywhere.
 *
 *   y = clamp(roundHalfEven(f32(accumulator) · scale) + zero, min, max)
 *
 * Adding 1.5·2²³ to |x| < 2²² leaves x, rounded half to even, in the low mantissa bits; subtracting the magic's own bits gives
 * the integer. Saturation to int16 on the way does not change the result: a zero point lies in [−128, 255].
 */
import { ROUNDING_MAGIC_BITS } from "../constants.ts";

/** The integers nearest to x, half to even, as int32. Needs |x| < 2²²; `magic` is ROUNDING_MAGIC. */
// @ts-ignore: decorator
@inline
export function roundBounded(x: v128, magic: v128): v128 {
  return i32x4.sub(f32x4.add(x, magic), magic);
}

/** roundBounded plus the zero point that `offset` is the roundingOffset of: one subtraction does both. */
// @ts-ignore: decorator
@inline
export function roundAround(x: v128, magic: v128, offset: v128): v128 {
  return i32x4.sub(f32x4.add(x, magic), offset);
}

/** The magic's bits less the zero point, in int32 lanes. */
export function roundingOffset(zero: i32): v128 {
  return i32x4.splat(ROUNDING_MAGIC_BITS - zero);
}

/** x clamped to [low, high]; a NaN stays. */
// @ts-ignore: decorator
@inline
export function clampFloat(x: v128, low: v128, high: v128): v128 {
  return f32x4.pmin(f32x4.pmax(x, low), high);
}

/** f32(accumulator) · scale. */
// @ts-ignore: decorator
@inline
export function scaled(accumulator: v128, scale: v128): v128 {
  return f32x4.mul(f32x4.convert_i32x4_s(accumulator), scale);
}

/** Eight int32 plus the zero point (int16 lanes), saturated to int16. */
// @ts-ignore: decorator
@inline
export function addZero(low: v128, high: v128, zero: v128): v128 {
  return i16x8.add_sat_s(i16x8.narrow_i32x4_s(low, high), zero);
}

/** Sixteen int16 as int8 within [min, max] (int8 lanes). */
// @ts-ignore: decorator
@inline
export function clampInt8(a: v128, b: v128, min: v128, max: v128): v128 {
  return i8x16.min_s(i8x16.max_s(i8x16.narrow_i16x8_s(a, b), min), max);
}

/** x where it is a number, 0 where it is none. */
// @ts-ignore: decorator
@inline
export function zeroNaN(x: v128): v128 {
  return v128.and(x, f32x4.eq(x, x));
}
