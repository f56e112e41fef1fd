import { describe, expect, test } from "vitest";
import type { Attribute } from "../../compiler/ir/graph.ts";
import type { DType, Tensor } from "../../host/tensor.ts";
import { apply, floats, tensor, values } from "./operation.ts";

const int = (dtype: DType, ...elements: readonly number[]): Tensor => tensor(dtype, [elements.length], elements);

describe("arithmetic", () => {
  test.each<readonly [string, Tensor, Tensor, readonly number[]]>([
    ["Add", int("int8", 127, -128), int("int8", 1, -1), [-128, 127]],
    ["Sub", int("uint8", 0), int("uint8", 1), [255]],
    ["Mul", int("int32", 2 ** 31 - 1), int("int32", 2 ** 31 - 1), [1]],
    ["Div", int("int32", -7, 7, 5, -(2 ** 31)), int("int32", 2, -2, 0, -1), [-3, -3, 0, -(2 ** 31)]],
    ["Div", int("int64", -7, 1), int("int64", 2, 0), [-3, 0]],
    ["Pow", int("int32", 2, -1, 3, 5, 0), int("int64", 10, -3, -2, 0, 0), [1024, -1, 0, 1, 1]],
    ["Pow", floats(2, -2, 4), int("int64", 3, 3, -1), [8, -8, 0.25]],
    ["Pow", int("int32", 2, 9), floats(0.5, 0.5), [1, 3]],
    ["PRelu", floats(-2, 2), floats(0.5), [-1, 2]],
    ["Max", floats(1, NaN, 3), floats(2, 1, NaN), [2, NaN, NaN]],
    ["Min", floats(1, NaN, 3), floats(2, 1, NaN), [1, NaN, NaN]],
  ])("%s of %o and %o", (op, a, b, expected) => {
    expect(values(op, [a, b])).toEqual(expected);
  });

  test("Mod has the divisor's sign, with fmod the dividend's", () => {
    const [a, b] = [int("int32", -5, 5, -5, 6), int("int32", 3, -3, -3, 3)];
    expect(values("Mod", [a, b])).toEqual([1, -1, -2, 0]);
    expect(values("Mod", [a, b], { fmod: 1 })).toEqual([-2, 2, -2, 0]);
  });

  test("broadcasts both operands", () => {
    const [y] = apply("Sub", [tensor("float32", [2, 1], [10, 20]), tensor("float32", [3], [1, 2, 3])]);
    expect(y!.shape).toEqual([2, 3]);
    expect(Array.from(y!.data as Float32Array)).toEqual([9, 8, 7, 19, 18, 17]);
    expect(apply("Add", [tensor("float32", [0, 1], []), floats(1, 2)])[0]!.shape).toEqual([0, 2]);
  });

  test("takes any number of operands", () => {
    expect(values("Max", [floats(1, 5)])).toEqual([1, 5]);
    expect(values("Mean", [floats(1), floats(2), floats(6)])).toEqual([3]);
    expect(values("Sum", [floats(1, 2), floats(3), floats(4)])).toEqual([8, 9]);
  });

  test("refuses shapes that do not broadcast and operands of two types", () => {
    expect(() => apply("Add", [floats(1, 2), floats(1, 2, 3)])).toThrow("the shapes [2] and [3] do not broadcast");
    expect(() => apply("Add", [floats(1), int("int32", 1)])).toThrow("its operands are float32 and int32");
    expect(() => apply("Add", [int("bool", 1), int("bool", 1)])).toThrow("input 0 is bool");
  });

  test("compares, and chooses", () => {
    expect(values("Less", [int("int64", 1, 2), int("int64", 2, 2)])).toEqual([1, 0]);
    expect(values("GreaterOrEqual", [floats(NaN, 2), floats(2)])).toEqual([0, 1]);
    expect(values("Equal", [floats(NaN, -0), floats(NaN, 0)])).toEqual([0, 1]);
    expect(values("Where", [int("bool", 1, 0), tensor("int64", [2, 1], [1, 2]), int("int64", 8, 9)])).toEqual([1, 9, 2, 9]);
  });
});

