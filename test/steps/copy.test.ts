import { describe, expect, it } from "vitest";
import * as Opcode from "../../format/opcodes.ts";
import * as Copy from "../../format/steps/copy.ts";
import { build } from "../support/floats.ts";
import { randomSource, stepBench } from "../support/step-bench.ts";

interface Block {
  readonly dims: readonly number[];
  readonly srcStrides: readonly number[];
  readonly dstStrides: readonly number[];
}

const BYTES = [1, 2, 4, 8];

/** Strides of a dense row-major tensor. */
function dense(dims: readonly number[]): number[] {
  return dims.map((_, i) => dims.slice(i + 1).reduce((a, b) => a * b, 1));
}

/** Lowest and highest element offset of a block. */
function span(dims: readonly number[], strides: readonly number[]): readonly [number, number] {
  const ends = dims.map((d, i) => (d - 1) * strides[i]!);
  return [ends.filter((e) => e < 0).reduce((a, b) => a + b, 0), ends.filter((e) => e > 0).reduce((a, b) => a + b, 0)];
}

function check({ dims, srcStrides, dstStrides }: Block): void {
  for (const bytes of BYTES) {
    const [srcLow, srcHigh] = span(dims, srcStrides);
    const [dstLow, dstHigh] = span(dims, dstStrides);
    const random = randomSource(dims.length * 7 + srcHigh);
    const src = Uint8Array.from({ length: (srcHigh - srcLow + 1) * bytes }, random);
    const bench = stepBench(build, 8);
    const dst = bench.reserve((dstHigh - dstLow + 1) * bytes);
    const expected = bench.read(Uint8Array, dst, (dstHigh - dstLow + 1) * bytes);
    const walk = (level: number, s: number, d: number): void => {
      if (level === dims.length) {
        expected.set(src.subarray((s - srcLow) * bytes, (s - srcLow + 1) * bytes), (d - dstLow) * bytes);
        return;
      }
      for (let i = 0; i < dims[level]!; i++) walk(level + 1, s + i * srcStrides[level]!, d + i * dstStrides[level]!);
    };
    walk(0, 0, 0);
    const at = bench.put(src);
    const pad = (values: readonly number[], filler: number) => [...Array(6 - values.length).fill(filler), ...values] as number[];
    const fields: Record<string, number> = { SRC: at - srcLow * bytes, DST: dst - dstLow * bytes, ELEMENT_BYTES: bytes };
    pad(dims, 1).forEach((v, i) => (fields[`DIM${i}`] = v));
    pad(srcStrides, 0).forEach((v, i) => (fields[`SRC_STRIDE${i}`] = v));
    pad(dstStrides, 0).forEach((v, i) => (fields[`DST_STRIDE${i}`] = v));
    bench.run(Opcode.COPY, Copy, fields);
    expect(bench.read(Uint8Array, dst, expected.length)).toEqual(expected);
  }
}

/** A transposed copy of a dense tensor: dimension i of the result is dimension permutation[i] of the source. */
function transpose(dims: readonly number[], permutation: readonly number[]): Block {
  const strides = dense(dims);
  const out = permutation.map((p) => dims[p]!);
  return { dims: out, srcStrides: permutation.map((p) => strides[p]!), dstStrides: dense(out) };
}

describe("COPY moves every element of a block and nothing else, for 1, 2, 4 and 8 bytes", () => {
  it("one element, a run of any length, and one too long for a loop", () => {
    for (const n of [1, 2, 3, 7, 15, 16, 17, 31, 63, 300]) check({ dims: [n], srcStrides: [1], dstStrides: [1] });
    check({ dims: [1, 1], srcStrides: [5, 5], dstStrides: [9, 9] });
  });

  it("a slice and a concatenation along every axis", () => {
    check({ dims: [3, 4, 5], srcStrides: [99, 11, 1], dstStrides: [20, 5, 1] });
    for (const n of [1, 2, 4, 8, 16]) {
      check({ dims: [37, n], srcStrides: [n + 3, 1], dstStrides: [n, 1] });
      check({ dims: [37, n], srcStrides: [n, 1], dstStrides: [n + 5, 1] });
      check({ dims: [3, 5, n], srcStrides: [90, n, 1], dstStrides: [120, n + 1, 1] });
    }
    check({ dims: [3, 4, 5], srcStrides: [20, 5, 1], dstStrides: [70, 9, 1] });
    check({ dims: [2, 3, 70], srcStrides: [210, 70, 1], dstStrides: [600, 100, 1] });
  });

  it("strides in the innermost dimension, and reversed axes", () => {
    check({ dims: [4, 5], srcStrides: [20, 3], dstStrides: [5, 1] });
    check({ dims: [4, 5], srcStrides: [5, 1], dstStrides: [20, 2] });
    check({ dims: [7], srcStrides: [-1], dstStrides: [1] });
    check({ dims: [3, 6], srcStrides: [-6, 1], dstStrides: [6, 1] });
    check({ dims: [3, 4, 6], srcStrides: [24, -6, -1], dstStrides: [24, 6, 1] });
    check({ dims: [5, 6], srcStrides: [1, -5], dstStrides: [6, 1] });
    check({ dims: [5, 6], srcStrides: [6, 1], dstStrides: [-6, 1] });
  });

  it("repeated elements", () => {
    check({ dims: [4, 5], srcStrides: [0, 1], dstStrides: [5, 1] });
    check({ dims: [4, 5], srcStrides: [1, 0], dstStrides: [5, 1] });
    check({ dims: [3, 4, 5], srcStrides: [0, 0, 0], dstStrides: [20, 5, 1] });
  });

  it("transposes of matrices of all awkward sizes", () => {
    for (const h of [1, 2, 3, 4, 5, 7, 8, 9, 16, 17]) for (const w of [1, 2, 3, 4, 5, 8, 9, 17]) check(transpose([h, w], [1, 0]));
  });

  it("images between NCHW and NHWC", () => {
    for (const c of [1, 3, 4, 5, 16, 19]) {
      check(transpose([2, c, 5, 7], [0, 2, 3, 1]));
      check(transpose([2, 5, 7, c], [0, 3, 1, 2]));
    }
  });

  it("transposes into a wider destination and out of a wider source", () => {
    check({ dims: [6, 9], srcStrides: [1, 11], dstStrides: [13, 1] });
    check({ dims: [2, 9, 3], srcStrides: [60, 1, 17], dstStrides: [100, 7, 1] });
  });

  it("transposes of up to six dimensions, depth to space among them", () => {
    check(transpose([2, 3, 4, 5], [3, 1, 0, 2]));
    check(transpose([2, 3, 4, 5, 2], [4, 2, 0, 3, 1]));
    check(transpose([2, 3, 2, 3, 2, 4], [5, 3, 1, 4, 2, 0]));
    check(transpose([1, 3, 4, 2, 2, 5], [0, 1, 3, 2, 4, 5]));
    check(transpose([1, 2, 2, 5, 3, 4], [0, 4, 1, 5, 2, 3]));
  });
});
