/**
 * Vector constants at fixed addresses in the reserved kilobyte. A v128 literal costs engines three instructions at every use;
 * a load before the loop costs one.
 */
import { chooseReading } from "./simd/dot.ts";
import { initMath } from "./simd/math.ts";

/** 1.5·2²³ as float32 in four lanes: adding it rounds |x| < 2²² to the nearest even integer in the low mantissa bits. */
export const ROUNDING_MAGIC: usize = 16;
/** int16 ones in eight lanes. */
export const ONES_16: usize = 32;
/** −32768 and 32767 as float32 in four lanes: what saturates in int16 anyway is cut off there before rounding. */
export const INT16_LOW: usize = 48;
export const INT16_HIGH: usize = 64;
/** What the activations of a pair dot are XORed with (simd/dot.ts): zeros, or 0x80 in each byte. */
export const ACTIVATION_MASK: usize = 80;
/** int32: 1 where the pair dot is to be computed by the one fused instruction (simd/dot.ts), else 0. */
export const DOT_IS_FUSED: usize = 96;
/** int32: 1 where float32 products are to be computed by fused instructions (simd/multiply-add.ts), else 0. */
export const MULTIPLY_ADD_IS_FUSED: usize = 100;
/** 15 and 8 in sixteen int8 lanes: the low half of each byte, and what packed four-bit weights are too large by. */
export const LOW_HALVES: usize = 112;
export const EIGHTS: usize = 128;
// From 160 to 223, and from 864 on: the constants of simd/math.ts.
/** Of this instance, which one thread runs. */
let scratchAddress: usize = 256;

/** The address of the KERNEL_SCRATCH_BYTES (format/threads.ts) that belong to the kernel that runs. */
// @ts-ignore: decorator
@inline
export function scratch(): usize {
  return scratchAddress;
}

/** Gives this instance, a further thread's on the same memory, a kernel scratch of its own. */
export function useScratch(address: usize): void {
  scratchAddress = address;
}

/** Bits of 12582912.0, the rounding magic. */
export const ROUNDING_MAGIC_BITS: i32 = 0x4b400000;

/** Writes the constants. Must run once on every memory before `run`. */
export function init(): void {
  v128.store(ROUNDING_MAGIC, i32x4.splat(ROUNDING_MAGIC_BITS));
  v128.store(ONES_16, i16x8.splat(1));
  v128.store(INT16_LOW, f32x4.splat(-32768));
  v128.store(INT16_HIGH, f32x4.splat(32767));
  v128.store(LOW_HALVES, i8x16.splat(15));
  v128.store(EIGHTS, i8x16.splat(8));
  initMath();
  chooseReading();
}
