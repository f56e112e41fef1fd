/** DEQUANTIZE against ONNX DequantizeLinear in TypeScript. */
import { describe, expect, it } from "vitest";
import { INT8, INT32, UINT8 } from "../../format/dtypes.ts";
import { DEQUANTIZE } from "../../format/opcodes.ts";
import * as Dequantize from "../../format/steps/dequantize.ts";
import { randomFloats } from "../support/reference-arithmetic.ts";
import { randomSource, stepBench } from "../support/step-bench.ts";

interface Layout {
  readonly outer: number;
  readonly axis: number;
  readonly inner: number;
  readonly block?: number;
  readonly strides?: readonly [number, number, number];
}

const arrays = { [INT8]: Int8Array, [UINT8]: Uint8Array, [INT32]: Int32Array } as const;

function check(layout: Layout, dtype: keyof typeof arrays, hasZero: boolean, seed: number): void {
  const { outer, axis, inner, block = 1, strides = [0, 0, 0] } = layout;
  const next = randomSource(seed);
  const count = (outer - 1) * strides[0] + (Math.ceil(axis / block) - 1) * strides[1] + (inner - 1) * strides[2] + 1;
  const size = outer * axis * inner;
  const x = new arrays[dtype](size).map(() => next() | 0);
  const zeros = new arrays[dtype](count).map(() => next() | 0);
  const scales = randomFloats(next, count, -0.2, 0.2);
  const bench = stepBench(process.env["EQM_BUILD"] ?? "plain");
  const dst = bench.reserve(size * 4);
  bench.run(DEQUANTIZE, Dequantize, {
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
  });
  const expected = new Float32Array(size).map((_, e) => {
    const i = e % inner;
    const a = Math.floor(e / inner) % axis;
    const o = Math.floor(e / inner / axis);
    const index = o * strides[0] + Math.floor(a / block) * strides[1] + i * strides[2];
    const difference = (x[e]! - (hasZero ? zeros[index]! : 0)) | 0;
    return Math.fround(difference) * scales[index]!;
  });
  expect(
    Buffer.compare(bench.read(Uint8Array, dst, size * 4), new Uint8Array(expected.buffer)),
    JSON.stringify({ seed, dtype, hasZero, ...layout }),
  ).toBe(0);
}

const layouts: readonly Layout[] = [
  ...[1, 2, 3, 4, 5, 7, 8, 9, 17, 100, 20001].map((inner) => ({ outer: 1, axis: 1, inner })),
  { outer: 3, axis: 5, inner: 7, strides: [0, 1, 0] },
  { outer: 2, axis: 17, inner: 1, strides: [0, 1, 0] },
  { outer: 2, axis: 10, inner: 3, block: 4, strides: [9, 3, 1] },
  { outer: 2, axis: 10, inner: 1, block: 4, strides: [3, 1, 0] },
  { outer: 3, axis: 8, inner: 1, block: 1, strides: [8, 1, 1] },
  { outer: 2, axis: 3, inner: 5, strides: [0, 0, 2] },
];

describe.each([
  ["int8", INT8],
  ["uint8", UINT8],
  ["int32", INT32],
] as const)("DEQUANTIZE from %s", (_, dtype) => {
  it("dequantizes per tensor, per axis and in blocks, with and without a zero point", () => {
    layouts.forEach((layout, i) => {
      check(layout, dtype, true, i + 1);
      check(layout, dtype, false, i + 1);
    });
  });
});
