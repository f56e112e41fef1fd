/**
 * Graphs as quantization-aware training exports them, from PyTorch and from TensorFlow: every layer becomes one int8 step, and the outputs are those of
 * onnxruntime-web to a step of the last scale in few values.
 */
import { expect, test } from "vitest";
import { compile } from "../../compiler/index.ts";
import { load } from "../../host/index.ts";
import { layoutOf } from "../../host/layouts.ts";
import { readEqm } from "../../host/reader.ts";
import { createScanner } from "../../host/scanner.ts";
import { elementCount, type Tensor } from "../../host/tensor.ts";
import { float, int, int64Tensor, ints, type NodeSpec, node, type TensorSpec } from "../support/onnx-model.ts";
import { plainModule } from "../support/small-model.ts";
import { hasOnnxruntime, runOnnxruntime } from "./onnxruntime.ts";
import { type Chance, chance, integers, modelOf } from "./operators.ts";

/** Writes one model: nodes and constants under names of their own. */
class Exporter {
  readonly nodes: NodeSpec[] = [];
  readonly constants: TensorSpec[] = [];
  readonly c: Chance;
  private count = 0;

  constructor(seed: number) {
    this.c = chance(seed);
  }

  op(opType: string, inputs: string[], attributes: Parameters<typeof node>[3] = {}): string {
    const name = `${opType}_${this.count++}`;
    this.nodes.push(node(opType, inputs, [name], attributes, { name }));
    return name;
  }

  floats(dims: number[], spread: number): string {
    const name = `f${this.count++}`;
    this.constants.push({
      name,
      dims,
      dataType: 1,
      floatData: Array.from({ length: elementCount(dims) }, () => this.c.real(-spread, spread)),
    });
    return name;
  }

  numbers(values: number[], dims: number[] = []): string {
    const name = `n${this.count++}`;
    this.constants.push({ name, dims, dataType: 1, floatData: values });
    return name;
  }

  bytes(dtype: "int8" | "uint8" | "int32", values: number[], dims: number[] = []): string {
    const name = `q${this.count++}`;
    this.constants.push(integers(name, dtype, dims, values));
    return name;
  }

  list(values: number[]): string {
    const name = `l${this.count++}`;
    this.constants.push(int64Tensor(name, [values.length], values));
    return name;
  }

  /** QuantizeLinear and DequantizeLinear of an activation. `most`: the largest integer, which a Clip sees to. */
  activation(x: string, dtype: "int8" | "uint8", scale: number, zero: number, most?: number): string {
    const [s, z] = [this.numbers([scale]), this.bytes(dtype, [zero])];
    const q = this.op("QuantizeLinear", [x, s, z]);
    const clipped = most === undefined ? q : this.op("Clip", [q, this.bytes(dtype, [0]), this.bytes(dtype, [most])]);
    return this.op("DequantizeLinear", [clipped, s, z]);
  }

  /** Float weights through QuantizeLinear and DequantizeLinear along an axis. */
  weights(dims: number[], axis: number, clip = false): string {
    const count = dims[axis]!;
    const scales = this.numbers(
      Array.from({ length: count }, () => this.c.real(0.004, 0.008)),
      [count],
    );
    const zeros = this.bytes("int8", new Array<number>(count).fill(0), [count]);
    const q = this.op("QuantizeLinear", [this.floats(dims, 0.5), scales, zeros], { axis: int(axis) });
    const clipped = clip ? this.op("Clip", [q, this.bytes("int8", [-127]), this.bytes("int8", [127])]) : q;
    return this.op("DequantizeLinear", [clipped, scales, zeros], { axis: int(axis) });
  }
}

const scanner = createScanner(plainModule);

function stepsOf(eqm: Uint8Array): readonly string[] {
  return readEqm(eqm, scanner).plan.steps.map((words) => layoutOf(words[0]!)!.name);
}

interface Ran {
  readonly steps: readonly string[];
  readonly got: readonly number[];
  readonly model: Uint8Array;
  readonly feeds: Readonly<Record<string, Tensor>>;
}

async function run(exporter: Exporter, input: Tensor, output: string, dtype: "float32" | "int8", shape: readonly number[]): Promise<Ran> {
  exporter.nodes.push(node("Identity", [output], ["y"]));
  const feeds = { x: input };
  const model = modelOf(exporter.nodes, feeds, { y: { dtype, shape } }, exporter.constants);
  const { bytes, report } = await compile(model);
  expect(report.alreadyQuantized).toBe(true);
  const loaded = await load(bytes);
  try {
    return { steps: stepsOf(bytes), got: Array.from(loaded.run({ x: input.data })["y"]!, Number), model, feeds };
  } finally {
    loaded.dispose();
  }
}

