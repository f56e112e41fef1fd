import { describe, expect, it } from "vitest";
import { FLOAT32, INT8, INT32, INT64, UINT8 } from "../../format/dtypes.ts";
import * as Opcode from "../../format/opcodes.ts";
import * as Binary from "../../format/steps/binary.ts";
import { bitsOf, build, randomFloats } from "../support/floats.ts";
import { floatBits, randomSource, stepBench } from "../support/step-bench.ts";

const OPS = {
  ADD: Binary.ADD,
  SUB: Binary.SUB,
  MUL: Binary.MUL,
  DIV: Binary.DIV,
  PRELU: Binary.PRELU,
  MAXIMUM: Binary.MAXIMUM,
  MINIMUM: Binary.MINIMUM,
  POW: Binary.POW,
};
type Op = keyof typeof OPS;

interface Shape {
  readonly dims: readonly number[];
  readonly a: readonly number[];
  readonly b: readonly number[];
}

/** Every way in which operands meet: alike, one value, a value per channel or per row, gaps, all six dimensions. */
const SHAPES: readonly Shape[] = [
  { dims: [1], a: [0], b: [0] },
  ...[2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 67].map((n) => ({ dims: [n], a: [1], b: [1] })),
  ...[3, 4, 9].flatMap((n) => [
    { dims: [n], a: [1], b: [0] },
    { dims: [n], a: [0], b: [1] },
    { dims: [n], a: [0], b: [0] },
  ]),
  { dims: [6, 5], a: [5, 1], b: [0, 1] },
  { dims: [40, 3], a: [3, 1], b: [0, 1] },
  { dims: [33, 5], a: [5, 1], b: [1, 0] },
  { dims: [3, 50, 2], a: [0, 2, 1], b: [100, 1, 50] },
  { dims: [3, 19, 15], a: [15, 0, 1], b: [1, 3, 0] },
  { dims: [6, 5], a: [0, 1], b: [5, 1] },
  { dims: [6, 5], a: [1, 0], b: [0, 1] },
  { dims: [4, 7], a: [1, 4], b: [7, 1] },
  { dims: [3, 41], a: [82, 2], b: [1, 3] },
  { dims: [2, 3, 4, 5], a: [60, 20, 5, 1], b: [0, 5, 0, 1] },
  { dims: [2, 3, 4, 5], a: [60, 20, 5, 1], b: [3, 1, 0, 0] },
  { dims: [2, 3, 2, 2, 3, 4], a: [144, 48, 24, 12, 4, 1], b: [0, 24, 0, 12, 0, 1] },
  { dims: [2, 3, 2, 2, 3, 4], a: [0, 16, 0, 8, 0, 2], b: [144, 48, 24, 12, 4, 1] },
];

function extent(dims: readonly number[], strides: readonly number[]): number {
  return 1 + dims.reduce((sum, d, i) => sum + (d - 1) * strides[i]!, 0);
}

/** The offsets of A and B for each element of the result. */
function* offsets({ dims, a, b }: Shape): Generator<readonly [number, number]> {
  const count = dims.reduce((x, y) => x * y);
  for (let n = 0; n < count; n++) {
    let rest = n;
    let atA = 0;
    let atB = 0;
    for (let i = dims.length - 1; i >= 0; i--) {
      const index = rest % dims[i]!;
      rest = (rest - index) / dims[i]!;
      atA += index * a[i]!;
      atB += index * b[i]!;
    }
    yield [atA, atB];
  }
}

function strides({ dims, a, b }: Shape): Record<string, number> {
  const fields: Record<string, number> = {};
  for (let i = 0; i < 6; i++) {
    const at = i - 6 + dims.length;
    fields[`DIM${i}`] = dims[at] ?? 1;
    fields[`A_STRIDE${i}`] = a[at] ?? 0;
    fields[`B_STRIDE${i}`] = b[at] ?? 0;
  }
  return fields;
}

/** The runtime's result for float32 operands. */
function runF32(op: Op, shape: Shape, a: Float32Array, b: Float32Array, min = -Infinity, max = Infinity): Float32Array {
  const count = shape.dims.reduce((x, y) => x * y);
  const bench = stepBench(build, 8);
  const dst = bench.reserve(count * 4);
  bench.run(Opcode.BINARY, Binary, {
    ...strides(shape),
    A: bench.put(a),
    B: bench.put(b),
    DST: dst,
    OP: OPS[op],
    DTYPE: FLOAT32,
    MIN: floatBits(min),
    MAX: floatBits(max),
  });
  return bench.read(Float32Array, dst, count);
}

