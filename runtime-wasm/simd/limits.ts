/** The limits of the float step that runs: every result is clamped to them; a NaN stays. */
import { scratch } from "../constants.ts";

/** Address of MIN in four lanes, then MAX in four lanes. */
// @ts-ignore: decorator
@inline
export function limits(): usize {
  return scratch();
}

/** Sets the limits of the step that runs. */
export function setLimits(min: f32, max: f32): void {
  v128.store(limits(), f32x4.splat(min));
  v128.store(limits(), f32x4.splat(max), 16);
}

/** clampFloat of requantize.ts for one value. */
@inline
export function clampScalar(x: f32, min: f32, max: f32): f32 {
  const low = x < min ? min : x;
  return max < low ? max : low;
}
