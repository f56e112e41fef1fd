import { describe, expect, test } from "vitest";
import type { Attribute } from "../../compiler/ir/graph.ts";
import type { Tensor } from "../../host/tensor.ts";
import { apply, floats, integers, tensor, values } from "./operation.ts";

const counting = (...shape: readonly number[]): Tensor => {
  const count = shape.reduce((a, b) => a * b, 1);
  return tensor(
    "float32",
    shape,
    Array.from({ length: count }, (_, i) => i),
  );
};

describe("views", () => {
  test.each<readonly [readonly number[], readonly number[], Record<string, Attribute>, readonly number[]]>([
    [[2, 3, 4], [0, -1], {}, [2, 12]],
    [[2, 3, 4], [4, 0, -1], {}, [4, 3, 2]],
    [[0, 3], [3, 0], { allowzero: 1 }, [3, 0]],
    [[0, 3], [0, -1], {}, [0, 0]],
    [[1], [], {}, []],
  ])("Reshape of %j by %j", (shape, asked, attributes, expected) => {
    if (shape[0] === 0 && asked[1] === -1)
      return expect(() => apply("Reshape", [counting(...shape), integers(...asked)], attributes)).toThrow("cannot take the shape");
    expect(apply("Reshape", [counting(...shape), integers(...asked)], attributes)[0]!.shape).toEqual(expected);
  });

  test.each([[[5]], [[-1, -1]], [[0, 0, 0]], [[-2, 3]], [[4, -1]]])("Reshape refuses %j for [2, 3]", (asked) => {
    expect(() => apply("Reshape", [counting(2, 3), integers(...asked)])).toThrow(expect.objectContaining({ code: "bad-operands" }));
  });

  test("Flatten, Squeeze and Unsqueeze count negative axes from the end", () => {
    expect(apply("Flatten", [counting(2, 3, 4)], { axis: -1 })[0]!.shape).toEqual([6, 4]);
    expect(apply("Flatten", [counting(2, 3)], { axis: 0 })[0]!.shape).toEqual([1, 6]);
    expect(apply("Squeeze", [counting(1, 2, 1), integers(-1)])[0]!.shape).toEqual([1, 2]);
    expect(apply("Squeeze", [counting(1, 2, 1)])[0]!.shape).toEqual([2]);
    expect(apply("Unsqueeze", [counting(2), integers(-1, 0)])[0]!.shape).toEqual([1, 2, 1]);
    expect(() => apply("Squeeze", [counting(1, 2), integers(1)])).toThrow("are not all of length 1");
    expect(() => apply("Unsqueeze", [counting(2), integers(0, -3)])).toThrow("name one axis twice");
  });

  test("Dropout passes its operand on, and refuses to train", () => {
    const ratio = tensor("float32", [], [0.5]);
    expect(values("Dropout", [floats(1, 2), ratio, tensor("bool", [], [0])])).toEqual([1, 2]);
    expect(() => apply("Dropout", [floats(1), ratio, tensor("bool", [], [1])])).toThrow("drops at random");
  });
});

