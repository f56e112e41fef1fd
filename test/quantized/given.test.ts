/** What the compiler says and asks where a model comes quantized. */
import { describe, expect, test } from "vitest";
import { type CompileOptions, compile, quantizeToOnnx } from "../../compiler/index.ts";
import { load } from "../../host/index.ts";
import { decode, node, type TensorSpec } from "../support/onnx-model.ts";
import { integers, modelOf } from "./operators.ts";

const number = (name: string, x: number): TensorSpec => ({ name, dims: [], dataType: 1, floatData: [x] });
const X = { dtype: "float32" as const, shape: [1, 2], data: Float32Array.of(1, -2) };

/** y = sigmoid(quantized product): one layer in int8, one operator in float32. */
const QUANTIZED = modelOf(
  [
    node("QuantizeLinear", ["x", "s", "z"], ["q"]),
    node("DequantizeLinear", ["q", "s", "z"], ["d"]),
    node("DequantizeLinear", ["w", "s"], ["wd"]),
    node("MatMul", ["d", "wd"], ["p"], {}, { name: "product" }),
    node("Sigmoid", ["p"], ["y"]),
  ],
  { x: X },
  { y: { dtype: "float32", shape: [1, 2] } },
  [number("s", 0.5), integers("z", "uint8", [], [128]), integers("w", "int8", [2, 2], [1, 2, 3, -4])],
);

test("its scales are kept, and what it computes in float32 stays so", async () => {
  const { bytes, report } = await compile(QUANTIZED);
  expect(report).toMatchObject({ precision: "int8", alreadyQuantized: true, calibration: null, warnings: [] });
  expect(report.layers).toEqual([expect.objectContaining({ name: "product", precision: "int8", weightBits: 8, weightBytes: 4 })]);
  const model = await load(bytes);
  const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));
  const got = model.run({ x: X.data })["y"]! as Float32Array;
  [1 * 0.5 - 2 * 1.5, 1 * 1 + 2 * 2].forEach((x, i) => {
    expect(got[i]).toBeCloseTo(sigmoid(x), 6);
  });
  model.dispose();
});

test("as ONNX it is written in the form of int8", async () => {
  const { bytes, report } = await quantizeToOnnx(QUANTIZED);
  expect(report.alreadyQuantized).toBe(true);
  const { node: nodes, initializer } = decode(bytes).graph!;
  expect(nodes!.map(({ opType }) => opType)).toEqual(["QuantizeLinear", "DequantizeLinear", "DequantizeLinear", "Gemm", "Sigmoid"]);
  // UINT8 is 2.
  expect(initializer!.some(({ dataType }) => dataType === 2)).toBe(false);
});

describe("options for another quantization", () => {
  const cases: readonly [string, CompileOptions][] = [
    ["weights", { weights: 4 }],
    ["keepFloat", { keepFloat: ["product"] }],
    ["prune", { prune: 0.5, criterion: "magnitude" }],
    ["maxDrop", { maxDrop: 1 }],
    ["targetSqnrDb", { precision: "mixed", targetSqnrDb: 30 }],
  ];
  test.each(cases)("%s is refused", async (name, options) => {
    const calibration = [{ x: X }];
    await expect(compile(QUANTIZED, { calibration, ...options })).rejects.toMatchObject({
      code: "already-quantized",
      fault: "usage",
      details: { options: [name] },
    });
  });

  test("samples are not read, and a warning says so", async () => {
    const calibration = {
      [Symbol.iterator]: () => {
        throw new Error("read");
      },
    };
    const { report } = await compile(QUANTIZED, { calibration });
    expect(report.warnings).toEqual(["The model is quantized already and keeps its own scales: the calibration samples were not needed."]);
  });
});
