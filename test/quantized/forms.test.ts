/** What quantizers write around layers, one pattern a model: which steps it becomes, and that they compute what onnxruntime-web does. */
import { expect, test } from "vitest";
import { compile } from "../../compiler/index.ts";
import { load } from "../../host/index.ts";
import { layoutOf } from "../../host/layouts.ts";
import { readEqm } from "../../host/reader.ts";
import { createScanner } from "../../host/scanner.ts";
import { elementCount, type Tensor } from "../../host/tensor.ts";
import { int, ints, type NodeSpec, node, type TensorSpec } from "../support/onnx-model.ts";
import { plainModule } from "../support/small-model.ts";
import { hasOnnxruntime, runOnnxruntime } from "./onnxruntime.ts";
import { chance, integers, modelOf } from "./operators.ts";

const scanner = createScanner(plainModule);
const c = chance(3);
const bytes = (count: number): number[] => Array.from({ length: count }, () => c.between(-127, 127));
const reals = (count: number, spread: number): number[] => Array.from({ length: count }, () => c.real(-spread, spread));
const floats = (name: string, dims: number[], values: readonly number[]): TensorSpec => ({
  name,
  dims,
  dataType: 1,
  floatData: [...values],
});
const image = (...shape: number[]): Tensor => ({ dtype: "float32", shape, data: Float32Array.from(reals(elementCount(shape), 2)) });

/** INT4 is 22, UINT4 21: two elements to a byte. */
const nibbles = (name: string, dims: number[], dataType: 21 | 22, values: readonly number[]): TensorSpec => ({
  ...{ name, dims, dataType },
  rawData: Uint8Array.from({ length: Math.ceil(values.length / 2) }, (_, i) => (values[2 * i]! & 15) | ((values[2 * i + 1] ?? 0) << 4)),
});

const STEP = 0.0513;
const PARAMETERS = [
  floats("s", [], [0.016]),
  integers("z", "uint8", [], [128]),
  floats("ys", [], [STEP]),
  integers("yz", "uint8", [], [100]),
];
const X = [node("QuantizeLinear", ["x", "s", "z"], ["q"]), node("DequantizeLinear", ["q", "s", "z"], ["d"])];
const Y = [node("QuantizeLinear", ["p", "ys", "yz"], ["yq"]), node("DequantizeLinear", ["yq", "ys", "yz"], ["y"])];
const W = node("DequantizeLinear", ["w", "ws"], ["wd"]);

interface Form {
  readonly name: string;
  readonly nodes: readonly NodeSpec[];
  readonly constants: readonly TensorSpec[];
  readonly x: Tensor;
  readonly shape: readonly number[];
  readonly steps: string;
}

const FORMS: readonly Form[] = [
  {
    name: "a transposed convolution with weights by output channel",
    nodes: [
      node("DequantizeLinear", ["w", "ws", "wz"], ["wd"], { axis: int(1) }),
      node("DequantizeLinear", ["b", "bs"], ["bd"], { axis: int(0) }),
      node("ConvTranspose", ["d", "wd", "bd"], ["p"], { strides: ints(2, 2) }),
    ],
    constants: [
      integers("w", "int8", [4, 5, 3, 3], bytes(180)),
      floats("ws", [5], [0.004, 0.005, 0.006, 0.003, 0.002]),
      integers("wz", "int8", [5], [0, 0, 0, 0, 0]),
      integers("b", "int32", [5], [900, -400, 0, 77, 12]),
      floats(
        "bs",
        [5],
        [0.004, 0.005, 0.006, 0.003, 0.002].map((s) => Math.fround(s * 0.016)),
      ),
    ],
    ...{ x: image(1, 4, 6, 6), shape: [1, 5, 13, 13], steps: "QUANTIZE CONV_I8 COPY COPY COPY COPY DEQUANTIZE" },
  },
  {
    name: "int4 weights by column",
    nodes: [node("DequantizeLinear", ["w", "ws", "wz"], ["wd"], { axis: int(1) }), node("MatMul", ["d", "wd"], ["p"])],
    constants: [
      nibbles(
        "w",
        [32, 6],
        22,
        Array.from({ length: 192 }, () => c.between(-8, 7)),
      ),
      floats("ws", [6], [0.04, 0.05, 0.06, 0.03, 0.02, 0.01]),
      nibbles("wz", [6], 22, [0, 0, 0, 0, 0, 0]),
    ],
    ...{ x: image(3, 32), shape: [3, 6], steps: "QUANTIZE CONV_I8 DEQUANTIZE" },
  },
  {
    name: "uint4 weights with zero points",
    nodes: [node("DequantizeLinear", ["w", "ws", "wz"], ["wd"], { axis: int(1) }), node("MatMul", ["d", "wd"], ["p"])],
    constants: [
      nibbles(
        "w",
        [32, 6],
        21,
        Array.from({ length: 192 }, () => c.between(0, 15)),
      ),
      floats("ws", [6], [0.04, 0.05, 0.06, 0.03, 0.02, 0.01]),
      nibbles("wz", [6], 21, [7, 8, 6, 9, 8, 7]),
    ],
    ...{ x: image(3, 32), shape: [3, 6], steps: "QUANTIZE CONV_I8 DEQUANTIZE" },
  },
  {
    name: "a convolution over one axis",
    nodes: [W, node("Conv", ["d", "wd"], ["p"])],
    constants: [integers("w", "int8", [5, 4, 3], bytes(60)), floats("ws", [], [0.004])],
    ...{ x: image(1, 4, 10), shape: [1, 5, 8], steps: "QUANTIZE CONV_I8 COPY DEQUANTIZE" },
  },
  {
    name: "integers resized to their nearest",
    nodes: [
      node("Resize", ["q", "", "scales"], ["r"]),
      node("DequantizeLinear", ["r", "s", "z"], ["rd"]),
      W,
      node("Conv", ["rd", "wd"], ["p"]),
    ],
    constants: [floats("scales", [4], [1, 1, 2, 2]), integers("w", "int8", [5, 4, 1, 1], bytes(20)), floats("ws", [], [0.004])],
    ...{ x: image(1, 4, 6, 6), shape: [1, 5, 12, 12], steps: "QUANTIZE RESAMPLE RESAMPLE CONV_I8 COPY DEQUANTIZE" },
  },
  {
    name: "an int32 bias added behind its layer",
    nodes: [W, node("MatMul", ["d", "wd"], ["sum"]), node("DequantizeLinear", ["b", "bs"], ["bd"]), node("Add", ["sum", "bd"], ["p"])],
    constants: [
      ...[integers("w", "int8", [32, 6], bytes(192)), floats("ws", [], [0.01])],
      ...[integers("b", "int32", [6], [100, -200, 3000, 0, 5, 6]), floats("bs", [], [Math.fround(0.016 * 0.01)])],
    ],
    ...{ x: image(3, 32), shape: [3, 6], steps: "QUANTIZE CONV_I8 DEQUANTIZE" },
  },
  {
    name: "a pool between layers without quantization of its own",
    nodes: [W, node("MaxPool", ["d"], ["m"], { kernel_shape: ints(2, 2) }), node("Conv", ["m", "wd"], ["p"])],
    constants: [integers("w", "int8", [5, 4, 1, 1], bytes(20)), floats("ws", [], [0.004])],
    ...{ x: image(1, 4, 6, 6), shape: [1, 5, 5, 5], steps: "QUANTIZE POOL CONV_I8 COPY DEQUANTIZE" },
  },
];

