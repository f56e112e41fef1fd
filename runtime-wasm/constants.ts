/**
 * Vector constants at fixed addresses in the reserved kilobyte. A v128 literal costs engines three instructions at every use;
 * a load before the loop costs one.
 */

/** 1.5·2²³ as float32 in four lanes: adding it rounds |x| < 2²² to the nearest even integer in the low mantissa bits. */
export const ROUNDING_MAGIC: usize = 16;
/** int16 ones in eight lanes. */
export const ONES_16: usize = 32;
/** First free address of the reserved area, for a kernel's scratch of up to SCRATCH_BYTES. */
export const SCRATCH: usize = 256;
export const SCRATCH_BYTES: i32 = 512;

/** Bits of 12582912.0, the rounding magic. */
export const ROUNDING_MAGIC_BITS: i32 = 0x4b400000;

/** Writes the constants. Must run once on every memory before `run`. */
export function init(): void {
  v128.store(ROUNDING_MAGIC, i32x4.splat(ROUNDING_MAGIC_BITS));
  v128.store(ONES_16, i16x8.splat(1));
}
