/**
 * Sine, cosine and the arcs, of float64 with the same bits on every engine, as mathematics.ts says. π/2 is taken off in parts whose products
 * with the quarter's number are exact.
 */
import { factorial, polynomial } from "./mathematics.ts";

/** 1/3!, −1/5!, … and 1/4!, −1/6!, … with the signs that follow x − and 1 − x²/2 +. */
const SIN = Float64Array.from({ length: 9 }, (_, i) => (i % 2 === 0 ? -1 : 1) / factorial(2 * i + 3));
const COS = Float64Array.from({ length: 9 }, (_, i) => (i % 2 === 0 ? 1 : -1) / factorial(2 * i + 4));

/** Sine. */
export function sin(x: number): number {
  return x === 0 ? x : circular(x, 0);
}

/** Cosine. */
export function cos(x: number): number {
  return circular(x, 1);
}

/** sin(x + quarters·π/2). */
function circular(x: number, quarters: number): number {
  if (!Number.isFinite(x)) return NaN;
  const [n, r, low] = x > -1048576 && x < 1048576 ? reduceSmall(x) : reduceLarge(x);
  const quarter = (n + quarters) & 3;
  const z = r * r;
  // sin(r + low) = sin r + low·cos r, cos(r + low) = cos r − low·sin r.
  const y = quarter % 2 === 0 ? r + (r * (z * polynomial(SIN, z)) + low * (1 - 0.5 * z)) : cosine(r, z, low);
  return quarter < 2 ? y : -y;
}

function cosine(r: number, z: number, low: number): number {
  const half = 0.5 * z;
  const first = 1 - half;
  return first + (1 - first - half + (z * z * polynomial(COS, z) - r * low));
}

/** x = n·π/2 + r + low with |r| ≤ π/4: π/2 in parts of 33 bits, whose products with n are exact. */
function reduceSmall(x: number): readonly [number, number, number] {
  const n = Math.floor(x * 0.6366197723675814 + 0.5);
  const first = x - n * 1.5707963267341256;
  const second = n * 6.077100506303966e-11;
  const sum = first - second;
  const part = sum - first;
  const error = first - (sum - part) - (second + part);
  const rest = error - n * 2.0222662487959506e-21;
  const r = sum + rest;
  return [n, r, sum - r + rest];
}

/** The same for |x| ≥ 2²⁰, a multiple of 2⁻³², in integers of 1200 binary places. */
function reduceLarge(x: number): readonly [number, number, number] {
  const places = 1200n;
  const halfPi = piTimesPowerOfTwo(places) >> 1n;
  const scaled = Number.isInteger(x) ? BigInt(x) << places : BigInt(x * 2 ** 32) << (places - 32n);
  let n = scaled / halfPi;
  let rest = scaled - n * halfPi;
  if (rest < 0n) {
    n -= 1n;
    rest += halfPi;
  }
  if (2n * rest > halfPi) {
    n += 1n;
    rest -= halfPi;
  }
  const short = rest >> (places - 160n);
  const r = Number(short) * 2 ** -160;
  const low = Number(short - BigInt(r * 2 ** 160)) * 2 ** -160;
  return [Number(n & 3n), r, low];
}

let pi: bigint | null = null;

/** ⌊π·2^places⌋, to some units in the last place (Machin: π = 16·arctan(1/5) − 4·arctan(1/239)). */
function piTimesPowerOfTwo(places: bigint): bigint {
  pi ??= 4n * (4n * arctanOfInverse(5n, places) - arctanOfInverse(239n, places));
  return pi;
}

function arctanOfInverse(n: bigint, places: bigint): bigint {
  let term = (1n << places) / n;
  let sum = term;
  for (let k = 3n; term !== 0n; k += 2n) {
    term = -term / (n * n);
    sum += term / k;
  }
  return sum;
}

/** Arc tangent: |x| > 1 by π/2 − atan(1/x), then halved twice by x/(1 + √(1 + x²)), so that the series is short. */
export function atan(x: number): number {
  const t = Math.abs(x);
  if (Number.isNaN(x)) return x;
  const start = t > 1 ? 1 / t : t;
  const half = start / (1 + Math.sqrt(1 + start * start));
  const u = half / (1 + Math.sqrt(1 + half * half));
  const z = u * u;
  let p = 0;
  for (let k = 25; k > 0; k -= 2) p = 1 / k - z * p;
  const angle = 4 * u * p;
  const y = t > 1 ? Math.PI / 2 - angle : angle;
  return x < 0 || Object.is(x, -0) ? -y : y;
}

/** Arc sine. */
export function asin(x: number): number {
  return x === 0 ? x : atan(x / Math.sqrt((1 - x) * (1 + x)));
}

/** Arc cosine. */
export function acos(x: number): number {
  return 2 * atan(Math.sqrt((1 - x) / (1 + x)));
}
