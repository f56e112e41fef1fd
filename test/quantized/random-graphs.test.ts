/**
 * Random graphs with QuantizeLinear and DequantizeLinear wherever they may stand, around and between layers and operators that move real numbers or
 * integers: compiled, they give what their nodes give one by one, but for values that a rounding takes a step further.
 */
import { expect, test } from "vitest";
import { cloneGraph } from "../../compiler/ir/clone.ts";
import { Graph, type Node, typeOf, type Value } from "../../compiler/ir/graph.ts";
import { exportModel } from "../../compiler/onnx/export.ts";
import { inferNode } from "../../compiler/ops/index.ts";
import { optimize } from "../../compiler/passes/index.ts";
import { isQuantized } from "../../compiler/passes/quantized/layers.ts";
import { importGraph } from "../../compiler/pipeline.ts";
import { compileFused, GraphRunner } from "../../compiler/run/graph-runner.ts";
import { elementCount, type Tensor } from "../../host/tensor.ts";
import { evaluateGraph, randomNumbers, randomTensor } from "../passes/evaluation.ts";
import { plainModule } from "../support/small-model.ts";
import { sweep } from "../support/sweep.ts";
import { type Chance, chance } from "./operators.ts";

/** Integers with what they are dequantized with. */
interface Quantized {
  readonly value: Value;
  readonly scale: number;
  readonly zero: number;
}

class Builder {
  readonly graph = new Graph("random");
  readonly reals: Value[] = [];
  readonly integers: Quantized[] = [];
  readonly c: Chance;

  constructor(c: Chance) {
    this.c = c;
  }

  op(op: string, inputs: readonly (Value | null)[], attributes: Node["attributes"] = {}): Value {
    const node = this.graph.add({ op, name: op, inputs, attributes, sources: [op], outputs: [{ name: `${op}` }] });
    const type = inferNode(node)[0]!;
    this.graph.setType(node.outputs[0]!, type);
    return node.outputs[0]!;
  }

  floats(shape: readonly number[], values: (i: number) => number): Value {
    return this.graph.addConstant("f", {
      dtype: "float32",
      shape,
      data: Float32Array.from({ length: elementCount(shape) }, (_, i) => values(i)),
    });
  }

  bytes(dtype: "int8" | "uint8", shape: readonly number[], values: (i: number) => number): Value {
    const numbers = Array.from({ length: elementCount(shape) }, (_, i) => values(i));
    return this.graph.addConstant("q", { dtype, shape, data: dtype === "int8" ? Int8Array.from(numbers) : Uint8Array.from(numbers) });
  }

  list(...values: number[]): Value {
    return this.graph.addConstant("l", { dtype: "int64", shape: [values.length], data: BigInt64Array.from(values, BigInt) });
  }

  parameters({ value, scale, zero }: Quantized): readonly Value[] {
    const dtype = typeOf(value).dtype as "int8" | "uint8";
    return [this.floats([], () => scale), this.bytes(dtype, [], () => zero)];
  }

  /** An operator that moves elements, or clamps them. */
  moved(x: Value, q: Quantized | null): Value {
    const shape = typeOf(x).shape;
    const [n, channels, h, w] = shape as [number, number, number, number];
    const kinds = ["Transpose", "Reshape", "Slice", "Pad", "MaxPool", "Clip", "Concat", "Resize", "Identity"] as const;
    switch (this.c.pick(kinds)) {
      case "Transpose":
        return this.op("Transpose", [x], {
          perm: this.c.pick([
            [0, 1, 3, 2],
            [0, 2, 1, 3],
            [0, 3, 2, 1],
          ]),
        });
      case "Reshape":
        return this.op("Reshape", [x, this.list(n, channels, w, h)]);
      case "Slice":
        return h > 3 ? this.op("Slice", [x, this.list(1), this.list(h), this.list(2)]) : x;
      case "Pad":
        return this.op("Pad", [
          x,
          this.list(0, 0, 1, 0, 0, 0, 0, 1),
          ...(q ? [this.bytes(typeOf(x).dtype as "int8", [], () => q.zero)] : []),
        ]);
      case "MaxPool":
        return h > 3 && w > 3 ? this.op("MaxPool", [x], { kernel_shape: [2, 2] }) : x;
      case "Clip":
        if (!q) return this.op("Clip", [x, this.floats([], () => -1.1), this.floats([], () => 1.3)]);
        return this.op("Clip", [x, ...[q.zero - 30, q.zero + 40].map((bound) => this.bytes(typeOf(x).dtype as "int8", [], () => bound))]);
      case "Concat":
        return channels < 12 ? this.op("Concat", [x, x], { axis: 1 }) : x;
      case "Resize":
        return h < 8 && w < 8 ? this.op("Resize", [x, null, this.floats([4], (i) => (i < 2 ? 1 : 2))], { mode: "nearest" }) : x;
      default:
        return this.op("Identity", [x]);
    }
  }