const FLOAT_OPERATIONS: Readonly<Record<Exclude<Op, "POW">, (a: number, b: number) => number>> = {
  ADD: (a, b) => a + b,
  SUB: (a, b) => a - b,
  MUL: (a, b) => a * b,
  DIV: (a, b) => a / b,
  PRELU: (a, b) => (a < 0 ? a * b : a),
  MAXIMUM: Math.max,
  MINIMUM: Math.min,
};

describe.each(Object.keys(FLOAT_OPERATIONS) as Exclude<Op, "POW">[])("BINARY %s of float32", (op) => {
  const check = (shape: Shape, min?: number, max?: number, spoil?: (a: Float32Array, b: Float32Array) => void): void => {
    const random = randomSource(21);
    const a = randomFloats(random, extent(shape.dims, shape.a));
    const b = randomFloats(random, extent(shape.dims, shape.b));
    spoil?.(a, b);
    const expected = Float32Array.from(offsets(shape), ([i, j]) => {
      const y = Math.fround(FLOAT_OPERATIONS[op](a[i]!, b[j]!));
      const low = y < (min ?? -Infinity) ? min! : y;
      return (max ?? Infinity) < low ? max! : low;
    });
    expect(bitsOf(runF32(op, shape, a, b, min, max))).toEqual(bitsOf(expected));
  };

  it("is exact for every way of broadcasting", () => {
    for (const shape of SHAPES) check(shape);
  });

  it("keeps within limits", () => {
    check({ dims: [3, 7], a: [7, 1], b: [0, 1] }, 0, 0.75);
  });

  it("treats NaN, infinities and zeros as IEEE 754 does", () => {
    const special = [0, -0, 1, -1, Infinity, -Infinity, Number.NaN, 1e-45, -3e38];
    check({ dims: [9, 9], a: [1, 0], b: [0, 1] }, undefined, undefined, (a, b) => {
      a.set(special);
      b.set(special);
    });
  });
});

describe("BINARY POW of float32", () => {
  const table = (a: Float32Array, b: Float32Array): Float32Array =>
    runF32("POW", { dims: [a.length, b.length], a: [1, 0], b: [0, 1] }, a, b);

  it("gives C's values for zeros, ones, infinities and NaN", () => {
    const special = Float32Array.of(0, -0, 1, -1, 0.5, -0.5, 2, -2, 3, -3, 1.5, Infinity, -Infinity, Number.NaN);
    const exponents = Float32Array.of(
      0,
      -0,
      1,
      -1,
      2,
      -2,
      3,
      -3,
      4,
      5,
      0.5,
      -0.5,
      1.5,
      16777216,
      -16777217,
      3e38,
      Infinity,
      -Infinity,
      Number.NaN,
    );
    const expected = [...special].flatMap((x) =>
      [...exponents].map((y) => (x === 1 || (x === -1 && Math.abs(y) === Infinity) ? 1 : Math.fround(x ** y))),
    );
    expect(bitsOf(table(special, exponents))).toEqual(bitsOf(Float32Array.from(expected)));
  });

  it("rounds squares, cubes, fourth powers, roots and reciprocals correctly", () => {
    const x = randomFloats(randomSource(5), 500).map((v) => v * 40);
    const exact: readonly (readonly [number, (v: number) => number])[] = [
      [1, (v) => v],
      [2, (v) => v * v],
      [3, (v) => v * v * v],
      [4, (v) => v ** 2 * v ** 2],
      [-1, (v) => 1 / v],
      [0.5, (v) => (v === 0 ? 0 : Math.sqrt(v))],
    ];
    for (const [exponent, reference] of exact) {
      const y = runF32("POW", { dims: [500], a: [1], b: [0] }, x, Float32Array.of(exponent));
      expect(bitsOf(y)).toEqual(bitsOf(Float32Array.from(x, reference)));
    }
  });

  it("is the nearest float32 but for one ulp in a few cases, over the whole range", () => {
    const random = randomSource(99);
    const n = 20_000;
    const a = Float32Array.from({ length: n }, () => Math.exp(((random() % 65_536) / 65_536 - 0.5) * 80) * (random() % 2 ? 1 : -1));
    const b = Float32Array.from({ length: n }, (_, i) => {
      const exponent = ((random() % 65_536) / 65_536 - 0.5) * 12;
      return a[i]! < 0 ? Math.round(exponent) : exponent;
    });
    const y = runF32("POW", { dims: [n], a: [1], b: [1] }, a, b);
    let different = 0;
    for (let i = 0; i < n; i++) {
      const expected = Math.fround(a[i]! ** b[i]!);
      if (Object.is(y[i], expected)) continue;
      different++;
      const bits = new Int32Array(Float32Array.of(y[i]!, expected).buffer);
      expect(Math.abs(bits[0]! - bits[1]!)).toBe(1);
    }
    expect(different).toBeLessThan(3);
  });
});

