/** Depthwise convolution of any shape, one output pixel: eight channels at a time over a list of tap addresses. Weights: DEPTHWISE_I8. */
import { INT16_HIGH, INT16_LOW, ROUNDING_MAGIC } from "../constants.ts";
import { clampFloat, clampInt8, roundAround, scaled } from "../simd/requantize.ts";
import { storeUpTo8 } from "../simd/tail.ts";
import { MAX, MIN, OFFSET } from "./output-i8.ts";

/** `taps` addresses of `count` pixels with `channels` channels each; up to 7 bytes behind a pixel are read. */
export function depthwiseTaps(taps: usize, count: i32, channels: i32, w: usize, bias: usize, scale: usize, out: usize, block: usize): void {
  const magic = v128.load(ROUNDING_MAGIC);
  const lowest = v128.load(INT16_LOW);
  const highest = v128.load(INT16_HIGH);
  const offset = v128.load(block, OFFSET);
  const low = v128.load(block, MIN);
  const high = v128.load(block, MAX);
  const end = taps + (count << 2);
  for (let c = 0; c < channels; c += 8) {
    let sum0 = v128.load(bias);
    let sum1 = v128.load(bias, 16);
    let tap = taps;
    do {
      // |x·w| ≤ 2¹⁴ fits in int16.
      const product = i16x8.mul(v128.load_ext<i8>(load<usize>(tap) + c), v128.load(w));
      sum0 = i32x4.add(sum0, i32x4.extend_low_i16x8_s(product));
      sum1 = i32x4.add(sum1, i32x4.extend_high_i16x8_s(product));
      tap += 4;
      w += 16;
    } while (tap < end);
    const y = i16x8.narrow_i32x4_s(
      roundAround(clampFloat(scaled(sum0, v128.load(scale)), lowest, highest), magic, offset),
      roundAround(clampFloat(scaled(sum1, v128.load(scale, 16)), lowest, highest), magic, offset),
    );
    storeUpTo8(out + c, clampInt8(y, y, low, high), channels - c);
    bias += 32;
    scale += 32;
  }
}
