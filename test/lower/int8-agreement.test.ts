/**
 * Compiled int8 graphs on the runtime against the same graphs of QuantizeLinear and DequantizeLinear, evaluated node by node with
 * the operators' references in float. Each quantized value is computed from the runtime's own operands, so that differences do
 * not add up over layers.
 */
import { expect, test } from "vitest";
import { cloneGraph } from "../../compiler/ir/clone.ts";
import type { Graph, Value } from "../../compiler/ir/graph.ts";
import { rowMajorStrides, stridedIndices } from "../../compiler/ops/axes.ts";
import { evaluateNode } from "../../compiler/ops/index.ts";
import { pick } from "../../compiler/ops/operands.ts";
import { compileGraph, GraphRunner } from "../../compiler/run/graph-runner.ts";
import * as Opcode from "../../format/opcodes.ts";
import { elementCount, type Tensor } from "../../host/tensor.ts";
import { evaluateGraph, graphOf, randomInputs } from "../passes/evaluation.ts";
import { randomNetwork } from "../passes/random-graphs.ts";
import { plainModule } from "../support/small-model.ts";
import { sweep } from "../support/sweep.ts";
import { FAMILY_NAMES, type Family, type Int8Graph, randomInt8Graph } from "./random-int8.ts";

const DESCRIPTION = { producer: "test", name: "test" };

interface Tally {
  values: number;
  differences: number;
  unseen: number;
}

/** A value of the runtime in ONNX's axis order. */
function toFirst(tensor: Tensor): Tensor {
  const { shape } = tensor;
  const rank = shape.length;
  const axes = [0, rank - 1, ...Array.from({ length: rank - 2 }, (_, i) => i + 1)];
  const strides = rowMajorStrides(shape);
  const target = axes.map((axis) => shape[axis]!);
  return pick(
    tensor,
    target,
    stridedIndices(
      target,
      axes.map((axis) => strides[axis]!),
    ),
  );
}

/** Runs a graph and adds what differs to the tallies, by family. Returns the opcodes of the plan. */
function compare({ graph, inputs, families, reordered }: Int8Graph, tallies: Map<string, Tally>, where: string): readonly number[] {
  const compiled = compileGraph(graph, DESCRIPTION);
  const runner = new GraphRunner(compiled, plainModule);
  const seen = new Map<string, Tensor>();
  runner.run(Object.fromEntries(inputs), ({ name, dtype, shape, data, isChannelsLast }) => {
    if (!families.has(name) || reordered.has(name)) return;
    const tensor = { dtype, shape, data: data.slice() };
    seen.set(name, isChannelsLast ? toFirst(tensor) : tensor);
  });
  runner.dispose();
  const tensors = new Map<Value, Tensor>(graph.inputs.map((value) => [value, inputs.get(value.name)!]));
  for (const node of graph.nodes) {
    const value = node.outputs[0]!;
    const result = evaluateNode(
      node,
      node.inputs.map((input) => input && (input.constant ?? tensors.get(input)!)),
    )[0]!;
    tensors.set(value, result);
    const family = families.get(value.name);
    if (family === undefined || reordered.has(value.name)) continue;
    const tally = tallies.get(family) ?? { values: 0, differences: 0, unseen: 0 };
    tallies.set(family, tally);
    const got = seen.get(value.name);
    if (!got) {
      tally.unseen++;
      continue;
    }
    expect([got.dtype, got.shape], `${where} ${value.name}`).toEqual([result.dtype, result.shape]);
    tally.values += result.data.length;
    result.data.forEach((expected: number | bigint, i: number) => {
      const difference = Math.abs(Number(expected) - Number(got.data[i]));
      if (difference === 0) return;
      tally.differences++;
      // Only a real value that is a tie, but for the rounding of float32, may go either way.
      const real = Number(tensors.get(node.inputs[0]!)!.data[i]) / Number(node.inputs[1]!.constant!.data[0]);
      if (difference > 1 || Math.abs(real - Math.floor(real) - 0.5) > 1e-3)
        throw new Error(`${where}: ${family} ${value.name}[${i}] is ${got.data[i]}, expected ${expected}\n${describe(graph)}`);
    });
    tensors.set(value, got);
  }
  return compiled.program.plan.steps.map((words) => words[0]!);
}

function describe(graph: Graph): string {
  return graph.nodes
    .map(({ op, outputs, attributes }) => `${op} ${outputs[0]!.name} [${outputs[0]!.type?.shape}] ${JSON.stringify(attributes)}`)
    .join("\n");
}

