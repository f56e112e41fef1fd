import { describe, expect, test } from "vitest";
import type { Attribute } from "../../compiler/ir/graph.ts";
import { elementCount, type Tensor } from "../../host/tensor.ts";
import { apply, floats, randomNumbers, tensor, values } from "./operation.ts";

/** The sum that defines a convolution, one output at a time, over any number of spatial axes. */
function definition(
  x: Tensor,
  w: Tensor,
  bias: readonly number[],
  group: number,
  strides: readonly number[],
  dilations: readonly number[],
  begin: readonly number[],
  output: readonly number[],
): readonly number[] {
  const [n, c] = x.shape as readonly [number, number];
  const [k, perGroup] = w.shape as readonly [number, number];
  const input = x.shape.slice(2);
  const kernel = w.shape.slice(2);
  const positions = (sizes: readonly number[]): readonly (readonly number[])[] =>
    sizes.reduce<readonly (readonly number[])[]>(
      (all, size) => all.flatMap((p) => Array.from({ length: size }, (_, i) => [...p, i])),
      [[]],
    );
  const flat = (index: readonly number[], sizes: readonly number[]): number => index.reduce((at, i, axis) => at * sizes[axis]! + i, 0);
  const results: number[] = [];
  for (let b = 0; b < n; b++) {
    for (let o = 0; o < k; o++) {
      for (const place of positions(output)) {
        let sum = bias[o] ?? 0;
        for (let i = 0; i < perGroup; i++) {
          const channel = Math.floor(o / (k / group)) * perGroup + i;
          for (const tap of positions(kernel)) {
            const source = tap.map((t, axis) => place[axis]! * strides[axis]! + t * dilations[axis]! - begin[axis]!);
            if (source.some((s, axis) => s < 0 || s >= input[axis]!)) continue;
            sum +=
              Number(w.data[(o * perGroup + i) * elementCount(kernel) + flat(tap, kernel)]) *
              Number(x.data[(b * c + channel) * elementCount(input) + flat(source, input)]);
          }
        }
        results.push(Math.fround(sum));
      }
    }
  }
  return results;
}

describe("Conv", () => {
  test("is the sum that defines it, over 1 to 3 axes, strides, dilations, groups and uneven pads (seed 3)", () => {
    const next = randomNumbers(3);
    const whole = (low: number, high: number): number => low + Math.floor(next() * (high - low + 1));
    for (let round = 0; round < 60; round++) {
      const rank = whole(1, 3);
      const many = (low: number, high: number): readonly number[] => Array.from({ length: rank }, () => whole(low, high));
      const group = whole(1, 3);
      const [perGroup, results] = [whole(1, 2), whole(1, 2) * group];
      const [kernel, strides, dilations, begin, end] = [many(1, 3), many(1, 3), many(1, 2), many(0, 2), many(0, 2)];
      const input = kernel.map((size, i) => Math.max(1, (size - 1) * dilations[i]! + 1 - begin[i]! - end[i]! + whole(0, 4)));
      const output = input.map(
        (size, i) => Math.floor((size + begin[i]! + end[i]! - (kernel[i]! - 1) * dilations[i]! - 1) / strides[i]!) + 1,
      );
      const random = (shape: readonly number[]): Tensor =>
        tensor(
          "float32",
          shape,
          Array.from({ length: elementCount(shape) }, () => Math.fround(next() - 0.5)),
        );
      const [x, w] = [random([whole(1, 2), perGroup * group, ...input]), random([results, perGroup, ...kernel])];
      const bias = next() < 0.5 ? random([results]) : null;
      const [y] = apply("Conv", [x, w, bias], { group, strides, dilations, pads: [...begin, ...end] });
      expect(y!.shape).toEqual([x.shape[0], results, ...output]);
      const expected = definition(x, w, bias ? Array.from(bias.data as Float32Array) : [], group, strides, dilations, begin, output);
      expected.forEach((value, i) => expect(Math.abs((y!.data[i] as number) - value)).toBeLessThan(1e-6));
    }
  });

  test.each([
    ["SAME_UPPER", [4, 8, 12, 7]],
    ["SAME_LOWER", [1, 3, 5, 7]],
    ["VALID", [3, 5, 7]],
  ])("pads by %s", (autoPad, expected) => {
    const attributes: Record<string, Attribute> = { auto_pad: autoPad };
    // Sums of two neighbours; of four elements SAME leaves the last (UPPER) or the first (LOWER) alone.
    const x = tensor("float32", [1, 1, 4], autoPad === "SAME_UPPER" ? [1, 3, 5, 7] : [1, 2, 3, 4]);
    expect(values("Conv", [x, tensor("float32", [1, 1, 2], [1, 1])], attributes)).toEqual(expected);
  });

  test("works on channels-last images", () => {
    const x = tensor("float32", [1, 2, 2, 2], [1, 10, 2, 20, 3, 30, 4, 40]);
    const [y] = apply("Conv", [x, tensor("float32", [1, 2, 1, 2], [1, 1, 1, -1])], {}, { channelsLast: true });
    expect(y!.shape).toEqual([1, 2, 1, 1]);
    expect(Array.from(y!.data as Float32Array)).toEqual([1 + 2 + 10 - 20, 3 + 4 + 30 - 40]);
  });

  test.each<readonly [string, readonly (Tensor | null)[], Record<string, Attribute>, string]>([
    [
      "a kernel larger than the image",
      [tensor("float32", [1, 1, 2], [1, 2]), tensor("float32", [1, 1, 3], [1, 1, 1])],
      {},
      "larger than the padded image",
    ],
    ["weights of other channels", [tensor("float32", [1, 2, 1], [1, 2]), tensor("float32", [1, 1, 1], [1])], {}, "in 1 groups do not fit"],
    [
      "a kernel_shape that is not the weights'",
      [tensor("float32", [1, 1, 2], [1, 2]), tensor("float32", [1, 1, 1], [1])],
      { kernel_shape: [2] },
      "kernel_shape [2]",
    ],
    ["a bias of another length", [tensor("float32", [1, 1, 1], [1]), tensor("float32", [1, 1, 1], [1]), floats(1, 2)], {}, "a bias of [2]"],
    [
      "a stride of 0",
      [tensor("float32", [1, 1, 1], [1]), tensor("float32", [1, 1, 1], [1])],
      { strides: [0] },
      "strides must be 1 positive numbers",
    ],
    ["integers", [tensor("int32", [1, 1, 1], [1]), tensor("int32", [1, 1, 1], [1])], {}, "input 0 is int32"],
  ])("refuses %s", (_what, operands, attributes, message) => {
    expect(() => apply("Conv", operands, attributes)).toThrow(
      expect.objectContaining({ code: "bad-operands", message: expect.stringContaining(message) }),
    );
  });
});

