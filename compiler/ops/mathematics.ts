/**
 * Transcendental functions of float64 with the same bits on every engine: + − × ÷, comparisons, exact conversions and the bits of
 * a number, never the engine's own exp, log or pow. Results are within 2 units in the last place (test/ops/mathematics.test.ts).
 *
 * Small arguments take Taylor series, whose coefficients are made here by division; constants in two parts (HIGH + LOW) are the
 * digits of π and ln 2 cut where products with the integers of argument reduction stay exact.
 */

const LOG2_E = 1.4426950408889634;
/** ln 2 in 32 bits, and the rest. */
const LN2_HIGH = 0.6931471803691238;
const LN2_LOW = 1.9082149292705877e-10;
const SQRT_HALF = 0.7071067811865476;

const view = new DataView(new ArrayBuffer(8));

/** 2ⁿ for n in [−1022, 1023]. */
function powerOfTwo(n: number): number {
  view.setUint32(0, (n + 1023) << 20);
  view.setUint32(4, 0);
  return view.getFloat64(0);
}

/** x·2ⁿ for x in [½, 2), rounded once. */
function scale(x: number, n: number): number {
  if (n > 1023) return n > 1025 ? x * Infinity : x * powerOfTwo(1000) * powerOfTwo(n - 1000);
  if (n >= -1021) return x * powerOfTwo(n);
  return n < -1080 ? x * 0 : x * powerOfTwo(n + 60) * powerOfTwo(-60);
}

/** The n of x = m·2ⁿ with m in [√½, √2), for a positive finite x. */
function binaryExponent(x: number): number {
  if (x < 2.2250738585072014e-308) return binaryExponent(x * powerOfTwo(60)) - 60;
  view.setFloat64(0, x);
  const n = (view.getUint32(0) >>> 20) - 1023;
  return x * powerOfTwo(-(n >> 1)) * powerOfTwo(-(n - (n >> 1))) >= 2 * SQRT_HALF ? n + 1 : n;
}

/** The sum of coefficients[i]·xⁱ. */
export function polynomial(coefficients: Float64Array, x: number): number {
  let sum = 0;
  for (let i = coefficients.length - 1; i >= 0; i--) sum = sum * x + coefficients[i]!;
  return sum;
}

/** 1/2!, 1/3!, … */
const EXP = inverseFactorials(14);
const EXPM1 = inverseFactorials(20);

function inverseFactorials(count: number): Float64Array {
  return Float64Array.from({ length: count }, (_, i) => 1 / factorial(i + 2));
}

/** n! for n up to 22, where it is exact. */
export function factorial(n: number): number {
  let product = 1;
  for (let i = 2; i <= n; i++) product *= i;
  return product;
}

/** eˣ. */
export function exp(x: number): number {
  return expOfSum(x, 0);
}

/**
 * e^(x + y) for |y| far below |x|: with n = round(x/ln 2) and r = x − n·ln 2, 2ⁿ·(1 + r + r²·P(r)).
 */
function expOfSum(x: number, y: number): number {
  if (Number.isNaN(x)) return x;
  if (x > 710) return Infinity;
  if (x < -746) return 0;
  const n = Math.floor(x * LOG2_E + 0.5);
  const high = x - n * LN2_HIGH;
  const low = n * LN2_LOW - y;
  const r = high - low;
  const error = high - r - low;
  return scale(1 + (r + (r * r * polynomial(EXP, r) + error * (1 + r))), n);
}

/** eˣ − 1, also where x is tiny. */
export function expm1(x: number): number {
  if (x === 0) return x;
  return x > -1 && x < 1 ? x + x * x * polynomial(EXPM1, x) : exp(x) - 1;
}

/** 2/3, 2/5, 2/7, … */
const LOG = Float64Array.from({ length: 12 }, (_, i) => 2 / (2 * i + 3));

/**
 * Natural logarithm: x = 2ⁿ·(1 + f), s = f/(2 + f), log(1 + f) = 2·artanh s = f − f²/2 + s·(f²/2 + Σ 2·s^2k/(2k + 1)).
 * log 0 = −∞; of a negative number NaN.
 */
export function log(x: number): number {
  if (!(x > 0)) return x === 0 ? -Infinity : NaN;
  if (x === Infinity) return x;
  const n = binaryExponent(x);
  const f = mantissa(x, n) - 1;
  const s = f / (2 + f);
  const z = s * s;
  const half = 0.5 * f * f;
  return n * LN2_HIGH - (half - (s * (half + z * polynomial(LOG, z)) + n * LN2_LOW) - f);
}