describe("rearranging", () => {
  test.each<
    readonly [
      readonly number[],
      readonly number[],
      readonly number[],
      readonly number[] | null,
      readonly number[] | null,
      readonly number[],
    ]
  >([
    [[6], [1], [5], null, [2], [1, 3]],
    [[6], [-1], [-100], null, [-2], [5, 3, 1]],
    [[6], [100], [-100], null, [-1], [5, 4, 3, 2, 1, 0]],
    [[6], [4], [2], null, null, []],
    [[2, 3], [1], [100], [-1], null, [1, 2, 4, 5]],
    [[0], [0], [-1], null, [-1], []],
  ])("Slice of %j from %j to %j", (shape, starts, ends, axes, steps, expected) => {
    const operands = [counting(...shape), integers(...starts), integers(...ends), axes && integers(...axes), steps && integers(...steps)];
    expect(values("Slice", operands)).toEqual(expected);
  });

  test("Split gives the rest to the last part", () => {
    expect(apply("Split", [counting(7)], { num_outputs: 3 }, { outputs: 3 }).map(({ data }) => Array.from(data as Float32Array))).toEqual([
      [0, 1, 2],
      [3, 4, 5],
      [6],
    ]);
    expect(() => apply("Split", [counting(3), integers(1, 1)], {}, { outputs: 2 })).toThrow("parts of [1, 1] are not 2 parts of 3");
  });

  test("Transpose reverses without perm, and refuses one that is none", () => {
    expect(values("Transpose", [counting(2, 3)])).toEqual([0, 3, 1, 4, 2, 5]);
    expect(() => apply("Transpose", [counting(2, 3)], { perm: [0, 0] })).toThrow("name one axis twice");
  });

  test("Concat joins along any axis, empty parts too", () => {
    const [y] = apply("Concat", [tensor("int64", [2, 1], [1, 2]), tensor("int64", [2, 0], []), tensor("int64", [2, 2], [3, 4, 5, 6])], {
      axis: -1,
    });
    expect(y!.shape).toEqual([2, 3]);
    expect(Array.from(y!.data as BigInt64Array, Number)).toEqual([1, 3, 4, 2, 5, 6]);
    expect(() => apply("Concat", [counting(2, 1), counting(3, 1)], { axis: 1 })).toThrow("do not join along axis 1");
  });

  test("SpaceToDepth undoes DepthToSpace of mode DCR", () => {
    const x = counting(1, 8, 2, 3);
    const [y] = apply("DepthToSpace", [x], { blocksize: 2 });
    expect(y!.shape).toEqual([1, 2, 4, 6]);
    expect(values("SpaceToDepth", [y!], { blocksize: 2 })).toEqual(Array.from(x.data as Float32Array));
    expect(values("DepthToSpace", [counting(1, 4, 1, 1)], { blocksize: 2, mode: "CRD" })).toEqual([0, 1, 2, 3]);
    expect(() => apply("DepthToSpace", [counting(1, 6, 1, 1)], { blocksize: 2 })).toThrow("6 channels in mode DCR");
  });

  test("Expand takes the longer of both shapes, Tile repeats", () => {
    expect(apply("Expand", [counting(3, 1), integers(2, 1, 2)])[0]!.shape).toEqual([2, 3, 2]);
    expect(values("Tile", [counting(2, 1), integers(1, 3)])).toEqual([0, 0, 0, 1, 1, 1]);
  });

  test("Gather takes negative indices, and refuses those outside", () => {
    expect(values("Gather", [counting(2, 3), tensor("int64", [1, 2], [-1, 0])], { axis: 1 })).toEqual([2, 0, 5, 3]);
    expect(() => apply("Gather", [counting(3), integers(3)])).toThrow("the index 3 is outside of an axis of 3");
  });
});

describe("Pad", () => {
  test.each<readonly [string, readonly number[], readonly number[]]>([
    ["constant", [1, 2], [7, 0, 1, 2, 7, 7]],
    ["edge", [1, 2], [0, 0, 1, 2, 2, 2]],
    ["reflect", [1, 2], [1, 0, 1, 2, 1, 0]],
    ["reflect", [0, 5], [0, 1, 2, 1, 0, 1, 2, 1]],
    ["wrap", [1, 2], [2, 0, 1, 2, 0, 1]],
    ["constant", [-1, 1], [1, 2, 7]],
    ["constant", [-2, -1], []],
  ])("mode %s by %j", (mode, pads, expected) => {
    expect(values("Pad", [counting(3), integers(...pads), tensor("float32", [], [7])], { mode })).toEqual(expected);
  });

  test("pads the axes it names", () => {
    expect(values("Pad", [counting(1, 2), integers(0, 1), null, integers(-1)])).toEqual([0, 1, 0]);
  });

  test("refuses pads that do not fit", () => {
    expect(() => apply("Pad", [counting(3), integers(1)])).toThrow("are not two for each of 1 axes");
    expect(() => apply("Pad", [counting(3), integers(-2, -2)])).toThrow("cut off more than [3] has");
    expect(() => apply("Pad", [counting(0), integers(1, 0)], { mode: "edge" })).toThrow("an empty axis has nothing to edge");
  });
});

describe("shapes", () => {
  test("Shape and Size ask for the type only", () => {
    const bare: Tensor = { dtype: "float32", shape: [2, 3, 4], data: new Float32Array(0) };
    expect(values("Shape", [bare], { start: -2, end: 9 })).toEqual([3, 4]);
    expect(values("Shape", [bare], { start: 2, end: 1 })).toEqual([]);
    expect(values("Size", [bare])).toEqual([24]);
  });

  test("Range counts to the limit, which it leaves out", () => {
    const range = (start: number, limit: number, delta: number): readonly number[] =>
      values(
        "Range",
        [start, limit, delta].map((x) => tensor("int64", [], [x])),
      );
    expect(range(1, 8, 3)).toEqual([1, 4, 7]);
    expect(range(5, 5, 1)).toEqual([]);
    expect(range(5, 1, -2)).toEqual([5, 3]);
    expect(() => range(1, 2, 0)).toThrow("is no range");
  });

  test("ConstantOfShape fills with its value", () => {
    const [y] = apply("ConstantOfShape", [integers(2, 0)], { value: tensor("int64", [1], [5]) });
    expect(y).toEqual({ dtype: "int64", shape: [2, 0], data: new BigInt64Array(0) });
    expect(() => apply("ConstantOfShape", [integers(-1)])).toThrow("has a negative size");
  });
});
