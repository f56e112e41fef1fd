import { describe, expect, test } from "vitest";
import type { Attribute } from "../../compiler/ir/graph.ts";
import { axisResamplings } from "../../compiler/ops/resize.ts";
import { apply, floats, integers, nodeOf, tensor, values } from "./operation.ts";

const image = (...elements: readonly number[]) => tensor("float32", [1, 1, elements.length], elements);

describe("pooling", () => {
  test("a NaN is the maximum", () => {
    expect(values("MaxPool", [image(1, NaN, 3, 2)], { kernel_shape: [2] })).toEqual([NaN, NaN, 3]);
    expect(values("GlobalMaxPool", [image(1, NaN, 3)])).toEqual([NaN]);
  });

  test("padding never wins, and indices leave it out", () => {
    const [y, indices] = apply("MaxPool", [tensor("int8", [1, 1, 2], [-128, -128])], { kernel_shape: [2], pads: [1, 1] }, { outputs: 2 });
    expect(Array.from(y!.data as Int8Array)).toEqual([-128, -128, -128]);
    expect(Array.from(indices!.data as BigInt64Array)).toEqual([0n, 0n, 1n]);
  });

  test("storage_order 1 counts the first spatial axis fastest", () => {
    const x = tensor("float32", [1, 2, 2, 3], [0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0]);
    const indices = (storage_order: number) =>
      Array.from(apply("MaxPool", [x], { kernel_shape: [2, 3], storage_order }, { outputs: 2 })[1]!.data as BigInt64Array, Number);
    expect(indices(0)).toEqual([2, 10]);
    expect(indices(1)).toEqual([4, 9]);
  });

  test("ceil_mode adds a last window, but none that begins in the padding", () => {
    const pool = (attributes: Record<string, Attribute>) =>
      values("AveragePool", [image(1, 2, 3, 4)], { kernel_shape: [3], strides: [2], ...attributes });
    expect(pool({})).toEqual([2]);
    expect(pool({ ceil_mode: 1 })).toEqual([2, 3.5]);
    expect(values("AveragePool", [image(1, 2, 3, 4)], { kernel_shape: [2], strides: [3], pads: [1, 1], ceil_mode: 1 })).toEqual([1, 3.5]);
  });

  test("count_include_pad divides by the padding too, not by what ceil_mode adds", () => {
    const attributes = { kernel_shape: [3], strides: [2], pads: [1, 0] };
    expect(values("AveragePool", [image(3, 3, 3)], { ...attributes })).toEqual([3]);
    expect(values("AveragePool", [image(3, 3, 3)], { ...attributes, count_include_pad: 1 })).toEqual([2]);
    expect(values("AveragePool", [image(3, 3, 3)], { ...attributes, count_include_pad: 1, ceil_mode: 1 })).toEqual([2, 3]);
  });

  test("refuses padding as large as the kernel, and a kernel of other axes", () => {
    expect(() => apply("MaxPool", [image(1, 2)], { kernel_shape: [2], pads: [2, 0] })).toThrow("is not smaller than the kernel");
    expect(() => apply("MaxPool", [image(1, 2)], { kernel_shape: [2, 2] })).toThrow("does not fit 1 spatial axes");
    expect(() => apply("MaxPool", [image(1, 2)], { kernel_shape: [2], auto_pad: "SAME" })).toThrow("auto_pad SAME is not one of");
  });
});

describe("reductions", () => {
  const empty = tensor("float32", [2, 0], []);
  const x = tensor("float32", [2, 2], [1, -2, 3, 4]);

  test.each([
    ["ReduceSum", [0, 0]],
    ["ReduceProd", [1, 1]],
    ["ReduceMax", [-Infinity, -Infinity]],
    ["ReduceMin", [Infinity, Infinity]],
    ["ReduceMean", [NaN, NaN]],
    ["ReduceLogSumExp", [-Infinity, -Infinity]],
  ])("%s of nothing", (op, expected) => {
    expect(values(op, [empty, integers(1)])).toEqual(expected);
  });

  test("of no integers the extremes are the type's", () => {
    expect(values("ReduceMax", [tensor("int8", [0], [])])).toEqual([-128]);
    expect(apply("ReduceMin", [tensor("int64", [0], [])])[0]!.data[0]).toBe(2n ** 63n - 1n);
    expect(values("ReduceMax", [tensor("bool", [0], [])])).toEqual([0]);
  });

  test.each([
    ["ReduceL1", [3, 7]],
    ["ReduceL2", [Math.sqrt(5), 5]],
    ["ReduceSumSquare", [5, 25]],
    ["ReduceMean", [-0.5, 3.5]],
    ["ReduceProd", [-2, 12]],
    ["ReduceMin", [-2, 3]],
    ["ReduceLogSumExp", [Math.log(Math.E + Math.exp(-2)), Math.log(Math.exp(3) + Math.exp(4))]],
  ])("%s", (op, expected) => {
    expect(values(op, [x, integers(-1)], { keepdims: 0 })).toEqual(expected.map(Math.fround));
  });

  test("over no axes each element is reduced by itself", () => {
    expect(values("ReduceSumSquare", [x], { noop_with_empty_axes: 1 })).toEqual([1, 4, 9, 16]);
    expect(values("ReduceSum", [x, integers()], { noop_with_empty_axes: 0 })).toEqual([6]);
  });

  test("integers are exact, wrap, and truncate a mean", () => {
    expect(values("ReduceSum", [tensor("int32", [2], [2 ** 31 - 1, 1])])).toEqual([-(2 ** 31)]);
    expect(values("ReduceMean", [tensor("int32", [2], [-1, -2])])).toEqual([-1]);
    expect(apply("ReduceSum", [{ dtype: "int64", shape: [2], data: BigInt64Array.of(2n ** 60n, 1n) }])[0]!.data[0]).toBe(2n ** 60n + 1n);
  });

  test("softmax does not overflow, and works along any axis", () => {
    expect(values("Softmax", [floats(1000, 1000)])).toEqual([0.5, 0.5]);
    expect(values("Softmax", [tensor("float32", [2, 2], [0, 5, 0, 5])], { axis: 0 })).toEqual([0.5, 0.5, 0.5, 0.5]);
    expect(values("LogSoftmax", [floats(0, -1000)])).toEqual([0, -1000]);
    expect(values("Softmax", [floats(NaN, 1)])).toEqual([NaN, NaN]);
  });
});

