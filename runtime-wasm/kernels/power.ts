/**
 * aᵇ for BINARY. float32: in float64, so that the result is the nearest float32 but in a few cases in a million; special values as C's pow has
 * them. Integer powers of a float32 up to 4 are products, the square root and its reciprocal are the machine's.
 */
import { clampScalar, limits } from "../simd/limits.ts";

const LN2_HIGH: f64 = 6.93147180369123816490e-1;
const LN2_LOW: f64 = 1.90821492927058770002e-10;
const LOG2_E: f64 = 1.4426950408889634;
const SQRT_HALF_BITS: i64 = 0x3fe6a09e667f3bcd;

/** dst = clamp(aᵇ, limits) for `count` values; the steps are bytes between values, 0 or 4. */
export function powRow(a: usize, stepA: usize, b: usize, stepB: usize, dst: usize, count: i32): void {
  const low = load<f32>(limits());
  const high = load<f32>(limits(), 16);
  for (; count > 0; count--) {
    store<f32>(dst, clampScalar(pow(load<f32>(a), load<f32>(b)), low, high));
    a += stepA;
    b += stepB;
    dst += 4;
  }
}

function pow(x: f32, y: f32): f32 {
  const a = <f64>x;
  if (y == 2) return x * x;
  if (y == 1) return x;
  if (y == 0 || x == 1) return 1;
  if (y == -1) return 1 / x;
  if (y == 3) return <f32>(a * a * a);
  if (y == 4) return <f32>(a * a * (a * a));
  if (x != x || y != y) return x + y;
  const magnitude = abs(a);
  const isInteger = trunc(y) == y;
  const isOdd = isInteger && abs(y) < 16777216 && (<i32>y & 1) != 0;
  // Infinite exponents: towards 0 or ∞ by the magnitude, 1 for ±1.
  if (abs(y) == Infinity) {
    if (magnitude == 1) return 1;
    return magnitude > 1 == y > 0 ? Infinity : 0;
  }
  if (magnitude == 0 || magnitude == Infinity) {
    const result: f32 = (magnitude == 0) == y > 0 ? 0 : Infinity;
    return isOdd ? copysign(result, x) : result;
  }
  if (x < 0 && !isInteger) return NaN;
  if (y == 0.5) return <f32>sqrt(a);
  if (y == -0.5) return <f32>(1 / sqrt(a));
  const result = <f32>exp(<f64>y * log(magnitude));
  return isOdd ? copysign(result, x) : result;
}

/** Natural logarithm of a positive normal number: 2·atanh((m − 1)/(m + 1)) with m in [√½, √2), its series to the 17th power. */
function log(x: f64): f64 {
  const bits = reinterpret<i64>(x) - SQRT_HALF_BITS;
  const n = <f64>(bits >> 52);
  const m = reinterpret<f64>((bits & 0xfffffffffffff) + SQRT_HALF_BITS);
  const s = (m - 1) / (m + 1);
  const z = s * s;
  let p: f64 = 1.0 / 17;
  p = p * z + 1.0 / 15;
  p = p * z + 1.0 / 13;
  p = p * z + 1.0 / 11;
  p = p * z + 1.0 / 9;
  p = p * z + 1.0 / 7;
  p = p * z + 1.0 / 5;
  p = p * z + 1.0 / 3;
  return n * LN2_HIGH + (n * LN2_LOW + (2 * s + 2 * s * z * p));
}

/** eˣ, 0 or ∞ far outside the range of float32: Taylor's series to the 12th power on |r| ≤ ln 2 / 2. */
function exp(x: f64): f64 {
  if (x < -200) return 0;
  if (x > 200) return Infinity;
  const n = nearest(x * LOG2_E);
  const r = x - n * LN2_HIGH - n * LN2_LOW;
  let p: f64 = 1.0 / 479001600;
  p = p * r + 1.0 / 39916800;
  p = p * r + 1.0 / 3628800;
  p = p * r + 1.0 / 362880;
  p = p * r + 1.0 / 40320;
  p = p * r + 1.0 / 5040;
  p = p * r + 1.0 / 720;
  p = p * r + 1.0 / 120;
  p = p * r + 1.0 / 24;
  p = p * r + 1.0 / 6;
  p = p * r + 0.5;
  return (p * r * r + r + 1) * reinterpret<f64>((<i64>n + 1023) << 52);
}

/** aᵇ, wrapping. A negative exponent gives 1/a^|b|, truncated: 0 but for ±1 (1/0 = 0 too, as DIV has it). */
export function integerPower<T>(a: T, b: T): T {
  if (b < <T>0) {
    if (a == <T>1) return <T>1;
    if (isSigned<T>() && a == <T>-1) return (b & <T>1) != <T>0 ? a : <T>1;
    return <T>0;
  }
  let result = <T>1;
  let factor = a;
  while (b > <T>0) {
    if ((b & <T>1) != <T>0) result = <T>(result * factor);
    factor = <T>(factor * factor);
    b = <T>(b >> <T>1);
  }
  return result;
}
