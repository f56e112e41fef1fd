/** Floats of 16 bits, widened exactly. */

const bits = new Uint32Array(1);
const value = new Float32Array(bits.buffer);

/** The number that a float16's bits mean (IEEE 754 binary16). */
export function float16(half: number): number {
  const exponent = (half >>> 10) & 31;
  const fraction = half & 1023;
  const sign = half & 0x8000 ? -1 : 1;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  bits[0] = ((half & 0x8000) << 16) | ((exponent + 112) << 23) | (fraction << 13);
  return value[0]!;
}

/** The number that a bfloat16's bits mean: the upper half of a float32. */
export function bfloat16(half: number): number {
  bits[0] = half << 16;
  return value[0]!;
}
