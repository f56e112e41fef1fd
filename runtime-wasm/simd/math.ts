/**
 * exp, log, tanh, erf and sigmoid of four float32, with the same bits on every machine: only + − × ÷, comparisons and bit operations.
 * At most 2 ulp from the exact value (measured over the whole range: test/steps/unary.test.ts); infinities, NaN and subnormal values as
 * IEEE 754 has them.
 *
 * The polynomials are minimax fits (Lawson's weighted least squares, each coefficient rounded to float32 before the next ones are fitted).
 * Constants stand in memory, since a vector literal costs three instructions at every use; `initMath` writes them.
 */

/** Address of the table: behind the hash's state, to the end of the reserved kilobyte. */
const TABLE: usize = 864;

const LOG2_E: usize = TABLE;
const ROUNDING: usize = TABLE + 4;
const LN2_HIGH: usize = TABLE + 8;
const LN2_LOW: usize = TABLE + 12;
const EXP_MIN: usize = TABLE + 16;
const EXP_MAX: usize = TABLE + 20;
const EXP: usize = TABLE + 24;
const LOG: usize = TABLE + 44;
const TANH: usize = TABLE + 76;
const TANH_SPLIT: usize = TABLE + 96;
const ERF: usize = TABLE + 100;
const ERFC: usize = TABLE + 124;
const ERF_SPLIT: usize = TABLE + 152;
const ONE: usize = TABLE + 156;

/** Address of the constants of GELU: behind the vectors of constants.ts, before the kernels' scratch. */
const GELU: usize = 160;
const GELU_DIVISOR: usize = GELU + 24;
const GELU_LIMIT: usize = GELU + 44;
const GELU_NEGATIVE_LIMIT: usize = GELU + 48;
const HALF: usize = GELU + 52;
const GELU_TANH: usize = GELU + 56;

/** Writes the table of constants. Must run once on every memory before the functions. */
export function initMath(): void {
  store<f32>(LOG2_E, 1.44269504);
  store<f32>(ROUNDING, 12582912);
  // 355/512, whose product with any |n| ≤ 2¹⁵ is exact, and the rest of ln 2.
  store<f32>(LN2_HIGH, 0.693359375);
  store<f32>(LN2_LOW, -2.12194440e-4);
  store<f32>(EXP_MIN, -104);
  store<f32>(EXP_MAX, 89);
  store<f32>(EXP, 0.49999994);
  store<f32>(EXP, 0.166665211, 4);
  store<f32>(EXP, 0.0416682735, 8);
  store<f32>(EXP, 0.00836868584, 12);
  store<f32>(EXP, 0.00138201355, 16);
  store<f32>(LOG, 0.333333313);
  store<f32>(LOG, -0.250008196, 4);
  store<f32>(LOG, 0.200012416, 8);
  store<f32>(LOG, -0.166234091, 12);
  store<f32>(LOG, 0.142015815, 16);
  store<f32>(LOG, -0.131596133, 20);
  store<f32>(LOG, 0.127621979, 24);
  store<f32>(LOG, -0.076363951, 28);
  store<f32>(TANH, -0.333332837);
  store<f32>(TANH, 0.133314848, 4);
  store<f32>(TANH, -0.0537430048, 8);
  store<f32>(TANH, 0.0206491034, 12);
  store<f32>(TANH, -0.00571549917, 16);
  store<f32>(TANH_SPLIT, 0.625);
  store<f32>(ERF, 0.128379151);
  store<f32>(ERF, -0.376125008, 4);
  store<f32>(ERF, 0.112818703, 8);
  store<f32>(ERF, -0.0267680734, 12);
  store<f32>(ERF, 0.00499475421, 16);
  store<f32>(ERF, -0.000599658524, 20);
  store<f32>(ERFC, 1.12865496);
  store<f32>(ERFC, 0.635124624, 4);
  store<f32>(ERFC, 0.10628172, 8);
  store<f32>(ERFC, -0.0238012671, 12);
  store<f32>(ERFC, 0.00366125535, 16);
  store<f32>(ERFC, -0.000327486545, 20);
  store<f32>(ERFC, 0.0000117046611, 24);
  store<f32>(ERF_SPLIT, 0.925);
  store<f32>(ONE, 1);
  store<f32>(GELU, 0.398942232);
  store<f32>(GELU, 0.0338528603, 4);
  store<f32>(GELU, 0.00467727100, 8);
  store<f32>(GELU, 0.000168827464, 12);
  store<f32>(GELU, 0.00000635209381, 16);
  store<f32>(GELU, 2.27491199e-8, 20);
  store<f32>(GELU_DIVISOR, 0.251522452);
  store<f32>(GELU_DIVISOR, 0.0286459867, 4);
  store<f32>(GELU_DIVISOR, 0.00188445498, 8);
  store<f32>(GELU_DIVISOR, 0.0000736478833, 12);
  store<f32>(GELU_DIVISOR, 0.00000119749166, 16);
  store<f32>(GELU_LIMIT, 5.5);
  store<f32>(GELU_NEGATIVE_LIMIT, -5.5);
  store<f32>(HALF, 0.5);
  // 2·√(2/π) and that times 0.044715.
  store<f32>(GELU_TANH, 1.59576912);
  store<f32>(GELU_TANH, 0.0713548163, 4);
}

