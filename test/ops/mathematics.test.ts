import { describe, expect, test } from "vitest";
import * as M from "../../compiler/ops/mathematics.ts";
import * as T from "../../compiler/ops/trigonometry.ts";
import { randomNumbers } from "./operation.ts";

const FUNCTIONS = { ...M, ...T };

const view = new DataView(new ArrayBuffer(8));

/** Position of x among all float64 in order. */
function ordinal(x: number): bigint {
  view.setFloat64(0, x);
  const bits = view.getBigInt64(0);
  return bits < 0n ? -(bits & 0x7fffffffffffffffn) : bits;
}

/** Distance in units in the last place; 0 for two NaN. */
function ulps(a: number, b: number): number {
  if (Number.isNaN(a) || Number.isNaN(b)) return Number.isNaN(a) && Number.isNaN(b) ? 0 : Infinity;
  return Math.abs(Number(ordinal(a) - ordinal(b)));
}

/** Engines stay within 1 ulp of the exact value, the functions here within 2. */
const BOUND = 3;

const RANGES: Readonly<Record<"exp" | "expm1" | "log" | "log1p" | "tanh" | "sin" | "cos", (r: () => number) => number>> = {
  exp: (r) => (r() - 0.5) * 1500,
  expm1: (r) => (r() - 0.5) * 10 ** (r() * 6 - 4),
  log: (r) => (r() < 0.5 ? r() * 2 : 2 ** ((r() - 0.5) * 2000)),
  log1p: (r) => (r() < 0.5 ? r() * 1e-3 : r() * 50 - 0.999),
  tanh: (r) => (r() - 0.5) * 40 * r(),
  sin: (r) => (r() - 0.5) * 10 ** (r() * 40),
  cos: (r) => (r() - 0.5) * 10 ** (r() * 40),
};

describe("functions of float64", () => {
  for (const name of Object.keys(RANGES) as (keyof typeof RANGES)[]) {
    test(`${name} agrees with the engine's`, () => {
      const next = randomNumbers(20_240_601);
      for (let i = 0; i < 20_000; i++) {
        const x = RANGES[name](next);
        expect(ulps(FUNCTIONS[name](x), Math[name](x)), `${name}(${x})`).toBeLessThanOrEqual(BOUND);
      }
    });
    test.each([0, -0, 1, -1, 0.5, 2, NaN, Infinity, -Infinity, 5e-324, -1e-310, 1e300])(`${name}(%d) is the engine's`, (x) => {
      const expected = Math[name](x);
      expect(ulps(FUNCTIONS[name](x), expected)).toBeLessThanOrEqual(BOUND);
      if (expected === 0) expect(FUNCTIONS[name](x)).toBe(expected);
    });
  }

  test("exp reaches both ends of the range", () => {
    expect(ulps(M.exp(709.78), 1.7928227943945155e308)).toBeLessThanOrEqual(2);
    expect(M.exp(709.79)).toBe(Infinity);
    expect(ulps(M.exp(-745.1), 5e-324)).toBe(0);
    expect(M.exp(-745.2)).toBe(0);
    expect(ulps(M.exp(-720), Math.exp(-720))).toBeLessThanOrEqual(1);
  });

  test("sin is right beside a large multiple of π", () => {
    expect(T.sin(6381956970095103 * 2 ** 797)).toBeCloseTo(1, 15);
    expect(Math.abs(T.cos(6381956970095103 * 2 ** 797) / -4.687165924254628e-19 - 1)).toBeLessThan(1e-15);
  });

  test("pow agrees with the engine's", () => {
    const next = randomNumbers(7);
    for (let i = 0; i < 20_000; i++) {
      const x = next() < 0.5 ? next() * 4 : 2 ** ((next() - 0.5) * 2000);
      const y = next() < 0.3 ? (next() - 0.5) * 10 : ((next() - 0.5) * 1400) / Math.abs(Math.log(x));
      expect(ulps(M.pow(x, y), x ** y), `${x}^${y}`).toBeLessThanOrEqual(BOUND);
    }
  });

  test("pow follows IEEE 754 in its special cases", () => {
    const special = [0, -0, 1, -1, 2, -2, 0.5, -0.5, 3, -3, Infinity, -Infinity, NaN, 1e308, -1e-320];
    for (const x of special) {
      for (const y of special) {
        // JavaScript has NaN where IEEE 754 has 1: 1^y, and (−1)^±∞.
        const isOne = x === 1 || (x === -1 && (y === Infinity || y === -Infinity));
        const expected = isOne ? 1 : x ** y;
        expect(ulps(M.pow(x, y), expected), `${x}^${y}`).toBeLessThanOrEqual(BOUND);
        if (expected === 0) expect(M.pow(x, y)).toBe(expected);
      }
    }
  });

  // Values from mpmath with 60 digits.
  test.each([
    [0.001, 0.0011283787909692365, 0.9988716212090307],
    [0.5, 0.5204998778130465, 0.4795001221869535],
    [0.84, 0.7651427114549945, 0.23485728854500548],
    [0.85, 0.7706680576083526, 0.22933194239164748],
    [1, 0.8427007929497149, 0.15729920705028513],
    [2, 0.9953222650189527, 0.004677734981047266],
    [3, 0.9999779095030014, 0.00002209049699858544],
    [5, 0.9999999999984626, 1.537459794428035e-12],
    [5.99, 1, 2.4300455127321346e-17],
    [6.01, 1, 1.905345579029651e-17],
    [10, 1, 2.088487583762545e-45],
    [26, 1, 5.663192408856143e-296],
  ])("erf and erfc of %d are exact to their last places", (x, erf, erfc) => {
    expect(ulps(M.erf(x), erf)).toBeLessThanOrEqual(2);
    expect(M.erf(-x)).toBe(-M.erf(x));
    expect(Math.abs(M.erfc(x) / erfc - 1)).toBeLessThan(2e-14);
  });

  test("sigmoid loses nothing at either end", () => {
    expect(M.sigmoid(0)).toBe(0.5);
    expect(M.sigmoid(-745)).toBeGreaterThan(0);
    expect(M.sigmoid(800)).toBe(1);
    expect(M.sigmoid(-800)).toBe(0);
    expect(ulps(M.sigmoid(-30), 9.357622968839299e-14)).toBeLessThanOrEqual(2);
  });

  test("gives the same bits on every engine", () => {
    let hash = 0x811c9dc5;
    const next = randomNumbers(99);
    for (let i = 0; i < 2000; i++) {
      const x = (next() - 0.5) * 20;
      for (const y of [
        M.exp(x),
        M.log(x * x),
        M.tanh(x),
        M.erf(x),
        M.erfc(x),
        T.sin(x * 1e6),
        T.cos(x * 1e20),
        M.pow(x * x, x),
        M.log1p(x * x),
        M.expm1(x / 10),
      ]) {
        view.setFloat64(0, y);
        for (let byte = 0; byte < 8; byte++) hash = Math.imul(hash ^ view.getUint8(byte), 0x01000193) >>> 0;
      }
    }
    expect(hash).toBe(1487723015);
  });
});
