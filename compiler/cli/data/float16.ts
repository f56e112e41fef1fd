/** IEEE 754 binary16, bit by bit. */

const SMALLEST = 1 / 16_777_216;
const bits32 = new Uint32Array(1);
const float32 = new Float32Array(bits32.buffer);

/** The value of the 16 bits of a half: exact. */
export function halfToFloat(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  if (exponent === 0) return sign * fraction * SMALLEST;
  if (exponent === 31) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  bits32[0] = ((exponent + 112) << 23) | (fraction << 13);
  return sign * (float32[0] as number);
}
