/**
 * The integer dot products that the int8 kernels are built from. Only this file and
 * multiply-add.ts know relaxed SIMD.
 *
 * What the relaxed dot makes of a negative second operand depends on the machine: arm64 reads it as int8, x64 as uint8. Weights go into
 * the first operand, which is int8 everywhere; of pair-safe weights (format/packings.ts) no pair of products saturates in either
 * reading. Where the second operand is unsigned, activations are offset by 128 (their top bit flipped) and each accumulator starts
 * 128·Σw lower. `chooseReading` finds out which by executing it.
 */
import { PAIR_LIMIT } from "../../format/packings.ts";
import { ACTIVATION_MASK, DOT_IS_FUSED, ONES_16 } from "../constants.ts";

/** Whether this build has the pair dot; a constant, so that code behind it is left out of builds that do not. */
export const HAS_PAIR_DOT: bool = ASC_FEATURE_RELAXED_SIMD;

/** accumulator + Σ over four adjacent w·x: int8 in sixteen lanes to int32 in four. `w` is pair-safe, `x` masked, `ones` int16. */
// @ts-ignore: decorator
@inline
export function pairDotAdd(accumulator: v128, w: v128, x: v128, ones: v128): v128 {
  return dotAdd(accumulator, pairDot(w, x), ones);
}

/** Σ over adjacent pairs of w·x: int8 in sixteen lanes to int16 in eight. `w` is pair-safe, `x` masked. */
// @ts-ignore: decorator
@inline
export function pairDot(w: v128, x: v128): v128 {
  return i16x8.relaxed_dot_i8x16_i7x16_s(w, x);
}

/** accumulator + Σ over four adjacent w·x + v·y, both steps' products added up in int16. `w` and `v` are run-safe together. */
// @ts-ignore: decorator
@inline
export function runDotAdd(accumulator: v128, w: v128, x: v128, v: v128, y: v128, ones: v128): v128 {
  return dotAdd(accumulator, i16x8.add(pairDot(w, x), pairDot(v, y)), ones);
}

/**
 * pairDotAdd by one instruction. Faster where the machine has it (VNNI for these registers, dotprod); elsewhere engines make it of several,
 * and it loses. Only `useFusedDot` knows whether it is exact.
 */
// @ts-ignore: decorator
@inline
export function fusedDotAdd(accumulator: v128, w: v128, x: v128): v128 {
  return i32x4.relaxed_dot_i8x16_i7x16_add_s(w, x, accumulator);
}

/**
 * Takes the fused dot (1) or the one of two steps (0) for the kernels on this memory. Returns which one is taken: two steps where the fused
 * dot is not exact, or does not exist.
 */
export function useFusedDot(fused: i32): i32 {
  if (HAS_PAIR_DOT) {
    const taken = <i32>(fused != 0 && allExact(true));
    store<i32>(DOT_IS_FUSED, taken);
    return taken;
  }
  return 0;
}

/** Writes ACTIVATION_MASK: the one that makes dots with negative activations right. Needs ONES_16. */
export function chooseReading(): void {
  v128.store(ACTIVATION_MASK, i8x16.splat(0));
  if (HAS_PAIR_DOT && !isExact(1, -128, false)) v128.store(ACTIVATION_MASK, i8x16.splat(-128));
}

/** What the accumulator of an output whose weights add up to `sum` has to start with, beside its bias. */
export function pairOffset(sum: i32): i32 {
  return -(<i32>load<u8>(ACTIVATION_MASK)) * sum;
}

/**
 * Whether the pair dot is exact here: 1 or 0. Tries 480 combinations of sixteen weights at the limit of a pair with sixteen
 * activations, extremes included, by as many calls: Node 20 has this instruction behind a flag and computes it wrongly in its baseline
 * tier, which runs first; an engine that changes tiers may do so meanwhile.
 */
export function probe(): i32 {
  if (HAS_PAIR_DOT) return <i32>allExact(false);
  return 1;
}

function allExact(fused: bool): bool {
  for (let w = -128; w < 128; w += 11) {
    for (let x = -128; x < 128; x += 13) if (!isExact(w, x, fused)) return false;
  }
  return true;
}

/** Whether four pair dots, of weights ±w and ±(128 − |w|) with activations around x, are what the plain instructions give. */
function isExact(w: i32, x: i32, fused: bool): bool {
  const rest = i8x16.splat(<i8>min(127, PAIR_LIMIT - abs(w)));
  const magnitudes = v128.shuffle<i8>(i8x16.splat(<i8>w), rest, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
  const signs = i8x16(0, 0, 0, 0, 0, -1, -1, 0, -1, -1, 0, -1, -1, 0, -1, -1);
  const weights = i8x16.sub(v128.xor(magnitudes, signs), signs);
  const activations = i8x16.add(i8x16.splat(<i8>x), i8x16(0, 0, 0, 0, 0, 1, 2, -1, 0, 0, 127, -128, 5, 5, -3, -3));
  const mask = v128.load(ACTIVATION_MASK);
  const sums = quadDot(weights, i8x16.splat(1));
  const start = i32x4.mul(sums, i32x4.splat(pairOffset(1)));
  const masked = v128.xor(activations, mask);
  const found = fused ? fusedDotAdd(start, weights, masked) : pairDotAdd(start, weights, masked, v128.load(ONES_16));
  return i32x4.all_true(i32x4.eq(found, quadDot(weights, activations)));
}

/** Σ over four adjacent a·b, int8 to int32, without relaxed instructions. */
function quadDot(a: v128, b: v128): v128 {
  const low = i32x4.extadd_pairwise_i16x8_s(i16x8.extmul_low_i8x16_s(a, b));
  const high = i32x4.extadd_pairwise_i16x8_s(i16x8.extmul_high_i8x16_s(a, b));
  return i32x4.add(v128.shuffle<i32>(low, high, 0, 2, 4, 6), v128.shuffle<i32>(low, high, 1, 3, 5, 7));
}

/** accumulator + Σ over adjacent pairs of a·b: int16 in eight lanes to int32 in four. */
// @ts-ignore: decorator
@inline
export function dotAdd(accumulator: v128, a: v128, b: v128): v128 {
  return i32x4.add(accumulator, i32x4.dot_i16x8_s(a, b));
}

/** The low eight int8 of a and b, interleaved: a0 b0 a1 b1 … a7 b7. */
// @ts-ignore: decorator
@inline
export function bytesLow(a: v128, b: v128): v128 {
  return v128.shuffle<i8>(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
}

/** The high eight int8 of a and b, interleaved: a8 b8 a9 b9 … a15 b15. */
// @ts-ignore: decorator
@inline
export function bytesHigh(a: v128, b: v128): v128 {
  return v128.shuffle<i8>(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
}

/** The low four int16 of a and b, interleaved: a0 b0 a1 b1 a2 b2 a3 b3. */
// @ts-ignore: decorator
@inline
export function interleaveLow(a: v128, b: v128): v128 {
  return v128.shuffle<i16>(a, b, 0, 8, 1, 9, 2, 10, 3, 11);
}

/** The high four int16 of a and b, interleaved: a4 b4 a5 b5 a6 b6 a7 b7. */
// @ts-ignore: decorator
@inline
export function interleaveHigh(a: v128, b: v128): v128 {
  return v128.shuffle<i16>(a, b, 4, 12, 5, 13, 6, 14, 7, 15);
}