/** x·2⁻ⁿ, exactly. */
function mantissa(x: number, n: number): number {
  if (n < -1000) return x * powerOfTwo(1000) * powerOfTwo(-n - 1000);
  return n > 1000 ? x * powerOfTwo(-1000) * powerOfTwo(1000 - n) : x * powerOfTwo(-n);
}

/** log(1 + x), also where x is tiny. */
export function log1p(x: number): number {
  const u = 1 + x;
  if (u === 1) return x;
  // The rounding of u cancels in the quotient: log u / (u − 1) changes slowly.
  return u === Infinity ? u : log(u) * (x / (u - 1));
}

/** Coefficients of x³, x⁵, … in tanh x, from tanh′ = 1 − tanh². */
const TANH = tanhCoefficients(19);

function tanhCoefficients(count: number): Float64Array {
  const c = [1];
  for (let k = 1; k <= count; k++) {
    let sum = 0;
    for (let i = 0; i < k; i++) sum += c[i]! * c[k - 1 - i]!;
    c.push(-sum / (2 * k + 1));
  }
  return Float64Array.from(c.slice(1));
}

/** Hyperbolic tangent: its Taylor series up to 0.55, 1 − 2/(e^2x + 1) above. */
export function tanh(x: number): number {
  if (x === 0) return x;
  const t = x < 0 ? -x : x;
  if (t < 0.55) return x + x * (x * x * polynomial(TANH, x * x));
  if (Number.isNaN(x)) return x;
  const y = t > 22 ? 1 : 1 - 2 / (exp(2 * t) + 1);
  return x < 0 ? -y : y;
}

/** 1/(1 + e⁻ˣ). */
export function sigmoid(x: number): number {
  if (x >= 0) return 1 / (1 + exp(-x));
  const e = exp(x);
  return e / (1 + e);
}

/** 2/√π − 1, then (2/√π)·(−1)ᵏ/(k!·(2k + 1)). */
const ERF = Float64Array.from({ length: 18 }, (_, k) =>
  k === 0 ? 0.1283791670955126 : ((k % 2 === 0 ? 1 : -1) * 1.1283791670955126) / (factorial(k) * (2 * k + 1)),
);

/** e^(−k²/4) for k = 1, 2, … */
const GAUSS = Float64Array.of(
  0.7788007830714049,
  0.36787944117144233,
  0.10539922456186433,
  0.01831563888873418,
  0.0019304541362277093,
  0.00012340980408667956,
  0.000004785117392129009,
  1.1253517471925912e-7,
  1.6052280551856116e-9,
  1.3887943864964021e-11,
  7.287724095819692e-14,
  2.3195228302435696e-16,
  4.4777324417183015e-19,
);

/** Error function: its Taylor series up to 0.85, 1 − erfc x above. */
export function erf(x: number): number {
  if (x > -0.85 && x < 0.85) return x + x * polynomial(ERF, x * x);
  return x < 0 ? erfc(-x) - 1 : 1 - erfc(x);
}

/**
 * Complementary error function, also where it is tiny (relative error below 1e−14):
 *
 *   erfc x = (x·h/π)·e^(−x²)·(1/x² + 2·Σ e^(−k²h²)/(x² + k²h²)) − 2/(e^(2πx/h) − 1),  h = ½
 *
 * the trapezoidal rule for ∫ e^(−t²)/(x² + t²) dt with the residue of its pole (Chiarella and Reichel, 1968).
 */
export function erfc(x: number): number {
  if (x < 0.85) return 1 - erf(x);
  if (Number.isNaN(x)) return x;
  if (x > 28) return 0;
  const [square, low] = exactProduct(x, x);
  let sum = 0;
  for (let k = GAUSS.length; k >= 1; k--) sum += GAUSS[k - 1]! / (square + 0.25 * k * k);
  const gauss = expOfSum(-square, -low);
  return x * 0.15915494309189535 * gauss * (1 / square + 2 * sum) - (x < 6 ? 2 / (exp(12.566370614359172 * x) - 1) : 0);
}

/** a·b as the rounded product and its error (Veltkamp, Dekker 1971), for factors below 2⁹⁹⁰. */
function exactProduct(a: number, b: number): readonly [number, number] {
  const p = a * b;
  const ta = 134217729 * a;
  const ah = ta - (ta - a);
  const al = a - ah;
  const tb = 134217729 * b;
  const bh = tb - (tb - b);
  const bl = b - bh;
  return [p, ah * bh - p + ah * bl + al * bh + al * bl];
}

