import { describe, expect, it } from "vitest";
import * as Opcode from "../../format/opcodes.ts";
import * as MatMul from "../../format/steps/matmul-f32.ts";
import { bitsOf, build, randomFloats } from "../support/floats.ts";
import { floatBits, randomSource, stepBench } from "../support/step-bench.ts";

interface Case {
  readonly m: number;
  readonly n: number;
  readonly k: number;
  readonly outer?: number;
  readonly inner?: number;
  /** Elements between batches: aOuter, aInner, bOuter, bInner. */
  readonly strides?: readonly [number, number, number, number];
  readonly alpha?: number;
  readonly min?: number;
  readonly max?: number;
}

function check(c: Case, transposed: boolean, spoil?: (a: Float32Array, b: Float32Array) => void): void {
  const { m, n, k, outer = 1, inner = 1, min = -Infinity, max = Infinity } = c;
  const alpha = Math.fround(c.alpha ?? 1);
  const [aOuter, aInner, bOuter, bInner] = c.strides ?? [inner * m * k, m * k, inner * k * n, k * n];
  const random = randomSource(5 + m * 100 + n * 10 + k);
  const a = randomFloats(random, (outer - 1) * aOuter + (inner - 1) * aInner + m * k);
  const b = randomFloats(random, (outer - 1) * bOuter + (inner - 1) * bInner + k * n);
  spoil?.(a, b);
  const expected = new Float32Array(outer * inner * m * n);
  let at = 0;
  for (let i = 0; i < outer; i++) {
    for (let j = 0; j < inner; j++) {
      for (let row = 0; row < m; row++) {
        for (let column = 0; column < n; column++) {
          let sum = 0;
          for (let d = 0; d < k; d++) {
            const y = b[i * bOuter + j * bInner + (transposed ? column * k + d : d * n + column)]!;
            sum = Math.fround(sum + Math.fround(a[i * aOuter + j * aInner + row * k + d]! * y));
          }
          sum = Math.fround(alpha * sum);
          const low = sum < min ? min : sum;
          expected[at++] = max < low ? max : low;
        }
      }
    }
  }
  const bench = stepBench(build, 4);
  const dst = bench.reserve(expected.byteLength);
  bench.run(Opcode.MATMUL_F32, MatMul, {
    A: bench.put(a),
    B: bench.put(b),
    DST: dst,
    SCRATCH: bench.reserve(MatMul.scratchBytes(m, n, k)),
    BATCH_OUTER: outer,
    BATCH_INNER: inner,
    M: m,
    N: n,
    K: k,
    A_OUTER: aOuter,
    A_INNER: aInner,
    B_OUTER: bOuter,
    B_INNER: bInner,
    B_TRANSPOSED: transposed ? 1 : 0,
    ALPHA: floatBits(alpha),
    MIN: floatBits(min),
    MAX: floatBits(max),
  });
  expect(bitsOf(bench.read(Float32Array, dst, expected.length))).toEqual(bitsOf(expected));
}

describe.each([
  ["[K][N]", false],
  ["[N][K]", true],
])("MATMUL_F32 with B %s equals the sum in the stated order, bit for bit", (_, transposed) => {
  const sizes = [1, 3, 4, 5, 7, 8, 9, 15, 16, 17];
  it.each([1, 2, 3, 5, 6, 7, 8, 12, 13])("%i rows, over awkward depths and widths", (m) => {
    for (const n of sizes) for (const k of sizes) check({ m, n, k }, transposed);
  });

  it("wide rows: 32 outputs at a time, then 8, then the rest", () => {
    for (const n of [31, 32, 33, 40, 75]) for (const m of [1, 2, 7]) check({ m, n, k: 21 }, transposed);
  });

  it("batches, and operands that repeat over either axis", () => {
    const base = { m: 4, n: 5, k: 3, outer: 3, inner: 2 };
    check(base, transposed);
    check({ ...base, strides: [24, 12, 0, 0] }, transposed);
    check({ ...base, strides: [0, 0, 30, 15] }, transposed);
    check({ ...base, strides: [12, 0, 0, 15] }, transposed);
    check({ ...base, m: 1, strides: [0, 3, 15, 0] }, transposed);
  });

  it("a factor, and limits after it", () => {
    check({ m: 5, n: 7, k: 6, alpha: 0.125 }, transposed);
    check({ m: 5, n: 9, k: 6, alpha: -0.3, min: 0, max: 0.5 }, transposed);
    check({ m: 1, n: 33, k: 6, alpha: 1, min: 0 }, transposed);
  });

  it("a factor below zero turns a zero's sign, a factor of 1 does not", () => {
    const zero = (a: Float32Array): void => void a.fill(0);
    check({ m: 2, n: 3, k: 2, alpha: -1 }, transposed, zero);
    check({ m: 2, n: 3, k: 2 }, transposed, zero);
  });

  it("infinities and NaN, which reach exactly the outputs that read them", () => {
    const spoil = (a: Float32Array, b: Float32Array): void => {
      a[3] = Infinity;
      b[5] = Number.NaN;
      b[8] = -Infinity;
    };
    for (const m of [1, 2, 8]) check({ m, n: 11, k: 5, alpha: 0.5, min: -1 }, transposed, spoil);
  });
});