@inline
function constant(at: usize): v128 {
  return v128.load32_splat(at);
}

/** sum·x + the constant at `at`. */
@inline
function horner(sum: v128, x: v128, at: usize): v128 {
  return f32x4.add(f32x4.mul(sum, x), constant(at));
}

/** eˣ: with n = round(x/ln 2) and r = x − n·ln 2, 2ⁿ·(1 + r + r²·P(r)). 2ⁿ in two factors, so that subnormal results round once. */
@inline
export function exp(x: v128): v128 {
  const bounded = f32x4.pmin(f32x4.pmax(x, constant(EXP_MIN)), constant(EXP_MAX));
  const magic = constant(ROUNDING);
  const shifted = f32x4.add(f32x4.mul(bounded, constant(LOG2_E)), magic);
  const n = f32x4.sub(shifted, magic);
  const r = f32x4.sub(f32x4.sub(bounded, f32x4.mul(n, constant(LN2_HIGH))), f32x4.mul(n, constant(LN2_LOW)));
  let p = horner(constant(EXP + 16), r, EXP + 12);
  p = horner(p, r, EXP + 8);
  p = horner(p, r, EXP + 4);
  p = horner(p, r, EXP);
  p = f32x4.add(f32x4.add(f32x4.mul(f32x4.mul(r, r), p), r), constant(ONE));
  const exponent = i32x4.sub(shifted, magic);
  const half = i32x4.shr_s(exponent, 1);
  const one = constant(ONE);
  const first = i32x4.add(i32x4.shl(half, 23), one);
  const second = i32x4.add(i32x4.shl(i32x4.sub(exponent, half), 23), one);
  return f32x4.mul(f32x4.mul(p, first), second);
}

/** r + r²·P(r) ≈ eʳ − 1 for |r| ≤ ½ ln 2. */
@inline
export function expRest(r: v128): v128 {
  let p = horner(constant(EXP + 16), r, EXP + 12);
  p = horner(p, r, EXP + 8);
  p = horner(p, r, EXP + 4);
  p = horner(p, r, EXP);
  return f32x4.add(f32x4.mul(f32x4.mul(r, r), p), r);
}

/**
 * Natural logarithm: x = 2ⁿ·(1 + f) with 1 + f in [√½, √2), log x = n·ln 2 + f − f²/2 + f³·P(f).
 * log 0 = −∞, of a negative number NaN.
 */
@inline
export function log(x: v128): v128 {
  const tiny = f32x4.lt(x, f32x4.splat(1.17549435e-38));
  const scaled = v128.bitselect(f32x4.mul(x, f32x4.splat(8388608)), x, tiny);
  // The bits of √½ are subtracted, so that the exponent field counts from there.
  const bits = i32x4.sub(scaled, i32x4.splat(0x3f3504f3));
  const exponent = i32x4.sub(i32x4.shr_s(bits, 23), v128.and(tiny, i32x4.splat(23)));
  const mantissa = i32x4.add(v128.and(bits, i32x4.splat(0x7fffff)), i32x4.splat(0x3f3504f3));
  const f = f32x4.sub(mantissa, constant(ONE));
  const n = f32x4.convert_i32x4_s(exponent);
  let p = horner(constant(LOG + 28), f, LOG + 24);
  p = horner(p, f, LOG + 20);
  p = horner(p, f, LOG + 16);
  p = horner(p, f, LOG + 12);
  p = horner(p, f, LOG + 8);
  p = horner(p, f, LOG + 4);
  p = horner(p, f, LOG);
  const square = f32x4.mul(f, f);
  const small = f32x4.sub(f32x4.add(f32x4.mul(f32x4.mul(square, f), p), f32x4.mul(n, constant(LN2_LOW))), f32x4.mul(square, f32x4.splat(0.5)));
  const result = f32x4.add(f32x4.add(small, f), f32x4.mul(n, constant(LN2_HIGH)));
  // Zero, negative numbers, +∞ and NaN.
  const infinity = f32x4.splat(Infinity);
  const isOrdinary = v128.and(f32x4.gt(x, f32x4.splat(0)), f32x4.lt(x, infinity));
  const isZero = f32x4.eq(x, f32x4.splat(0));
  const isNegative = f32x4.lt(x, f32x4.splat(0));
  const special = v128.or(v128.bitselect(f32x4.splat(-Infinity), x, isZero), isNegative);
  return v128.bitselect(result, special, isOrdinary);
}

