/** QUANTIZE against ONNX QuantizeLinear in TypeScript. */
import { describe, expect, it } from "vitest";
import { INT8, UINT8 } from "../../format/dtypes.ts";
import { QUANTIZE } from "../../format/opcodes.ts";
import * as Quantize from "../../format/steps/quantize.ts";
import { between, clamp, randomFloats, roundHalfEven } from "../support/reference-arithmetic.ts";
import { randomSource, stepBench } from "../support/step-bench.ts";

interface Layout {
  readonly outer: number;
  readonly axis: number;
  readonly inner: number;
  readonly block?: number;
  readonly strides?: readonly [number, number, number];
  readonly isTransposed?: boolean;
}

/** Runs on `x` and compares; scales and zero points are random, as many as the strides reach. */
function check(layout: Layout, dtype: number, x: Float32Array, hasZero: boolean, seed: number, fixedScale?: number): void {
  const { outer, axis, inner, block = 1, strides = [0, 0, 0], isTransposed = false } = layout;
  const next = randomSource(seed);
  const count = (outer - 1) * strides[0] + (Math.ceil(axis / block) - 1) * strides[1] + (inner - 1) * strides[2] + 1;
  const scales = randomFloats(next, count, 0.01, 0.2);
  if (fixedScale !== undefined) scales.fill(fixedScale);
  const zeros = dtype === INT8 ? new Int8Array(count) : new Uint8Array(count);
  for (let i = 0; i < count; i++) zeros[i] = dtype === INT8 ? between(next, -128, 127) : between(next, 0, 255);
  const bench = stepBench(process.env["EQM_BUILD"] ?? "plain");
  const size = outer * axis * inner;
  const dst = bench.reserve(size);
  bench.run(QUANTIZE, Quantize, {
    SRC: bench.put(x),
    DST: dst,
    DTYPE: dtype,
    SCALE: bench.put(scales),
    ZERO: hasZero ? bench.put(zeros) : -1,
    OUTER: outer,
    AXIS: axis,
    INNER: inner,
    BLOCK: block,
    SCALE_OUTER: strides[0],
    SCALE_AXIS: strides[1],
    SCALE_INNER: strides[2],
    TRANSPOSED: isTransposed ? 1 : 0,
  });
  const [low, high] = dtype === INT8 ? [-128, 127] : [0, 255];
  const expected = Array.from({ length: size }, (_, at) => {
    const i = isTransposed ? Math.floor(at / axis) % inner : at % inner;
    const a = isTransposed ? at % axis : Math.floor(at / inner) % axis;
    const e = (Math.floor(at / inner / axis) * axis + a) * inner + i;
    const o = Math.floor(e / inner / axis);
    const index = o * strides[0] + Math.floor(a / block) * strides[1] + i * strides[2];
    const zero = hasZero ? zeros[index]! : 0;
    const quotient = Math.fround(x[e]! / scales[index]!);
    return Number.isNaN(quotient) ? zero : clamp(roundHalfEven(quotient) + zero, low, high);
  });
  const got = dtype === INT8 ? bench.read(Int8Array, dst, size) : bench.read(Uint8Array, dst, size);
  expect([...got], JSON.stringify({ seed, ...layout })).toEqual(expected);
}

const layouts: readonly Layout[] = [
  ...[1, 7, 8, 9, 15, 16, 17, 100, 20001].map((inner) => ({ outer: 1, axis: 1, inner })),
  { outer: 3, axis: 5, inner: 7 },
  { outer: 3, axis: 5, inner: 7, strides: [0, 1, 0] },
  { outer: 2, axis: 17, inner: 1, strides: [0, 1, 0] },
  { outer: 2, axis: 10, inner: 3, block: 4, strides: [9, 3, 1] },
  { outer: 2, axis: 10, inner: 1, block: 4, strides: [3, 1, 0] },
  { outer: 3, axis: 8, inner: 1, block: 1, strides: [8, 1, 1] },
  { outer: 2, axis: 3, inner: 5, strides: [0, 0, 2] },
  { outer: 2, axis: 6, inner: 9, block: 2, strides: [3, 1, 0] },
];

describe.each([
  ["int8", INT8],
  ["uint8", UINT8],
])("QUANTIZE to %s", (_, dtype) => {
  it("quantizes per tensor, per axis and in blocks, with and without a zero point", () => {
    layouts.forEach((layout, i) => {
      const x = randomFloats(randomSource(i + 1), layout.outer * layout.axis * layout.inner, -20, 20);
      check(layout, dtype, x, true, i + 1);
      check(layout, dtype, x, false, i + 1);
    });
  });

  it("writes planes as pixels", () => {
    const next = randomSource(9);
    const sizes = [1, 2, 3, 4, 7, 8, 9, 17].flatMap((axis) =>
      [1, 2, 15, 16, 47, 48, 49, 100, 159, 160, 161, 333].map((inner) => ({ axis, inner })),
    );
    sizes.forEach(({ axis, inner }, i) => {
      const outer = between(next, 1, 3);
      const x = randomFloats(next, outer * axis * inner, -20, 20);
      x[between(next, 0, x.length - 1)] = Number.NaN;
      check({ outer, axis, inner, isTransposed: true }, dtype, x, i % 2 === 0, i + 1);
    });
  });

  it("gives the zero point for a NaN and saturates infinities and huge values", () => {
    const x = new Float32Array([Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 1e38, -1e38, 4e6, -4e6, 0, -0, 1e-40]);
    check({ outer: 1, axis: 1, inner: x.length }, dtype, x, true, 1);
    check({ outer: 1, axis: x.length, inner: 1, strides: [0, 1, 0] }, dtype, x, true, 2);
    check({ outer: 1, axis: 1, inner: x.length }, dtype, x, false, 3, 1e-38);
  });

  it("rounds halves to even", () => {
    const x = Float32Array.from({ length: 64 }, (_, i) => (i - 32) / 2);
    check({ outer: 1, axis: 1, inner: 64 }, dtype, x, false, 1, 1);
    check({ outer: 1, axis: 1, inner: 64 }, dtype, x, true, 2, 1);
  });

  it("divides: a reciprocal would round otherwise", () => {
    const scale = Math.fround(0.1);
    const x = Float32Array.from({ length: 400 }, (_, i) => Math.fround((i - 200 + 0.5) * scale));
    check({ outer: 1, axis: 1, inner: 400 }, dtype, x, false, 1, scale);
    check({ outer: 1, axis: 400, inner: 1, strides: [0, 1, 0] }, dtype, x, false, 1, scale);
  });
});