/** At most one step apart from onnxruntime, in at most `rate` of the values. */
async function agrees({ got, model, feeds }: Ran, step: number, rate: number, optimization: "all" | "disabled" = "all"): Promise<void> {
  expect(new Set(got).size, "the outputs say something").toBeGreaterThan(5);
  if (!hasOnnxruntime) return;
  const theirs = (await runOnnxruntime(model, feeds, optimization))["y"]!;
  const steps = got.map((x, i) => Math.abs(Math.round((x - theirs[i]!) / step)));
  expect(Math.max(...steps)).toBeLessThanOrEqual(1);
  expect(steps.filter((apart) => apart > 0).length).toBeLessThanOrEqual(rate * steps.length);
}

function image(c: Chance, shape: number[]): Tensor {
  return { dtype: "float32", shape, data: Float32Array.from({ length: elementCount(shape) }, () => c.real(-2, 2)) };
}

test.each([
  ["uint8, seven bits", "uint8", 60, 127],
  ["uint8", "uint8", 120, undefined],
  ["int8", "int8", -8, undefined],
] as const)("PyTorch: convolutions with float biases, a residual, pooling, a linear layer; %s", async (_, dtype, zero, most) => {
  const e = new Exporter(11);
  const x = image(e.c, [1, 3, 12, 12]);
  const low = dtype === "int8" ? -128 : 0;
  const quantize = (v: string, scale: number, z: number): string => e.activation(v, dtype, scale, z, most);
  const conv = (v: string, dims: number[], attributes: Parameters<typeof node>[3]): string =>
    e.op("Conv", [v, e.weights(dims, 0, true), e.floats([dims[0]!], 0.5)], attributes);
  const input = quantize("x", 0.035, zero);
  const first = quantize(e.op("Relu", [conv(input, [8, 3, 3, 3], { pads: ints(1, 1, 1, 1) })]), 0.06, low);
  const pooled = e.op("MaxPool", [first], { kernel_shape: ints(2, 2), strides: ints(2, 2) });
  const depthwise = quantize(e.op("Relu", [conv(pooled, [8, 1, 3, 3], { pads: ints(1, 1, 1, 1), group: int(8) })]), 0.05, low);
  const pointwise = quantize(conv(depthwise, [8, 8, 1, 1], {}), 0.06, zero);
  const sum = quantize(e.op("Relu", [e.op("Add", [pointwise, pooled])]), 0.0817, low);
  const mean = quantize(e.op("GlobalAveragePool", [sum]), 0.03, low);
  const flat = e.op("Flatten", [mean]);
  const y = quantize(e.op("Gemm", [flat, e.weights([40, 8], 0), e.floats([40], 0.2)], { transB: int(1) }), 0.02, zero);
  const ran = await run(e, x, y, "float32", [1, 40]);
  // Inputs are clamped as they come: no layer before them does it.
  const clamp = most === undefined ? [] : ["UNARY"];
  expect(ran.steps).toEqual([...clamp, ..."QUANTIZE CONV_I8 POOL DEPTHWISE_I8 CONV_I8 BINARY_I8 REDUCE CONV_I8 DEQUANTIZE".split(" ")]);
  await agrees(ran, 0.02, 0.1);
});

