/**
 * The multiply-accumulate of the float32 products, exact or fused: one function for both, told apart when it is compiled.
 *
 * Exact is one multiplication and one addition, rounded each, the same everywhere. Fused is f32x4.relaxed_madd, which rounds once where the
 * machine has that, and so gives other bits on other machines: outside of the promise, and only where the caller of `load` asks for it.
 */
import { MULTIPLY_ADD_IS_FUSED } from "../constants.ts";

/** Type arguments of `multiplyAdd`, which stand for no values. */
export type Exact = f32;
export type Fused = i32;

/** Whether this build has the fused instruction; a constant, so that code behind it is left out of builds that do not. */
export const HAS_FUSED: bool = ASC_FEATURE_RELAXED_SIMD;

/** sum + a·b. */
// @ts-ignore: decorator
@inline
export function multiplyAdd<M>(sum: v128, a: v128, b: v128): v128 {
  if (isInteger<M>()) return f32x4.relaxed_madd(a, b, sum);
  return f32x4.add(sum, f32x4.mul(a, b));
}

/** Whether the kernels on this memory take the fused form. */
// @ts-ignore: decorator
@inline
export function isFused(): bool {
  return HAS_FUSED && load<i32>(MULTIPLY_ADD_IS_FUSED) != 0;
}

/** Takes the fused form (1) or the exact one (0) for the kernels on this memory. Returns which one is taken: 0 in builds without the fused one. */
export function useFusedMultiplyAdd(fused: i32): i32 {
  if (!HAS_FUSED) return 0;
  store<i32>(MULTIPLY_ADD_IS_FUSED, <i32>(fused != 0));
  return <i32>(fused != 0);
}