  convolution(x: Value): Value {
    const channels = typeOf(x).shape[1]!;
    const isDepthwise = this.c.between(0, 2) === 0;
    const [outputs, inputs] = isDepthwise ? [channels, 1] : [this.c.between(2, 8), channels];
    const dtype = this.c.pick(["int8", "uint8"] as const);
    const zero = dtype === "int8" ? 0 : this.c.pick([128, 120, 90]);
    const perChannel = this.c.between(0, 1) === 0;
    const kernel = this.c.pick([1, 3]);
    const w = this.bytes(dtype, [outputs, inputs, kernel, kernel], () =>
      this.c.between(dtype === "int8" ? -127 : 0, dtype === "int8" ? 127 : 255),
    );
    const scale = 0.012 / Math.sqrt(inputs * kernel * kernel);
    const scales = this.floats(perChannel ? [outputs] : [], () => this.c.real(scale / 2, scale));
    const zeros = this.bytes(dtype, perChannel ? [outputs] : [], () => zero);
    const weights = this.op("DequantizeLinear", [w, scales, zeros], { axis: 0 });
    const bias = this.c.between(0, 1) === 0 ? [this.floats([outputs], () => this.c.real(-0.3, 0.3))] : [];
    const pad = (kernel - 1) / 2;
    const y = this.op("Conv", [x, weights, ...bias], {
      pads: [pad, pad, pad, pad],
      group: isDepthwise ? channels : 1,
      kernel_shape: [kernel, kernel],
    });
    return this.c.between(0, 1) === 0 ? this.op("Relu", [y]) : y;
  }

  step(): void {
    const recent = <T>(list: readonly T[]): T => list[Math.max(0, list.length - this.c.between(1, 3))]!;
    const kind = this.c.between(0, 9);
    if (kind < 3 || this.integers.length === 0) {
      const x = recent(this.reals);
      const dtype = this.c.pick(["int8", "uint8"] as const);
      const [scale, zero] = [this.c.real(0.012, 0.02), this.c.between(-10, 10) + (dtype === "uint8" ? 128 : 0)];
      const parameters = [this.floats([], () => scale), this.bytes(dtype, [], () => zero)];
      this.integers.push({ value: this.op("QuantizeLinear", [x, ...parameters]), scale, zero });
    } else if (kind < 6) {
      const q = recent(this.integers);
      this.reals.push(this.op("DequantizeLinear", [q.value, ...this.parameters(q)]));
    } else if (kind === 6) {
      const q = recent(this.integers);
      this.integers.push({ ...q, value: this.moved(q.value, q) });
    } else if (kind === 7) this.reals.push(this.moved(recent(this.reals), null));
    else if (kind === 8) this.reals.push(this.convolution(recent(this.reals)));
    else {
      const [a, b] = [recent(this.reals), recent(this.reals)];
      if (`${typeOf(a).shape}` === `${typeOf(b).shape}`) this.reals.push(this.op(this.c.pick(["Add", "Mul"]), [a, b]));
    }
  }
}