test("TensorFlow: images N, H, W, C, pads and transposes of their own, weights H, W, I, O, biases added behind", async () => {
  const e = new Exporter(12);
  const x = image(e.c, [1, 12, 12, 3]);
  const quantize = (v: string, scale: number, zero: number): string => e.activation(v, "int8", scale, zero);
  const bias = (v: string, count: number): string => e.op("Add", [v, e.floats([1, count, 1, 1], 0.5)]);
  const six = (v: string): string => e.op("Clip", [v, e.numbers([0]), e.numbers([6])]);
  const toFirst = (v: string): string => e.op("Transpose", [v], { perm: ints(0, 3, 1, 2) });
  const toLast = (v: string): string => e.op("Transpose", [v], { perm: ints(0, 2, 3, 1) });
  const input = toFirst(quantize("x", 0.016, 3));
  const padded = e.op("Pad", [input, e.list([0, 0, 0, 0, 0, 0, 1, 1])]);
  const w1 = e.op("Transpose", [e.weights([3, 3, 3, 8], 3)], { perm: ints(3, 2, 0, 1) });
  const first = quantize(toLast(six(bias(e.op("Conv", [padded, w1], { strides: ints(2, 2) }), 8))), 0.0235, -128);
  // A depthwise kernel [H, W, C, 1] by way of a Reshape.
  const w2 = e.op("Transpose", [e.op("Reshape", [e.weights([3, 3, 8, 1], 2), e.list([3, 3, 1, 8])])], { perm: ints(3, 2, 0, 1) });
  const depthwise = e.op("Conv", [toFirst(first), w2], { group: int(8), pads: ints(1, 1, 1, 1) });
  const second = quantize(toLast(six(bias(depthwise, 8))), 0.0235, -128);
  const w3 = e.op("Transpose", [e.weights([1, 1, 8, 8], 3)], { perm: ints(3, 2, 0, 1) });
  const third = quantize(toLast(bias(e.op("Conv", [toFirst(second), w3]), 8)), 0.03, 5);
  const sum = quantize(e.op("Add", [third, second]), 0.0413, -40);
  const joined = quantize(e.op("Concat", [sum, second], { axis: int(3) }), 0.0413, -40);
  const mean = quantize(e.op("ReduceMean", [toFirst(joined), e.list([2, 3])], { keepdims: int(0) }), 0.02, -100);
  const product = e.op("MatMul", [mean, e.weights([16, 40], 1)]);
  const y = quantize(e.op("Add", [product, e.floats([40], 0.2)]), 0.02, 0);
  const ran = await run(e, x, y, "float32", [1, 40]);
  expect(ran.steps).toEqual("QUANTIZE CONV_I8 DEPTHWISE_I8 CONV_I8 BINARY_I8 TABLE_I8 COPY REDUCE CONV_I8 DEQUANTIZE".split(" "));
  // With its optimisations onnxruntime-web refuses this model and the next: it gives a QuantizeLinear of its own the zero point of the other type.
  await agrees(ran, 0.02, 0.3, "disabled");
});

test("TensorFlow Lite by way of tf2onnx: int8 in and out, integer weights and biases behind DequantizeLinear", async () => {
  const e = new Exporter(13);
  const x: Tensor = { dtype: "int8", shape: [1, 10, 10, 3], data: Int8Array.from({ length: 300 }, () => e.c.between(-128, 127)) };
  const dequantize = (v: string, scale: number, zero: number): string =>
    e.op("DequantizeLinear", [v, e.numbers([scale]), e.bytes("int8", [zero])]);
  const layer = (dims: number[], inputScale: number, scale: number): readonly [string, string] => {
    const count = dims[0]!;
    const scales = Array.from({ length: count }, () => e.c.real(scale, 2 * scale));
    const values = Array.from({ length: elementCount(dims) }, () => e.c.between(-127, 127));
    const zeros = e.bytes("int8", new Array<number>(count).fill(0), [count]);
    const w = e.op("DequantizeLinear", [e.bytes("int8", values, dims), e.numbers(scales, [count]), zeros], { axis: int(0) });
    const units = e.numbers(
      scales.map((s) => Math.fround(s * inputScale)),
      [count],
    );
    const biases = Array.from({ length: count }, () => e.c.between(-3000, 3000));
    const b = e.op(
      "DequantizeLinear",
      [e.bytes("int32", biases, [count]), units, e.bytes("int32", new Array<number>(count).fill(0), [count])],
      {
        axis: int(0),
      },
    );
    return [w, b];
  };
  const image = e.op("Transpose", [dequantize("x", 0.02, -1)], { perm: ints(0, 3, 1, 2) });
  const conv = e.op("Conv", [image, ...layer([8, 3, 3, 3], Math.fround(0.02), 0.004)], {
    strides: ints(2, 2),
    auto_pad: { type: 3, s: new TextEncoder().encode("SAME_UPPER") },
  });
  const first = e.activation(e.op("LeakyRelu", [conv], { alpha: float(0.1) }), "int8", 0.06, -100);
  const flat = e.op("Reshape", [e.op("Transpose", [first], { perm: ints(0, 2, 3, 1) }), e.list([1, 200])]);
  const dense = e.op("Gemm", [flat, ...layer([30, 200], Math.fround(0.06), 0.0003)], { transB: int(1) });
  const y = e.op("QuantizeLinear", [
    e.op("Softmax", [dense], { axis: int(1) }),
    e.numbers([Math.fround(1 / 1024)]),
    e.bytes("int8", [-128]),
  ]);
  const ran = await run(e, x, y, "int8", [1, 30]);
  // What stands between a layer and its QuantizeLinear is computed in float32, as the model says.
  expect(ran.steps).toEqual("CONV_I8 UNARY QUANTIZE CONV_I8 SOFTMAX QUANTIZE".split(" "));
  await agrees(ran, 1, 0.1, "disabled");
});
