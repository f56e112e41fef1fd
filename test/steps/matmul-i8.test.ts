/** MATMUL_I8 against a triple loop in TypeScript, byte for byte. */
import { describe, expect, it } from "vitest";
import { FLOAT32, INT8 } from "../../format/dtypes.ts";
import { MATMUL_I8 } from "../../format/opcodes.ts";
import * as MatmulI8 from "../../format/steps/matmul-i8.ts";
import { between, clamp, randomInt8, requantize } from "../support/reference-arithmetic.ts";
import { floatBits, randomSource, stepBench } from "../support/step-bench.ts";

interface Case {
  readonly m: number;
  readonly n: number;
  readonly k: number;
  readonly batch?: readonly [number, number];
  /** Which operands repeat over the outer and over the inner batch: [A outer, A inner, B outer, B inner]. */
  readonly repeat?: readonly [boolean, boolean, boolean, boolean];
  readonly transposed?: number;
  readonly dtype?: number;
  readonly bounded?: number;
  readonly gain?: number;
  readonly range?: readonly [number, number];
}

function check(c: Case, seed: number): void {
  const next = randomSource(seed);
  const { m, n, k } = c;
  const [outer, inner] = c.batch ?? [1, 1];
  const repeat = c.repeat ?? [false, false, false, false];
  const transposed = c.transposed ?? 0;
  const dtype = c.dtype ?? INT8;
  const a = randomInt8(next, outer * inner * m * k);
  const b = randomInt8(next, outer * inner * k * n);
  const aOuter = repeat[0] ? 0 : inner * m * k;
  const aInner = repeat[1] ? 0 : m * k;
  const bOuter = repeat[2] ? 0 : inner * k * n;
  const bInner = repeat[3] ? 0 : k * n;
  const [aZero, bZero, outZero] = [between(next, -128, 127), between(next, -128, 127), between(next, -40, 40)];
  const scale = Math.fround(((c.gain ?? 1) * 40) / (100 * 100 * Math.sqrt(k)));
  const [min, max] = c.range ?? (dtype === FLOAT32 ? [-1e30, 1e30] : [-128, 127]);
  const bench = stepBench(process.env["EQM_BUILD"] ?? "plain");
  const outBytes = dtype === FLOAT32 ? 4 : 1;
  const count = outer * inner * m * n;
  const dst = bench.reserve(count * outBytes);
  bench.run(MATMUL_I8, MatmulI8, {
    A: bench.put(a),
    B: bench.put(b),
    DST: dst,
    SCRATCH: bench.reserve(MatmulI8.scratchBytes(m, n, k)),
    BATCH_OUTER: outer,
    BATCH_INNER: inner,
    M: m,
    N: n,
    K: k,
    A_OUTER: aOuter,
    A_INNER: aInner,
    B_OUTER: bOuter,
    B_INNER: bInner,
    B_TRANSPOSED: transposed,
    A_ZERO: aZero,
    B_ZERO: bZero,
    SCALE: floatBits(scale),
    OUT_ZERO: outZero,
    MIN: dtype === FLOAT32 ? floatBits(min) : min,
    MAX: dtype === FLOAT32 ? floatBits(max) : max,
    OUT_DTYPE: dtype,
    BOUNDED: c.bounded ?? 1,
  });
  const expected = new Uint8Array(count * outBytes);
  const floats = new Float32Array(expected.buffer, 0, outBytes === 4 ? count : 0);
  for (let e = 0; e < count; e++) {
    const column = e % n;
    const row = Math.floor(e / n) % m;
    const j = Math.floor(e / n / m) % inner;
    const i = Math.floor(e / n / m / inner);
    let sum = 0;
    for (let t = 0; t < k; t++) {
      const x = a[i * aOuter + j * aInner + row * k + t]!;
      const y = b[i * bOuter + j * bInner + (transposed === 1 ? column * k + t : t * n + column)]!;
      sum += (x - aZero) * (y - bZero);
    }
    if (dtype === FLOAT32) floats[e] = clamp(Math.fround(Math.fround(sum) * scale), min, max);
    else expected[e] = requantize(sum, scale, outZero, min, max);
  }
  expect(Buffer.compare(bench.read(Uint8Array, dst, expected.length), expected), JSON.stringify({ seed, ...c })).toBe(0);
}

describe("MATMUL_I8", () => {
  it("multiplies any sizes, B as it stands or transposed", () => {
    let seed = 1;
    for (const m of [1, 2, 4, 5, 9])
      for (const n of [1, 7, 8, 9, 17])
        for (const k of [1, 2, 7, 8, 9, 15, 16, 17, 33]) for (const transposed of [0, 1]) check({ m, n, k, transposed }, seed++);
  });

  it("walks batches and repeats operands", () => {
    for (const transposed of [0, 1]) {
      check({ m: 3, n: 10, k: 6, batch: [2, 3], transposed }, 1);
      check({ m: 3, n: 10, k: 6, batch: [2, 3], repeat: [false, false, true, true], transposed }, 2);
      check({ m: 3, n: 10, k: 6, batch: [2, 3], repeat: [true, false, false, true], transposed }, 3);
      check({ m: 3, n: 10, k: 6, batch: [3, 2], repeat: [true, true, false, false], transposed }, 4);
    }
  });

  it("gives float32, clamps, and saturates products far beyond the bound", () => {
    for (const n of [5, 8, 12]) {
      check({ m: 6, n, k: 20, dtype: FLOAT32 }, n);
      check({ m: 6, n, k: 20, dtype: FLOAT32, range: [0, 1] }, n + 100);
      check({ m: 6, n, k: 20, range: [-10, 50] }, n + 200);
      for (const gain of [1, 1e4, 1e9, 1e30]) check({ m: 6, n, k: 20, bounded: 0, gain }, n + 300);
    }
  });

  it("splits rows into blocks", () => {
    check({ m: 70, n: 24, k: 700, transposed: 1 }, 1);
    check({ m: 33, n: 9, k: 3000 }, 2);
  });
});