test.each(FORMS)("$name", async ({ nodes, constants, x, shape, steps }) => {
  const model = modelOf([...X, ...nodes, ...Y], { x }, { y: { dtype: "float32", shape } }, [...PARAMETERS, ...constants]);
  const { bytes: eqm, report } = await compile(model);
  expect(report.alreadyQuantized).toBe(true);
  expect(
    readEqm(eqm, scanner)
      .plan.steps.map((words) => layoutOf(words[0]!)!.name)
      .join(" "),
  ).toBe(steps);
  const loaded = await load(eqm);
  const got = Array.from(loaded.run({ x: x.data })["y"]!, Number);
  loaded.dispose();
  expect(new Set(got).size).toBeGreaterThan(5);
  if (!hasOnnxruntime) return;
  const theirs = (await runOnnxruntime(model, { x }, "disabled"))["y"]!;
  const apart = got.map((value, i) => Math.abs(Math.round((value - theirs[i]!) / STEP)));
  expect(Math.max(...apart)).toBeLessThanOrEqual(1);
  expect(apart.filter((steps) => steps > 0).length).toBeLessThanOrEqual(apart.length * 0.01);
});

const CONV = [node("Conv", ["d", "w1"], ["a"]), node("Relu", ["a"], ["b"]), node("Conv", ["b", "w2"], ["y"])];
const FLOAT_WEIGHTS = [floats("w1", [5, 4, 3, 3], reals(180, 1)), floats("w2", [5, 5, 1, 1], reals(25, 1))];

test.each([
  ["bytes in", [node("DequantizeLinear", ["x", "s", "z"], ["d"])], "uint8"],
  ["an input that goes through bytes", X, "float32"],
] as const)("a float model with %s is quantized like any other", async (_, nodes, dtype) => {
  const shape = [1, 4, 6, 6];
  const values = Array.from({ length: 144 }, () => c.between(0, 255));
  const data = dtype === "uint8" ? Uint8Array.from(values) : Float32Array.from(values, (x) => (x - 128) * 0.016);
  const model = modelOf([...nodes, ...CONV], { x: { dtype, shape, data } }, { y: { dtype: "float32", shape: [1, 5, 4, 4] } }, [
    ...PARAMETERS,
    ...FLOAT_WEIGHTS,
  ]);
  const { report } = await compile(model, { calibration: [{ x: { dtype, shape, data } }] });
  expect([report.alreadyQuantized, report.layers.map(({ precision }) => precision)]).toEqual([false, ["int8", "int8"]]);
  expect(report.outputs[0]!.sqnrDb).toBeGreaterThan(30);
});

test("a float model that only stores its weights in integers is quantized like any other", async () => {
  const x = image(3, 32);
  const nodes = [node("DequantizeLinear", ["w", "ws"], ["wd"], { axis: int(0), block_size: int(16) }), node("MatMul", ["x", "wd"], ["y"])];
  const weights = nibbles(
    "w",
    [32, 6],
    22,
    Array.from({ length: 192 }, () => c.between(-8, 7)),
  );
  const model = modelOf(nodes, { x }, { y: { dtype: "float32", shape: [3, 6] } }, [
    weights,
    floats("ws", [2, 6], reals(12, 0.1).map(Math.abs)),
  ]);
  const { report } = await compile(model, { calibration: [{ x }] });
  expect([report.alreadyQuantized, report.layers.map(({ precision }) => precision)]).toEqual([false, ["int8"]]);
  expect(report.outputs[0]!.sqnrDb).toBeGreaterThan(30);
});