function randomGraph(seed: number): Graph {
  const c = chance(seed);
  const b = new Builder(c);
  const dtype = c.pick(["float32", "float32", "uint8"] as const);
  const x = b.graph.addInput("x", { dtype, shape: [1, c.between(2, 6), c.between(3, 6), c.between(3, 6)] });
  if (dtype === "uint8") {
    const q = { value: x, scale: 0.015, zero: 125 };
    b.integers.push(q);
    b.reals.push(b.op("DequantizeLinear", [x, ...b.parameters(q)]));
  } else b.reals.push(x);
  for (let i = c.between(4, 16); i > 0; i--) b.step();
  const outputs = [
    b.reals[b.reals.length - 1]!,
    ...(b.integers.length > 0 && c.between(0, 2) === 0 ? [b.integers[b.integers.length - 1]!.value] : []),
  ];
  b.graph.setOutputs([...new Set(outputs)].filter((value) => value.producer !== null));
  return b.graph;
}

const METADATA = { producer: { name: "", version: "" }, opsets: {}, domain: "", modelVersion: 0, doc: "", properties: {} };

const GRAPHS = sweep(150, 1500);

/** Part of the elements' energy that the differences may have. */
const TOLERANCE = 2e-3;

test(`compiled, ${GRAPHS} random quantized graphs give what their nodes do`, () => {
  let compared = 0;
  for (let seed = 1; seed <= GRAPHS; seed++) {
    const graph = randomGraph(seed);
    if (graph.outputs.length === 0) continue;
    const { dtype, shape } = typeOf(graph.inputs[0]!);
    const next = randomNumbers(seed);
    const count = elementCount(shape);
    const data =
      dtype === "uint8"
        ? Uint8Array.from({ length: count }, () => next() * 256)
        : Float32Array.from({ length: count }, () => next() * 4 - 2);
    const input: Tensor = { dtype, shape, data };
    const expected = evaluateGraph(graph, new Map([["x", input]]));
    const optimized = cloneGraph(graph);
    // What a model that is to be quantized becomes before that is another form of the same numbers.
    optimize(optimized, seed % 2 === 0);
    const runner = new GraphRunner(compileFused(optimized, { producer: "test", name: "test" }), plainModule);
    runner.run({ x: input });
    graph.outputNames.forEach((name, i) => {
      const got = Array.from(runner.output(name), Number);
      const want = Array.from(expected[i]!.data, Number);
      expect(got.length, `seed ${seed}`).toBe(want.length);
      const mean = want.reduce((sum, v) => sum + v, 0) / want.length;
      const energy = want.reduce((sum, v) => sum + (v - mean) ** 2, 0) + want.length * (expected[i]!.dtype === "float32" ? 1e-2 : 4);
      const noise = got.reduce((sum, v, j) => sum + (v - want[j]!) ** 2, 0);
      expect(noise / energy, `seed ${seed}, ${name}`).toBeLessThan(TOLERANCE);
      compared++;
    });
    runner.dispose();
  }
  expect(compared).toBeGreaterThan(GRAPHS);
}, 60_000);

test("written as ONNX and read again, they give the same bytes", () => {
  let compared = 0;
  for (let seed = 1; seed <= GRAPHS; seed++) {
    const graph = randomGraph(seed);
    optimize(graph);
    if (graph.outputs.length === 0 || !isQuantized(graph)) continue;
    const { dtype, shape } = typeOf(graph.inputs[0]!);
    const x = { dtype, shape, data: randomTensor("x", { dtype, shape }, seed).data };
    const outputs = (each: Graph): readonly unknown[] => {
      const runner = new GraphRunner(compileFused(each, { producer: "test", name: "test" }), plainModule);
      runner.run({ x });
      const results = graph.outputNames.map((name) => runner.output(name));
      runner.dispose();
      return results;
    };
    const again = importGraph(exportModel(graph, METADATA), {}).graph;
    expect(outputs(again), `seed ${seed}`).toEqual(outputs(graph));
    compared++;
  }
  expect(compared).toBeGreaterThan(GRAPHS / 6);
}, 60_000);