describe("functions", () => {
  const f = Math.fround;

  test.each<readonly [string, Record<string, Attribute>, readonly number[], readonly number[]]>([
    ["Relu", {}, [-1, 0, 2, NaN, -Infinity], [0, 0, 2, NaN, 0]],
    ["LeakyRelu", {}, [-1, 2], [-f(0.01), 2]],
    ["LeakyRelu", { alpha: 0.5 }, [-1, 2], [-0.5, 2]],
    ["HardSigmoid", {}, [-3, 0, 3], [0, 0.5, 1]],
    ["HardSwish", {}, [-4, -3, 0, 3, 4], [-0, -0, 0, 3, 4]],
    ["Elu", {}, [-Infinity, 1], [-1, 1]],
    ["ThresholdedRelu", { alpha: 1.5 }, [1.5, 2], [0, 2]],
    ["Round", {}, [0.5, 1.5, 2.5, -0.5, -1.5, 8388609], [0, 2, 2, -0, -2, 8388609]],
    ["Sigmoid", {}, [-Infinity, 0, Infinity], [0, 0.5, 1]],
    ["eqm:Silu", {}, [0, 200], [0, 200]],
    ["Gelu", {}, [0, 20, -20], [0, 20, f(-20 * 2.7536241186062337e-89)]],
    ["Gelu", { approximate: "tanh" }, [0, 20], [0, 20]],
    ["Softplus", {}, [0, 1000, -1000], [f(Math.LN2), 1000, 0]],
    ["Mish", {}, [1000, 0], [1000, 0]],
    ["Sqrt", {}, [4, -1], [2, NaN]],
    ["Log", {}, [1, 0, -1], [0, -Infinity, NaN]],
    ["Reciprocal", {}, [4, 0], [0.25, Infinity]],
    ["Sign", {}, [-3, 0, 3], [-1, 0, 1]],
  ])("%s %o", (op, attributes, x, expected) => {
    expect(values(op, [floats(...x)], attributes)).toEqual(expected);
  });

  test("Neg and Abs of the least integer wrap", () => {
    expect(values("Neg", [int("int8", -128, 3)])).toEqual([-128, -3]);
    expect(values("Abs", [int("int8", -128, -3)])).toEqual([-128, 3]);
  });

  test("Clip takes bounds of any numeric type; where they cross, the upper one wins", () => {
    expect(values("Clip", [floats(-1, 0.5, NaN), tensor("float32", [], [0]), tensor("float32", [], [1])])).toEqual([0, 0.5, NaN]);
    expect(values("Clip", [int("int64", -9, 9), null, tensor("int64", [], [5])])).toEqual([-9, 5]);
    expect(values("Clip", [floats(3), tensor("float32", [], [4]), tensor("float32", [], [2])])).toEqual([2]);
    expect(() => apply("Clip", [floats(1), floats(0, 1)])).toThrow("it must be one float32");
  });

  test("functions of floats refuse integers", () => {
    expect(() => apply("Exp", [int("int32", 1)])).toThrow("input 0 is int32; the operator takes float32.");
  });

  test.each<readonly [DType, DType, readonly number[], readonly number[]]>([
    ["float32", "int8", [1.9, -1.9, 300, -300, NaN], [1, -1, 127, -128, 0]],
    ["float32", "uint8", [-1, 255.9], [0, 255]],
    ["float32", "int64", [-1.5, 1e10], [-1, 1e10]],
    ["float32", "bool", [0, -0, 0.1, NaN], [0, 0, 1, 1]],
    ["int32", "int8", [128, -129, 511], [-128, 127, -1]],
    ["int64", "int32", [2 ** 32 + 5], [5]],
    ["int8", "uint8", [-1], [255]],
    ["bool", "float32", [1, 0], [1, 0]],
    ["int64", "float32", [2 ** 24 + 1], [2 ** 24]],
  ])("Cast of %s to %s", (from, to, x, expected) => {
    const code = { float32: 1, uint8: 2, int8: 3, int32: 6, int64: 7, bool: 9 }[to];
    expect(values("Cast", [int(from, ...x)], { to: code })).toEqual(expected);
  });

  test("Cast of a large int64 rounds once", () => {
    // Halfway between two float32 but for its last bit, which float64 would lose.
    const x: Tensor = { dtype: "int64", shape: [1], data: BigInt64Array.of((1n << 62n) + (1n << 38n) + 1n) };
    expect(values("Cast", [x], { to: 1 })).toEqual([2 ** 62 + 2 ** 39]);
  });

  test("Cast refuses types that eqm does not compute with", () => {
    expect(() => apply("Cast", [floats(1)], { to: 10 })).toThrow("it casts to FLOAT16");
  });
});

