import { describe, expect, it } from "vitest";
import * as Opcode from "../../format/opcodes.ts";
import * as LayerNorm from "../../format/steps/layer-norm.ts";
import { bitsOf, build, randomFloats } from "../support/floats.ts";
import { floatBits, randomSource, stepBench } from "../support/step-bench.ts";

const f = Math.fround;
const EPSILON = f(1e-5);

interface Case {
  readonly rows: number;
  readonly count: number;
  readonly isCentred?: boolean;
  readonly hasScale?: boolean;
  readonly hasBias?: boolean;
  readonly hasStatistics?: boolean;
  readonly inPlace?: boolean;
}

interface Result {
  readonly y: Float32Array;
  readonly means: Float32Array;
  readonly inverses: Float32Array;
}

/** Sixteen partial sums, added as the layout states. */
function sum(values: readonly number[]): number {
  const p = new Float32Array(16);
  values.forEach((v, i) => {
    p[i % 16] = p[i % 16]! + v;
  });
  const q = [0, 1, 2, 3].map((j) => f(f(p[j]! + p[j + 4]!) + f(p[j + 8]! + p[j + 12]!)));
  return f(f(q[0]! + q[1]!) + f(q[2]! + q[3]!));
}

function reference(c: Case, x: Float32Array, scale: Float32Array, bias: Float32Array): Result {
  const y = new Float32Array(x.length);
  const means = new Float32Array(c.rows);
  const inverses = new Float32Array(c.rows);
  for (let row = 0; row < c.rows; row++) {
    const values = [...x.subarray(row * c.count, (row + 1) * c.count)];
    const mean = (c.isCentred ?? true) ? f(sum(values) / c.count) : 0;
    const squares = values.map((v) => f(f(v - mean) * f(v - mean)));
    const inverse = f(1 / f(Math.sqrt(f(f(sum(squares) / c.count) + EPSILON))));
    means[row] = mean;
    inverses[row] = inverse;
    values.forEach((v, i) => {
      let normal = f(f(v - mean) * inverse);
      if (c.hasScale) normal = f(normal * scale[i]!);
      if (c.hasBias) normal = f(normal + bias[i]!);
      y[row * c.count + i] = normal;
    });
  }
  return { y, means, inverses };
}

function check(c: Case, spoil?: (x: Float32Array) => void): void {
  const random = randomSource(c.rows * 1000 + c.count);
  const x = randomFloats(random, c.rows * c.count).map((v) => v * 3 + 1);
  spoil?.(x);
  const [scale, bias] = [randomFloats(random, c.count), randomFloats(random, c.count)];
  const bench = stepBench(build, 4);
  const src = bench.put(x);
  const dst = c.inPlace ? src : bench.reserve(x.byteLength);
  const means = c.hasStatistics ? bench.reserve(c.rows * 4) : -1;
  const inverses = c.hasStatistics ? bench.reserve(c.rows * 4) : -1;
  bench.run(Opcode.LAYER_NORM, LayerNorm, {
    SRC: src,
    DST: dst,
    SCALE: c.hasScale ? bench.put(scale) : -1,
    BIAS: c.hasBias ? bench.put(bias) : -1,
    MEAN: means,
    INVERSE: inverses,
    ROWS: c.rows,
    COUNT: c.count,
    EPSILON: floatBits(EPSILON),
    CENTRED: (c.isCentred ?? true) ? 1 : 0,
  });
  const expected = reference(c, x, scale, bias);
  expect(bitsOf(bench.read(Float32Array, dst, x.length))).toEqual(bitsOf(expected.y));
  if (!c.hasStatistics) return;
  expect(bitsOf(bench.read(Float32Array, means, c.rows))).toEqual(bitsOf(expected.means));
  expect(bitsOf(bench.read(Float32Array, inverses, c.rows))).toEqual(bitsOf(expected.inverses));
}

const COUNTS = [1, 2, 3, 4, 5, 7, 8, 9, 12, 13, 15, 16, 17, 19, 20, 31, 32, 33, 64, 100, 384];

describe("LAYER_NORM equals the sums in the stated order, bit for bit", () => {
  it.each(COUNTS)("rows of %i", (count) => {
    for (const rows of [1, 2, 5]) {
      check({ rows, count });
      check({ rows, count, hasScale: true, hasBias: true, hasStatistics: true });
      check({ rows, count, hasScale: true, isCentred: false });
      check({ rows, count, hasBias: true, inPlace: true });
    }
  });

  it("keeps the deviations of values far from 0, and the bits of subnormal ones", () => {
    check({ rows: 3, count: 37, hasScale: true }, (x) => x.forEach((v, i) => (x[i] = 1000 + v / 64)));
    check({ rows: 3, count: 37 }, (x) => x.forEach((v, i) => (x[i] = v * 1e-42)));
  });

  it("gives 0 for a constant row, and lets NaN and infinities spoil their own row only", () => {
    check({ rows: 2, count: 21 }, (x) => x.fill(3.5, 0, 21));
    for (const odd of [Number.NaN, Infinity, 1e30]) check({ rows: 3, count: 18, hasScale: true }, (x) => (x[20] = odd));
  });
});
