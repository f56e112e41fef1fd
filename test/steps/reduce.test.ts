import { describe, expect, it } from "vitest";
import { FLOAT32, INT32, INT64 } from "../../format/dtypes.ts";
import * as Opcode from "../../format/opcodes.ts";
import * as Reduce from "../../format/steps/reduce.ts";
import { bitsOf, build, randomFloats } from "../support/floats.ts";
import { floatBits, randomSource, stepBench } from "../support/step-bench.ts";

const KINDS = { SUM: Reduce.SUM, MEAN: Reduce.MEAN, MAXIMUM: Reduce.MAXIMUM, MINIMUM: Reduce.MINIMUM, PRODUCT: Reduce.PRODUCT };
type Kind = keyof typeof KINDS;
type Shape = readonly [outer: number, count: number, inner: number];

/** Every shape whose extents exercise whole vectors, single rows and rests. */
const SHAPES: readonly Shape[] = [1, 2, 3, 4, 5, 7, 9, 17, 49].flatMap((count) => [
  ...[1, 3, 4, 5, 9].map((outer): Shape => [outer, count, 1]),
  ...[2, 3, 4, 5, 7, 8, 15, 16, 17, 33].map((inner): Shape => [2, count, inner]),
]);

function runF32(kind: Kind, [outer, count, inner]: Shape, src: Float32Array, min: number, max: number): Float32Array {
  const bench = stepBench(build, 4);
  const dst = bench.reserve(outer * inner * 4);
  bench.run(Opcode.REDUCE, Reduce, {
    SRC: bench.put(src),
    DST: dst,
    KIND: KINDS[kind],
    DTYPE: FLOAT32,
    OUTER: outer,
    COUNT: count,
    INNER: inner,
    SCALE: 0,
    IN_ZERO: 0,
    OUT_ZERO: 0,
    MIN: floatBits(min),
    MAX: floatBits(max),
  });
  return bench.read(Float32Array, dst, outer * inner);
}

function fold(kind: Kind, a: number, b: number): number {
  if (kind === "PRODUCT") return Math.fround(a * b);
  if (kind === "MAXIMUM") return Math.max(a, b);
  if (kind === "MINIMUM") return Math.min(a, b);
  return Math.fround(a + b);
}

function checkF32(kind: Kind, shape: Shape, min = -Infinity, max = Infinity, spoil?: (src: Float32Array) => void): void {
  const [outer, count, inner] = shape;
  const src = randomFloats(randomSource(9 + count * 100 + inner), outer * count * inner);
  spoil?.(src);
  const expected = new Float32Array(outer * inner);
  for (let o = 0; o < outer; o++) {
    for (let i = 0; i < inner; i++) {
      let y = src[o * count * inner + i]!;
      for (let k = 1; k < count; k++) y = fold(kind, y, src[(o * count + k) * inner + i]!);
      if (kind === "MEAN") y = Math.fround(y / count);
      const low = y < min ? min : y;
      expected[o * inner + i] = max < low ? max : low;
    }
  }
  expect(bitsOf(runF32(kind, shape, src, min, max))).toEqual(bitsOf(expected));
}

describe.each(Object.keys(KINDS) as Kind[])("REDUCE %s of float32 equals the reduction in ascending order, bit for bit", (kind) => {
  it("over awkward shapes", () => {
    for (const shape of SHAPES) checkF32(kind, shape);
  });

  it("within limits", () => {
    checkF32(kind, [3, 5, 7], -0.5, 0.5);
    checkF32(kind, [9, 6, 1], 0, 6);
  });

  it("with NaN, infinities and both zeros", () => {
    for (const shape of [
      [6, 3, 1],
      [4, 4, 1],
      [2, 4, 19],
    ] as const) {
      checkF32(kind, shape, -Infinity, Infinity, (src) => {
        src[1] = Number.NaN;
        src[9] = Infinity;
        src[10] = -Infinity;
        src.set([0, -0], 12);
      });
    }
    for (const zeros of [
      [0, -0],
      [-0, 0],
      [-0, -0],
    ]) {
      checkF32(kind, [1, 2, 1], -Infinity, Infinity, (src) => src.set(zeros));
    }
  });
});

describe("REDUCE of integers wraps", () => {
  const kinds = ["SUM", "MAXIMUM", "MINIMUM", "PRODUCT"] as const;
  const fields = (kind: Kind, [outer, count, inner]: Shape) => ({
    KIND: KINDS[kind],
    OUTER: outer,
    COUNT: count,
    INNER: inner,
    SCALE: 0,
    IN_ZERO: 0,
    OUT_ZERO: 0,
    MIN: 0,
    MAX: 0,
  });
  const foldBig = (kind: Kind, a: bigint, b: bigint): bigint => {
    if (kind === "PRODUCT") return a * b;
    if (kind === "SUM") return a + b;
    return a > b === (kind === "MAXIMUM") ? a : b;
  };

  it.each(kinds)("%s of int32 and int64", (kind) => {
    for (const shape of [
      [1, 1, 1],
      [3, 4, 1],
      [2, 5, 3],
      [1, 7, 9],
    ] as const) {
      const [outer, count, inner] = shape;
      const random = randomSource(3 + count);
      const values = BigInt64Array.from({ length: outer * count * inner }, () => (BigInt(random()) << 32n) | BigInt(random()));
      const narrow = Int32Array.from(values, (v) => Number(BigInt.asIntN(32, v)));
      const bench = stepBench(build, 4);
      const dst64 = bench.reserve(outer * inner * 8);
      const dst32 = bench.reserve(outer * inner * 4);
      bench.run(Opcode.REDUCE, Reduce, { ...fields(kind, shape), SRC: bench.put(values), DST: dst64, DTYPE: INT64 });
      bench.run(Opcode.REDUCE, Reduce, { ...fields(kind, shape), SRC: bench.put(narrow), DST: dst32, DTYPE: INT32 });
      const reference = (at: (index: number) => bigint, bits: number): bigint[] =>
        Array.from({ length: outer * inner }, (_, r) => {
          const start = Math.floor(r / inner) * count * inner + (r % inner);
          let y = at(start);
          for (let k = 1; k < count; k++) y = BigInt.asIntN(bits, foldBig(kind, y, at(start + k * inner)));
          return y;
        });
      expect([...bench.read(BigInt64Array, dst64, outer * inner)]).toEqual(reference((i) => values[i]!, 64));
      expect([...bench.read(Int32Array, dst32, outer * inner)].map(BigInt)).toEqual(reference((i) => BigInt(narrow[i]!), 32));
    }
  });
});
