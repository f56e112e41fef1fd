/** The clamp that ends a float step. A NaN stays; the order of a tie keeps the value's own zero. */
import { SCRATCH } from "../constants.ts";

/** Address of MIN in four lanes, then MAX in four lanes. */
export const LIMITS: usize = SCRATCH;

/** Sets the limits of the step that runs. */
export function setLimits(min: f32, max: f32): void {
  v128.store(LIMITS, f32x4.splat(min));
  v128.store(LIMITS, f32x4.splat(max), 16);
}

/** `x` within [min, max]. */
@inline
export function clamp(x: v128, min: v128, max: v128): v128 {
  return f32x4.pmin(f32x4.pmax(x, min), max);
}

/** `x` within [min, max]. */
@inline
export function clampScalar(x: f32, min: f32, max: f32): f32 {
  const low = x < min ? min : x;
  return max < low ? max : low;
}

/** Stores the first `count` lanes (1…3) of `x`. */
@inline
export function storeLanes(dst: usize, x: v128, count: i32): void {
  if (count == 1) {
    v128.store32_lane(dst, x, 0);
  } else {
    v128.store64_lane(dst, x, 0);
    if (count == 3) v128.store32_lane(dst, x, 2, 8);
  }
}