const SEEDS = sweep(40, 120);

/** Families whose arithmetic is exact where all scales are powers of two. */
const EXACT: readonly Family[] = [
  "conv",
  "depthwise",
  "gemm",
  "matmul",
  "matmul of activations",
  "add",
  "sub",
  "mul",
  "prelu",
  "max pool",
  "concat",
  "resize nearest",
  "table",
  "movement",
  "flatten",
];

/**
 * The share of values that may be a step off. Layers with weights: none. Means and interpolation of few integers often are ties,
 * which float32 rounding in the reference moves to either side; elsewhere 1 %.
 */
const LIMITS: Partial<Record<Family, number>> = {
  conv: 0,
  depthwise: 0,
  gemm: 0,
  matmul: 0,
  mean: 0.02,
  "average pool": 0.02,
  "resize linear": 0.03,
};

test.each(FAMILY_NAMES)("int8 %s is what the quantized graph says, to one step in few of the values", (family) => {
  const tallies = new Map<string, Tally>();
  let graphs = 0;
  for (let seed = 1; seed <= SEEDS; seed++) {
    const made = randomInt8Graph(seed, family, { isDyadic: false, layers: 1 });
    if (!made) continue;
    graphs++;
    const opcodes = compare(made, tallies, `seed ${seed}`);
    // One QuantizeLinear for each input and one DequantizeLinear for the output: nothing else is computed in float32.
    if (family !== "softmax") {
      const ends = opcodes.filter((code) => code === Opcode.QUANTIZE || code === Opcode.DEQUANTIZE).length;
      expect(ends, `seed ${seed}: float32 steps\n${describe(made.graph)}`).toBe(made.inputs.size + 1);
    }
  }
  expect(graphs).toBeGreaterThan(SEEDS / 4);
  const tally = tallies.get(family === "flatten" ? "gemm" : family)!;
  expect(tally.values).toBeGreaterThan(100);
  expect(tally.unseen).toBe(0);
  expect(tally.differences / tally.values).toBeLessThanOrEqual(LIMITS[family] ?? 0.01);
});

test.each(EXACT)("int8 %s is exact where all scales are powers of two, ties included", (family) => {
  const tallies = new Map<string, Tally>();
  for (let seed = 1; seed <= SEEDS; seed++) {
    const made = randomInt8Graph(seed, family, { isDyadic: true, layers: 1 });
    if (made) compare(made, tallies, `seed ${seed}`);
  }
  for (const [name, { differences }] of tallies) expect([name, differences]).toEqual([name, 0]);
});

test("chains of int8 layers are what the quantized graph says, to one step in at most 3 % of the values", () => {
  const tallies = new Map<string, Tally>();
  for (let seed = 1000; seed < 1080; seed++) {
    const made = randomInt8Graph(seed, FAMILY_NAMES[seed % FAMILY_NAMES.length]!, { isDyadic: false, layers: 5 });
    if (made) compare(made, tallies, `seed ${seed}`);
  }
  for (const [name, { values, differences }] of tallies)
    expect(differences / values, name).toBeLessThanOrEqual(LIMITS[name as Family] ?? 0.03);
});

function magnitudes(data: Tensor["data"]): number[] {
  return Array.from(data as Float32Array, (x) => Math.abs(Number(x)));
}

test("float32 networks on the runtime are within 1e-5 of the references, relative to the largest value on the way", () => {
  for (let seed = 1; seed <= SEEDS; seed++) {
    const graph = graphOf(randomNetwork(seed));
    const inputs = randomInputs(graph, seed);
    const expected = evaluateGraph(graph, inputs);
    const everything = cloneGraph(graph);
    everything.setOutputs(everything.nodes.flatMap(({ outputs }) => outputs));
    // An output that is a difference of large values has their rounding error.
    const largest = Math.max(...evaluateGraph(everything, inputs).map(({ data }) => Math.max(...magnitudes(data))));
    const runner = new GraphRunner(compileGraph(graph, DESCRIPTION), plainModule);
    runner.run(Object.fromEntries(inputs));
    graph.outputs.forEach((value, i) => {
      const got = runner.output(graph.outputNames[i]!);
      expect(got.length).toBe(elementCount(value.type!.shape));
      const worst = Math.max(...Array.from(got as Float32Array, (x, j) => Math.abs(x - Number(expected[i]!.data[j]))));
      expect(worst, `seed ${seed}, ${graph.outputNames[i]}`).toBeLessThanOrEqual(1e-5 * largest);
    });
    runner.dispose();
  }
});