/** 1/(1 + e⁻ˣ), from e^−|x|, so that neither end overflows. */
@inline
export function sigmoid(x: v128): v128 {
  const e = exp(v128.or(x, f32x4.splat(-0)));
  const one = constant(ONE);
  const numerator = v128.bitselect(e, one, f32x4.lt(x, f32x4.splat(0)));
  return f32x4.div(numerator, f32x4.add(one, e));
}

/** Hyperbolic tangent: x + x·s·P(s), s = x², for |x| < 0.625, else 1 − 2/(e^2|x| + 1) with the sign of x. */
@inline
export function tanh(x: v128): v128 {
  const sign = f32x4.splat(-0);
  const t = v128.andnot(x, sign);
  const s = f32x4.mul(x, x);
  let p = horner(constant(TANH + 16), s, TANH + 12);
  p = horner(p, s, TANH + 8);
  p = horner(p, s, TANH + 4);
  p = horner(p, s, TANH);
  const near = f32x4.add(f32x4.mul(f32x4.mul(p, s), x), x);
  const one = constant(ONE);
  const e = f32x4.add(exp(f32x4.add(t, t)), one);
  const far = f32x4.sub(one, f32x4.div(f32x4.add(one, one), e));
  return v128.or(v128.bitselect(near, far, f32x4.lt(t, constant(TANH_SPLIT))), v128.and(x, sign));
}

/** Error function: x + x·P(x²) for |x| < 0.925, else 1 − e^(−t·Q(t)) with t = |x| and the sign of x; 1 from t = 4. */
@inline
export function erf(x: v128): v128 {
  const sign = f32x4.splat(-0);
  const t = f32x4.pmin(v128.andnot(x, sign), f32x4.splat(4));
  const s = f32x4.mul(x, x);
  let p = horner(constant(ERF + 20), s, ERF + 16);
  p = horner(p, s, ERF + 12);
  p = horner(p, s, ERF + 8);
  p = horner(p, s, ERF + 4);
  p = horner(p, s, ERF);
  const near = f32x4.add(f32x4.mul(p, x), x);
  let q = horner(constant(ERFC + 24), t, ERFC + 20);
  q = horner(q, t, ERFC + 16);
  q = horner(q, t, ERFC + 12);
  q = horner(q, t, ERFC + 8);
  q = horner(q, t, ERFC + 4);
  q = horner(q, t, ERFC);
  const far = f32x4.sub(constant(ONE), exp(f32x4.neg(f32x4.mul(q, t))));
  return v128.or(v128.bitselect(near, far, f32x4.lt(t, constant(ERF_SPLIT))), v128.and(x, sign));
}

/**
 * x·Φ(x), Φ the normal distribution: ½ + t·P(t²)/Q(t²) with t = x within ±5.5, where the quotient reaches ½ and is cut off. Within 1.2e-6 of the
 * exact value for |x| < 8, 4e-7 of it for positive x.
 */
@inline
export function gelu(x: v128): v128 {
  const t = f32x4.pmin(f32x4.pmax(x, constant(GELU_NEGATIVE_LIMIT)), constant(GELU_LIMIT));
  const s = f32x4.mul(t, t);
  let p = horner(constant(GELU + 20), s, GELU + 16);
  p = horner(p, s, GELU + 12);
  p = horner(p, s, GELU + 8);
  p = horner(p, s, GELU + 4);
  p = horner(p, s, GELU);
  let q = horner(constant(GELU_DIVISOR + 16), s, GELU_DIVISOR + 12);
  q = horner(q, s, GELU_DIVISOR + 8);
  q = horner(q, s, GELU_DIVISOR + 4);
  q = horner(q, s, GELU_DIVISOR);
  q = horner(q, s, ONE);
  const half = constant(HALF);
  const g = f32x4.div(f32x4.mul(t, p), q);
  return f32x4.mul(x, f32x4.add(half, f32x4.pmin(f32x4.pmax(g, f32x4.neg(half)), half)));
}

/** x·sigmoid(x·(A + B·x²)), the approximation of GELU by a hyperbolic tangent. */
@inline
export function geluTanh(x: v128): v128 {
  const factor = horner(constant(GELU_TANH + 4), f32x4.mul(x, x), GELU_TANH);
  return f32x4.mul(x, sigmoid(f32x4.mul(x, factor)));
}
