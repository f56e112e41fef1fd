/**
 * eˣ − 1 and log(1 + x) of four float32, accurate near 0 too, and what follows from them.
 *
 * sin, cos and tan are computed one by one in float64: x − n·π/2 with π/2 in three parts, then Taylor polynomials. Up to |x| = 2²⁰ the
 * result is the nearest float32 but for rare cases; beyond, the angle loses digits as |x|·2⁻⁷⁰ does.
 */
import { exp, expRest, log } from "./math.ts";

/** eˣ − 1: r + r²·P(r) where |x| < ½ ln 2, else by eˣ. */
@inline
export function expm1(x: v128): v128 {
  const near = f32x4.lt(f32x4.abs(x), f32x4.splat(0.34657359));
  return v128.bitselect(expRest(x), f32x4.sub(exp(x), f32x4.splat(1)), near);
}

/** log(1 + x) for x > −1: log u·x/(u − 1) with u = 1 + x rounded, whose error the quotient takes back (Kahan). */
@inline
export function log1p(x: v128): v128 {
  const one = f32x4.splat(1);
  const u = f32x4.add(one, x);
  const d = f32x4.sub(u, one);
  const large = log(u);
  const corrected = f32x4.mul(large, f32x4.div(x, d));
  const isTiny = f32x4.eq(d, f32x4.splat(0));
  const isOrdinary = f32x4.lt(f32x4.abs(x), f32x4.splat(1e30));
  return v128.bitselect(x, v128.bitselect(corrected, large, isOrdinary), isTiny);
}

/** log(1 + eˣ) = max(x, 0) + log(1 + e^−|x|). */
@inline
export function softplus(x: v128): v128 {
  return f32x4.add(f32x4.max(x, f32x4.splat(0)), log1p(exp(v128.or(x, f32x4.splat(-0)))));
}

/** (u + u/(u + 1))/2 with u = e^|x| − 1, and the sign of x; e^(|x| − 1)·e/2 where that overflows. */
@inline
export function sinh(x: v128): v128 {
  const sign = f32x4.splat(-0);
  const t = v128.andnot(x, sign);
  const one = f32x4.splat(1);
  const half = f32x4.splat(0.5);
  const u = expm1(t);
  const near = f32x4.mul(half, f32x4.add(u, f32x4.div(u, f32x4.add(u, one))));
  const isLarge = f32x4.gt(t, f32x4.splat(44));
  return v128.or(v128.bitselect(halfExp(t), near, isLarge), v128.and(x, sign));
}

/** (e^|x| + e^−|x|)/2. */
@inline
export function cosh(x: v128): v128 {
  const t = f32x4.abs(x);
  const half = f32x4.splat(0.5);
  const e = exp(t);
  const near = f32x4.mul(half, f32x4.add(e, f32x4.div(f32x4.splat(1), e)));
  return v128.bitselect(halfExp(t), near, f32x4.gt(t, f32x4.splat(44)));
}

/** eᵗ/2 without overflow where the half of it is finite: e^(t/2)·(e^(t/2)/2). */
@inline
function halfExp(t: v128): v128 {
  const e = exp(f32x4.mul(t, f32x4.splat(0.5)));
  return f32x4.mul(e, f32x4.mul(e, f32x4.splat(0.5)));
}

/** log(1 + |x| + x²/(1 + √(x² + 1))) with the sign of x; log 2|x| where x² is large. */
@inline
export function asinh(x: v128): v128 {
  const sign = f32x4.splat(-0);
  const t = v128.andnot(x, sign);
  const one = f32x4.splat(1);
  const s = f32x4.mul(t, t);
  const near = log1p(f32x4.add(t, f32x4.div(s, f32x4.add(one, f32x4.sqrt(f32x4.add(s, one))))));
  return v128.or(v128.bitselect(logDouble(t), near, f32x4.gt(t, f32x4.splat(1e8))), v128.and(x, sign));
}

/** log(1 + d + √(2d + d²)) with d = x − 1; log 2x where x is large. */
@inline
export function acosh(x: v128): v128 {
  const d = f32x4.sub(x, f32x4.splat(1));
  const near = log1p(f32x4.add(d, f32x4.sqrt(f32x4.add(f32x4.add(d, d), f32x4.mul(d, d)))));
  const isBelow = f32x4.lt(d, f32x4.splat(0));
  return v128.or(v128.bitselect(logDouble(x), near, f32x4.gt(x, f32x4.splat(1e8))), isBelow);
}

@inline
function logDouble(t: v128): v128 {
  return f32x4.add(log(t), f32x4.splat(0.693147182));
}

/** log(1 + 2t/(1 − t))/2 with t = |x| and the sign of x. */
@inline
export function atanh(x: v128): v128 {
  const sign = f32x4.splat(-0);
  const t = v128.andnot(x, sign);
  const ratio = f32x4.div(f32x4.add(t, t), f32x4.sub(f32x4.splat(1), t));
  return v128.or(f32x4.mul(f32x4.splat(0.5), log1p(ratio)), v128.and(x, sign));
}

/** sin(x + quarters·π/2). */
export function circular(x: f32, quarters: i32): f32 {
  const n = quarterTurns(x);
  const r = reduced(x, n);
  const quarter = <i32>(n - 4 * floor(n * 0.25)) + quarters;
  const y = (quarter & 1) == 0 ? sine(r) : cosine(r);
  return <f32>((quarter & 2) == 0 ? y : -y);
}

/** sin x / cos x. */
export function tangent(x: f32): f32 {
  const n = quarterTurns(x);
  const r = reduced(x, n);
  const ratio = sine(r) / cosine(r);
  return <f32>(n == 2 * floor(n * 0.5) ? ratio : -1 / ratio);
}

/** Quarters of a turn in x; NaN for what is not finite. */
function quarterTurns(x: f32): f64 {
  const wide = <f64>x;
  return wide - wide == 0 ? nearest(wide * 0.6366197723675814) : NaN;
}

/** x − n·π/2, π/2 in parts of 33, 33 and 53 bits: products with n up to 2²⁰ are exact, and beyond the last one carries the rest. */
function reduced(x: f32, n: f64): f64 {
  return <f64>x - n * 1.5707963267341256 - n * 6.0771005063039097e-11 - n * 2.0222662487959506e-21;
}

function sine(r: f64): f64 {
  const z = r * r;
  return r + r * z * (-0.16666666666666666 + z * (0.008333333333333333 + z * (-1.984126984126984e-4 + z * (2.7557319223985893e-6 + z * -2.505210838544172e-8))));
}

function cosine(r: f64): f64 {
  const z = r * r;
  return 1 + z * (-0.5 + z * (0.041666666666666664 + z * (-0.001388888888888889 + z * (2.48015873015873e-5 + z * (-2.7557319223985894e-7 + z * 2.08767569878681e-9)))));
}

/** The angle whose tangent is x: arguments in (tan π/8, ∞) are brought to [0, tan π/8] by x → (x − 1)/(x + 1) or −1/x. */
export function arctangent(x: f64): f64 {
  const t = abs(x);
  const isFar = t > 2.414213562373095;
  const isMiddle = !isFar && t > 0.41421356237309503;
  const u = isFar ? -1 / t : isMiddle ? (t - 1) / (t + 1) : t;
  const z = u * u;
  // The Taylor series to u²³: below 10⁻⁹ of the value at tan π/8.
  let p: f64 = 0;
  for (let k = 23; k > 0; k -= 2) p = 1 / <f64>k - z * p;
  const base = isFar ? 1.5707963267948966 : isMiddle ? 0.7853981633974483 : 0;
  return copysign(base + u * p, x);
}