describe("QuantizeLinear", () => {
  test("rounds half to even, saturates, and takes a NaN for the zero point", () => {
    const x = floats(0.25, 0.75, -0.25, 1e30, -Infinity, NaN);
    expect(values("QuantizeLinear", [x, tensor("float32", [], [0.5]), tensor("int8", [], [3])])).toEqual([3, 5, 3, 127, -128, 3]);
    expect(apply("QuantizeLinear", [x, tensor("float32", [], [0.5])])[0]!.dtype).toBe("uint8");
    expect(apply("QuantizeLinear", [x, tensor("float32", [], [0.5])], { output_dtype: 3 })[0]!.dtype).toBe("int8");
  });

  test("takes scales per axis and in blocks", () => {
    const x = tensor("float32", [2, 3], [2, 4, 6, 2, 4, 6]);
    expect(values("QuantizeLinear", [x, floats(1, 2), tensor("uint8", [2], [0, 10])], { axis: 0 })).toEqual([2, 4, 6, 11, 12, 13]);
    expect(values("QuantizeLinear", [x, tensor("float32", [2, 2], [1, 2, 4, 8])], { axis: 1, block_size: 2 })).toEqual([2, 4, 3, 0, 1, 1]);
  });

  test("refuses scales that do not fit, and types beyond int8 and uint8", () => {
    expect(() => apply("QuantizeLinear", [tensor("float32", [2, 3], [1, 1, 1, 1, 1, 1]), floats(1, 2)])).toThrow(
      "scales [2] do not fit an operand [2, 3]",
    );
    expect(() => apply("QuantizeLinear", [floats(1), tensor("float32", [], [1])], { output_dtype: 21 })).toThrow("it quantizes to UINT4");
    expect(() => apply("QuantizeLinear", [floats(1), tensor("float32", [], [1]), tensor("int32", [], [0])])).toThrow(
      "it quantizes to int32",
    );
  });
});

describe("DequantizeLinear", () => {
  test("is (q − zero)·scale in float32", () => {
    expect(values("DequantizeLinear", [tensor("uint8", [2], [0, 255]), tensor("float32", [], [0.5]), tensor("uint8", [], [128])])).toEqual([
      -64, 63.5,
    ]);
    expect(values("DequantizeLinear", [tensor("int32", [1], [2 ** 24 + 1]), tensor("float32", [], [1])])).toEqual([2 ** 24]);
    expect(values("DequantizeLinear", [tensor("int8", [2, 2], [1, 2, 3, 4]), floats(1, 10)], { axis: -1 })).toEqual([1, 20, 3, 40]);
  });

  test("refuses a zero point of another type", () => {
    expect(() => apply("DequantizeLinear", [tensor("int8", [1], [1]), tensor("float32", [], [1]), tensor("uint8", [], [1])])).toThrow(
      "its zero point is uint8, the operand int8",
    );
  });
});
