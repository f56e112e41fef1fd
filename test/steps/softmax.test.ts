import { describe, expect, it } from "vitest";
import { FLOAT32, INT8 } from "../../format/dtypes.ts";
import * as Opcode from "../../format/opcodes.ts";
import * as Softmax from "../../format/steps/softmax.ts";
import { bitsOf, build, checksum, randomFloats } from "../support/floats.ts";
import { floatBits, randomSource, stepBench } from "../support/step-bench.ts";

type Shape = readonly [outer: number, count: number, inner: number];
const SHAPES: readonly Shape[] = [1, 2, 3, 4, 5, 8, 9, 17, 100].flatMap((count) =>
  [1, 2, 3, 4, 5, 9].map((inner): Shape => [3, count, inner]),
);

interface Options {
  readonly log?: boolean;
  /** Scale of an int8 input. */
  readonly scale?: number;
  /** Scale and zero point of an int8 output. */
  readonly out?: readonly [number, number];
  /** Writes over the input. */
  readonly inPlace?: boolean;
}

function run([outer, count, inner]: Shape, src: Float32Array | Int8Array, options: Options): Float32Array | Int8Array {
  const bench = stepBench(build, 4);
  const at = bench.put(src);
  const dst = options.inPlace ? at : bench.reserve(src.length * (options.out ? 1 : 4));
  bench.run(Opcode.SOFTMAX, Softmax, {
    SRC: at,
    DST: dst,
    DTYPE: options.scale ? INT8 : FLOAT32,
    OUTER: outer,
    COUNT: count,
    INNER: inner,
    SCALE: floatBits(options.scale ?? 0),
    LOG: options.log ? 1 : 0,
    OUT_DTYPE: options.out ? INT8 : FLOAT32,
    OUT_SCALE: floatBits(options.out?.[0] ?? 0),
    OUT_ZERO: options.out?.[1] ?? 0,
    SCRATCH: bench.reserve(Softmax.scratchBytes(count)),
  });
  return options.out ? bench.read(Int8Array, dst, src.length) : bench.read(Float32Array, dst, src.length);
}

/** The step in float64, but for x − max, which is a float32. */
function reference([outer, count, inner]: Shape, x: ArrayLike<number>, log: boolean): number[] {
  const y = new Array<number>(x.length);
  for (let o = 0; o < outer; o++) {
    for (let i = 0; i < inner; i++) {
      const at = Array.from({ length: count }, (_, k) => (o * count + k) * inner + i);
      const max = Math.max(...at.map((n) => x[n]!));
      const total = at.reduce((sum, n) => sum + Math.exp(Math.fround(x[n]! - max)), 0);
      for (const n of at) y[n] = log ? Math.fround(x[n]! - max) - Math.log(total) : Math.exp(Math.fround(x[n]! - max)) / total;
    }
  }
  return y;
}

function inputs(shape: Shape): Float32Array {
  const [outer, count, inner] = shape;
  return randomFloats(randomSource(count * 10 + inner), outer * count * inner).map((v) => v * 10);
}

describe("SOFTMAX of float32", () => {
  it("agrees with float64 to 1e-6 of each value, along every axis", () => {
    // exp and the division err by 3 ulp together (1.8e-7 · 2), the sum of 100 terms by some more.
    for (const shape of SHAPES) {
      const x = inputs(shape);
      const expected = reference(shape, x, false);
      run(shape, x, {}).forEach((y, i) => expect(Math.abs(y - expected[i]!)).toBeLessThanOrEqual(1e-6 * expected[i]! + 1e-44));
    }
  });

  it("LOG agrees with float64 to 1e-6 of the values at hand", () => {
    for (const shape of SHAPES) {
      const x = inputs(shape);
      const expected = reference(shape, x, true);
      run(shape, x, { log: true }).forEach((y, i) =>
        expect(Math.abs(y - expected[i]!)).toBeLessThanOrEqual(1e-6 * Math.max(1, Math.abs(expected[i]!))),
      );
    }
  });

  it("may write over its input", () => {
    for (const shape of [
      [3, 9, 1],
      [2, 7, 5],
    ] as const) {
      for (const log of [false, true])
        expect(run(shape, inputs(shape), { log, inPlace: true })).toEqual(run(shape, inputs(shape), { log }));
    }
  });

  it("does not depend on the axis's place: a column gives a row's bits", () => {
    const [count, inner] = [37, 6];
    const columns = inputs([1, count, inner]);
    const rows = Float32Array.from(columns, (_, n) => columns[(n % count) * inner + Math.floor(n / count)]!);
    const byColumn = run([1, count, inner], columns, {});
    const byRow = run([inner, count, 1], rows, {});
    byRow.forEach((y, n) => expect(y).toBe(byColumn[(n % count) * inner + Math.floor(n / count)]));
  });

  it("survives large values and infinities", () => {
    expect([...run([1, 3, 1], Float32Array.of(3e38, 3e38, -3e38), {})]).toEqual([0.5, 0.5, 0]);
    expect([...run([1, 4, 1], Float32Array.of(-Infinity, 1, 1, -Infinity), {})]).toEqual([0, 0.5, 0.5, 0]);
    expect([...run([1, 2, 1], Float32Array.of(-Infinity, -Infinity), {})]).toEqual([Number.NaN, Number.NaN]);
    expect([...run([1, 5, 1], Float32Array.of(1, 2, Number.NaN, 3, 4), {})]).toEqual(Array(5).fill(Number.NaN));
    expect([...run([1, 2, 2], Float32Array.of(Number.NaN, 0, 1, 0), {})]).toEqual([Number.NaN, 0.5, Number.NaN, 0.5]);
  });

  it("has the bits it always had", () => {
    const outputs = SHAPES.flatMap((shape) => [run(shape, inputs(shape), {}), run(shape, inputs(shape), { log: true })]);
    expect(checksum(outputs.map((y) => bitsOf(y as Float32Array)))).toMatchSnapshot();
  });
});

describe("SOFTMAX of int8", () => {
  const quantized = (shape: Shape): Int8Array => Int8Array.from(inputs(shape), (v) => Math.round(v * 6));

  it("takes x = q·SCALE", () => {
    for (const shape of SHAPES) {
      const q = quantized(shape);
      const scale = Math.fround(0.043);
      const x = Float32Array.from(q, (v) => Math.fround(v * scale));
      for (const log of [false, true])
        expect(bitsOf(run(shape, q, { scale, log }) as Float32Array)).toEqual(bitsOf(run(shape, x, { log }) as Float32Array));
    }
  });

  it("rounds outputs half to even and saturates", () => {
    for (const shape of SHAPES) {
      for (const [log, out] of [
        [false, [1 / 256, -128]],
        [true, [0.25, 100]],
        [false, [1e-6, 5]],
      ] as const) {
        const scale = Math.fround(out[0]);
        const q = quantized(shape);
        const y = run(shape, q, { scale: 0.05, log });
        const expected = Int8Array.from(y, (v) => {
          const ratio = Math.fround(v / scale);
          const down = Math.floor(ratio);
          const rounded = ratio - down === 0.5 ? down + (Math.abs(down) % 2) : Math.round(ratio);
          return Math.min(127, Math.max(-128, rounded + out[1]));
        });
        expect(run(shape, q, { scale: 0.05, log, out })).toEqual(expected);
      }
    }
  });

  it("gives the zero point for NaN", () => {
    expect([...run([1, 2, 1], Float32Array.of(Number.NaN, 0), { out: [1 / 256, -7] })]).toEqual([-7, -7]);
  });
});
