import { expect, test } from "vitest";
import { evaluateNode, findOp, inferNode } from "../../compiler/ops/index.ts";
import { apply, floats, integers, nodeOf, tensor, values } from "./operation.ts";

test("an operator is found by its name, inner ones by their domain", () => {
  expect(findOp("Conv")?.name).toBe("Conv");
  expect(findOp("eqm:Silu")?.name).toBe("eqm:Silu");
  expect(findOp("toString")).toBeUndefined();
});

test("an unknown operator is an error that names the node", () => {
  expect(() => inferNode(nodeOf("Hyper", [floats(1)]))).toThrow(expect.objectContaining({ code: "unsupported" }));
});

test("channels-last permutes operand 0 and every result of its rank, and the indices count in ONNX's order", () => {
  // Channels 0 to 3, 4 to 7 of a 2 × 2 image, interleaved.
  const x = tensor("float32", [1, 2, 2, 2], [0, 4, 1, 5, 2, 6, 3, 7]);
  const [y, indices] = apply("MaxPool", [x], { kernel_shape: [1, 2] }, { outputs: 2, channelsLast: true });
  expect(y!.shape).toEqual([1, 2, 1, 2]);
  expect(Array.from(y!.data as Float32Array)).toEqual([1, 5, 3, 7]);
  expect(Array.from(indices!.data as BigInt64Array, Number)).toEqual([1, 5, 3, 7]);
});

test("channels-last leaves results of another rank alone", () => {
  const x = tensor("float32", [1, 1, 1, 2], [2, 4]);
  const channel = floats(1, 1);
  const results = apply(
    "BatchNormalization",
    [x, channel, channel, channel, channel],
    { training_mode: 1 },
    { outputs: 3, channelsLast: true },
  );
  expect(results.map(({ shape }) => shape)).toEqual([[1, 1, 1, 2], [2], [2]]);
});

test("the clamp holds for the first result only, and a NaN stays", () => {
  expect(values("Add", [floats(-5, 2, 9, NaN), floats(0)], { clampMin: 0, clampMax: 6 })).toEqual([0, 2, 6, NaN]);
  const [y, indices] = apply("MaxPool", [tensor("float32", [1, 1, 3], [1, 2, 30])], { kernel_shape: [2], clampMax: 6 }, { outputs: 2 });
  expect(Array.from(y!.data as Float32Array)).toEqual([2, 6]);
  expect(Array.from(indices!.data as BigInt64Array)).toEqual([1n, 2n]);
});

test("evaluates operands of other shapes than the node's, as tables of int8 functions do", () => {
  const node = nodeOf("Relu", [floats(1, 2)]);
  expect(evaluateNode(node, [tensor("float32", [2, 2], [-1, 1, -2, 2])])[0]!.shape).toEqual([2, 2]);
});

test("a result that no memory holds is refused before it is made", () => {
  expect(() => inferNode(nodeOf("ConstantOfShape", [integers(1 << 20, 1 << 20)]))).toThrow("larger than a WebAssembly memory");
  expect(() => inferNode(nodeOf("Tile", [floats(1), integers(2 ** 40)]))).toThrow("larger than a WebAssembly memory");
});

test("what decides a shape has to be known", () => {
  const node = nodeOf("Reshape", [floats(1, 2), integers(2, 1)], {}, { isConstant: () => false });
  expect(() => inferNode(node)).toThrow(
    expect.objectContaining({ code: "not-constant", message: expect.stringContaining("the new shape") }),
  );
});