describe("MatMul", () => {
  test.each([
    [[3], [3], []],
    [[3], [2, 3, 4], [2, 4]],
    [[2, 2, 3], [3], [2, 2]],
    [
      [5, 1, 2, 3],
      [4, 3, 2],
      [5, 4, 2, 2],
    ],
    [
      [2, 0],
      [0, 3],
      [2, 3],
    ],
  ])("of %j and %j is %j", (a, b, shape) => {
    const ones = (s: readonly number[]): Tensor =>
      tensor(
        "float32",
        s,
        Array.from({ length: elementCount(s) }, () => 1),
      );
    const [y] = apply("MatMul", [ones(a), ones(b)]);
    expect(y!.shape).toEqual(shape);
    expect(Array.from(y!.data as Float32Array)).toEqual(Array.from({ length: elementCount(shape) }, () => a[a.length - 1]));
  });

  test("wraps integers", () => {
    expect(values("MatMul", [tensor("int32", [1, 2], [2 ** 30, 2 ** 30]), tensor("int32", [2, 1], [1, 3])])).toEqual([0]);
  });

  test("refuses inner sizes that differ", () => {
    expect(() => apply("MatMul", [floats(1, 2), floats(1, 2, 3)])).toThrow("have inner sizes 2 and 3");
  });
});

describe("Gemm", () => {
  const a = tensor("float32", [2, 3], [1, 2, 3, 4, 5, 6]);

  test("transposes, scales and adds what broadcasts", () => {
    expect(values("Gemm", [a, a, tensor("float32", [2, 1], [10, 20])], { transB: 1, alpha: 2, beta: 0.5 })).toEqual([33, 69, 74, 164]);
    expect(values("Gemm", [a, a], { transA: 1 })).toEqual([17, 22, 27, 22, 29, 36, 27, 36, 45]);
  });

  test("refuses an addend that is larger than the product", () => {
    expect(() => apply("Gemm", [a, a, tensor("float32", [3, 2], [1, 1, 1, 1, 1, 1])], { transB: 1 })).toThrow("do not broadcast");
    expect(() => apply("Gemm", [a, a, tensor("float32", [1, 2, 2], [1, 1, 1, 1])], { transB: 1 })).toThrow("an addend of [1, 2, 2]");
  });
});