/** 2/5, 2/7, … of log's series, from the term in s⁵ on, halved. */
const ARTANH = Float64Array.from({ length: 14 }, (_, i) => 1 / (2 * i + 5));

/** xʸ as IEEE 754 pow: x⁰ = 1 and 1ʸ = 1 also for NaN; a negative x asks for an integer y. */
export function pow(x: number, y: number): number {
  if (y === 0 || x === 1) return 1;
  if (Number.isNaN(x) || Number.isNaN(y)) return NaN;
  const isOdd = Number.isInteger(y) && y % 2 !== 0;
  const size = x < 0 ? -x : x;
  if (size === 0 || size === Infinity || y === Infinity || y === -Infinity) return powOfExtremes(x, y, isOdd);
  if (x < 0 && !Number.isInteger(y)) return NaN;
  const result = size === 1 ? 1 : positivePower(size, y);
  return x < 0 && isOdd ? -result : result;
}

function powOfExtremes(x: number, y: number, isOdd: boolean): number {
  const size = x < 0 ? -x : x;
  if (size === 1) return 1;
  if (y === Infinity || y === -Infinity) return size > 1 === y > 0 ? Infinity : 0;
  const result = (size === 0) === y > 0 ? 0 : Infinity;
  const isNegative = x < 0 || Object.is(x, -0);
  return isNegative && isOdd ? -result : result;
}

/** e^(y·log x), the logarithm to about 2⁻⁶⁵. */
function positivePower(x: number, y: number): number {
  if (y === 1) return x;
  if (y === 2) return x * x;
  if (y === -1) return 1 / x;
  const n = binaryExponent(x);
  const m = mantissa(x, n);
  // s = (m − 1)/(m + 1) in two parts.
  const f = m - 1;
  const sum = m + 1;
  const sumLow = m > 1 ? 1 - (sum - m) : m - (sum - 1);
  const s = f / sum;
  const [p, e] = exactProduct(s, sum);
  const sLow = (f - p - e - s * sumLow) / sum;
  // log m = 2·(s + s³·(1/3 + s²/5 + …)); s³ and the bracket in two parts each.
  const [z, ze] = exactProduct(s, s);
  const zLow = ze + 2 * s * sLow;
  const tail = z * polynomial(ARTANH, z) + 1.850371707708594e-17;
  const bracket = 1 / 3 + tail;
  const bracketLow = 1 / 3 - bracket + tail;
  const [cube, ce] = exactProduct(z, s);
  const cubeLow = ce + z * sLow + zLow * s;
  const [t, te] = exactProduct(cube, bracket);
  const tLow = te + cube * bracketLow + cubeLow * bracket;
  // n·ln 2 + 2s + 2t, the larger terms first.
  const a = n * LN2_HIGH;
  const b = 2 * s;
  const ab = n === 0 ? b : a + b;
  const abLow = n === 0 ? 0 : a - ab + b;
  const high = ab + 2 * t;
  const low = ab - high + 2 * t + (abLow + 2 * (sLow + tLow) + n * LN2_LOW);
  if (y > 1e300 || y < -1e300) return high > 0 === y > 0 ? Infinity : 0;
  const [power, powerError] = exactProduct(y, high);
  if (power > 710 || power < -746) return power > 0 ? Infinity : 0;
  return expOfSum(power, powerError + y * low);
}

/** Hyperbolic sine. */
export function sinh(x: number): number {
  const t = Math.abs(x);
  const u = expm1(t);
  const y = t > 40 ? exp(t / 2) * (exp(t / 2) / 2) : (u + u / (u + 1)) / 2;
  return x < 0 ? -y : x === 0 ? x : y;
}

/** Hyperbolic cosine. */
export function cosh(x: number): number {
  const e = exp(Math.abs(x) / 2);
  return Math.abs(x) > 40 ? e * (e / 2) : (e * e + 1 / (e * e)) / 2;
}

/** Inverse of sinh. */
export function asinh(x: number): number {
  const t = Math.abs(x);
  const y = t > 1e9 ? log(t) + Math.LN2 : log1p(t + (t * t) / (1 + Math.sqrt(t * t + 1)));
  return x < 0 ? -y : x === 0 ? x : y;
}

/** Inverse of cosh, for x from 1 on. */
export function acosh(x: number): number {
  const d = x - 1;
  return x > 1e9 ? log(x) + Math.LN2 : log1p(d + Math.sqrt(2 * d + d * d));
}

/** Inverse of tanh. */
export function atanh(x: number): number {
  const t = Math.abs(x);
  const y = log1p((2 * t) / (1 - t)) / 2;
  return x < 0 ? -y : x === 0 ? x : y;
}