describe("BINARY of integers wraps, and divides toward zero", () => {
  const types = [
    { name: "int8", dtype: INT8, bits: 8, isSigned: true, type: Int8Array },
    { name: "uint8", dtype: UINT8, bits: 8, isSigned: false, type: Uint8Array },
    { name: "int32", dtype: INT32, bits: 32, isSigned: true, type: Int32Array },
    { name: "int64", dtype: INT64, bits: 64, isSigned: true, type: BigInt64Array },
  ] as const;
  const power = (a: bigint, b: bigint): bigint =>
    b < 0n ? (a === 1n ? 1n : a === -1n ? (b % 2n === 0n ? 1n : -1n) : 0n) : a ** (b % 128n);
  const operations: Readonly<Record<Op, (a: bigint, b: bigint) => bigint>> = {
    ADD: (a, b) => a + b,
    SUB: (a, b) => a - b,
    MUL: (a, b) => a * b,
    DIV: (a, b) => (b === 0n ? 0n : a / b),
    PRELU: (a, b) => (a < 0n ? a * b : a),
    MAXIMUM: (a, b) => (a > b ? a : b),
    MINIMUM: (a, b) => (a < b ? a : b),
    POW: power,
  };

  describe.each(types)("$name", ({ dtype, bits, isSigned, type }) => {
    const wrap = (v: bigint): bigint => (isSigned ? BigInt.asIntN(bits, v) : BigInt.asUintN(bits, v));
    const toArray = (values: readonly bigint[]): Int8Array | Uint8Array | Int32Array | BigInt64Array =>
      type === BigInt64Array ? BigInt64Array.from(values) : (type as typeof Int32Array).from(values, Number);

    const check = (op: Op, shape: Shape, a: readonly bigint[], b: readonly bigint[]): void => {
      const expected = [...offsets(shape)].map(([i, j]) => wrap(operations[op](a[i]!, b[j]!)));
      const bench = stepBench(build, 2);
      const dst = bench.reserve(expected.length * (bits / 8));
      bench.run(Opcode.BINARY, Binary, {
        ...strides(shape),
        A: bench.put(toArray(a)),
        B: bench.put(toArray(b)),
        DST: dst,
        OP: OPS[op],
        DTYPE: dtype,
        MIN: 0,
        MAX: 0,
      });
      expect([...bench.read<Iterable<number | bigint>>(type, dst, expected.length)].map(BigInt)).toEqual(expected);
    };

    it.each(Object.keys(operations) as Op[])("%s", (op) => {
      const random = randomSource(bits);
      const value = (): bigint => wrap((BigInt(random()) << 32n) | BigInt(random()));
      for (const shape of op === "POW" ? [] : SHAPES) {
        const a = Array.from({ length: extent(shape.dims, shape.a) }, value);
        const b = Array.from({ length: extent(shape.dims, shape.b) }, value);
        check(op, shape, a, b);
      }
      const lowest = isSigned ? -(1n << BigInt(bits - 1)) : 0n;
      const highest = isSigned ? (1n << BigInt(bits - 1)) - 1n : (1n << BigInt(bits)) - 1n;
      const edge = [0n, 1n, 2n, 3n, 7n, wrap(-1n), wrap(-2n), lowest, highest];
      const exponents = op === "POW" ? [0n, 1n, 2n, 3n, 5n, 31n, 70n, wrap(-1n), wrap(-2n)].filter((e) => isSigned || e < 128n) : edge;
      check(op, { dims: [edge.length, exponents.length], a: [1, 0], b: [0, 1] }, edge, exponents);
    });
  });
});