describe("Resize", () => {
  const sized = (length: number, attributes: Record<string, Attribute>, x = floats(0, 1, 2, 3)) =>
    values("Resize", [x, null, null, integers(length)], attributes);

  test.each([
    ["round_prefer_floor", [0, 0, 1, 1, 2, 2, 3, 3]],
    ["round_prefer_ceil", [0, 1, 1, 2, 2, 3, 3, 3]],
    ["floor", [0, 0, 1, 1, 2, 2, 3, 3]],
    ["ceil", [0, 1, 1, 2, 2, 3, 3, 3]],
  ])("nearest_mode %s decides ties and the rest", (nearest_mode, expected) => {
    expect(sized(8, { nearest_mode, coordinate_transformation_mode: "asymmetric" })).toEqual(expected);
  });

  test("linear meets the corners with align_corners, and stops at the edge with half_pixel", () => {
    expect(sized(7, { mode: "linear", coordinate_transformation_mode: "align_corners" })).toEqual([0, 0.5, 1, 1.5, 2, 2.5, 3]);
    expect(sized(8, { mode: "linear" })).toEqual([0, 0.25, 0.75, 1.25, 1.75, 2.25, 2.75, 3]);
    expect(sized(1, { mode: "linear", coordinate_transformation_mode: "pytorch_half_pixel" })).toEqual([0]);
  });

  test("antialiasing averages what a reduction leaves out", () => {
    expect(sized(2, { mode: "linear", antialias: 1, exclude_outside: 1 }).map((v) => Math.round(v * 1e6) / 1e6)).toEqual([
      0.714286, 2.285714,
    ]);
    expect(sized(2, { mode: "linear" })).toEqual([0.5, 2.5]);
  });

  test("tf_crop_and_resize gives the extrapolation value outside of the image", () => {
    const attributes = { mode: "linear", coordinate_transformation_mode: "tf_crop_and_resize", extrapolation_value: 9 };
    expect(values("Resize", [floats(0, 1, 2, 3), floats(0.5, 1.5), null, integers(3)], attributes)).toEqual(
      [1.5, 3, 9].map((v, i) => (i === 2 ? 9 : v)),
    );
  });

  test("one scale keeps the aspect ratio", () => {
    const shapeFor = (keep_aspect_ratio_policy: string) =>
      apply("Resize", [tensor("float32", [2, 4], Array(8).fill(1)), null, null, integers(4, 6)], { keep_aspect_ratio_policy })[0]!.shape;
    expect(shapeFor("stretch")).toEqual([4, 6]);
    expect(shapeFor("not_larger")).toEqual([3, 6]);
    expect(shapeFor("not_smaller")).toEqual([4, 8]);
  });

  test("a length that comes from scales is the float32 product", () => {
    // 10 · f32(0.7) is just below 7 in float64.
    expect(apply("Resize", [tensor("float32", [10], Array(10).fill(1)), null, floats(0.7)])[0]!.shape).toEqual([7]);
  });

  test("axes that change have tables, in the node's own order of axes", () => {
    const x = tensor("float32", [1, 2, 4, 3], Array(24).fill(0));
    const node = nodeOf("Resize", [x, null, floats(1, 1, 2, 0.5)], {}, { channelsLast: true });
    expect(
      axisResamplings(node).map(({ axis, inLength, outLength, taps, weights }) => ({ axis, inLength, outLength, taps, weights })),
    ).toEqual([
      { axis: 1, inLength: 2, outLength: 4, taps: 1, weights: null },
      { axis: 2, inLength: 4, outLength: 2, taps: 1, weights: null },
    ]);
  });

  test("rows outside have no index", () => {
    const node = nodeOf("Resize", [floats(1, 2), floats(-0.5, 1), null, integers(2)], {
      coordinate_transformation_mode: "tf_crop_and_resize",
      extrapolation_value: 4,
    });
    expect(axisResamplings(node)).toEqual([
      { axis: 0, inLength: 2, outLength: 2, taps: 1, indices: Int32Array.of(-1, 1), weights: null, outside: 4 },
    ]);
  });

  test("moves integers to the nearest, and does not mix them", () => {
    expect(values("Resize", [tensor("int64", [2], [5, 6]), null, floats(2)])).toEqual([5, 5, 6, 6]);
    expect(() => apply("Resize", [tensor("int8", [2], [5, 6]), null, floats(2)], { mode: "linear" })).toThrow("it mixes elements of int8");
  });

  test("refuses scales and sizes together, neither, or such as do not fit", () => {
    expect(() => apply("Resize", [floats(1)])).toThrow("scales or sizes, and not both");
    expect(() => apply("Resize", [floats(1), null, floats(1), integers(1)])).toThrow("scales or sizes, and not both");
    expect(() => apply("Resize", [floats(1), null, floats(1, 2)])).toThrow("do not fit 1 axes");
    expect(() => apply("Resize", [floats(1), null, floats(0)])).toThrow("do not fit 1 axes");
    expect(() => apply("Resize", [floats(1), null, floats(2)], { mode: "area" })).toThrow("mode area is not one of");
  });
});
