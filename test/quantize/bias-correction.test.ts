import { expect, test } from "vitest";
import { cloneGraph } from "../../compiler/ir/clone.ts";
import type { Graph } from "../../compiler/ir/graph.ts";
import { type BiasCorrection, correctBiases } from "../../compiler/quantize/bias-correction.ts";
import { calibrate, rangesOf, type Sample } from "../../compiler/quantize/calibrate.ts";
import { insertQuantization, type QuantizedForm } from "../../compiler/quantize/insert.ts";
import { int8Nodes } from "../../compiler/quantize/scope.ts";
import { compileGraph, GraphRunner } from "../../compiler/run/graph-runner.ts";
import { graphOf, randomNumbers } from "../passes/evaluation.ts";
import { plainModule } from "../support/small-model.ts";

const DESCRIPTION = { producer: "test", name: "test" };
const WATCH = { step: () => {}, pause: async () => {} };

const TEXT = `input x float32[1,4,6,6]
%a ? = Conv(%x, <w float32[8,4,3,3]>, <bias float32[8]>) pads=[1,1,1,1]
%b ? = Conv(%a, <w2 float32[8,1,3,3]>, <bias2 float32[8]>) group=8
%c ? = Conv(%b, <w3 float32[5,8,1,1]>, <bias3 float32[5]>)
%d ? = Conv(%c, <w4 float32[2,5,1,1]>, <bias4 float32[2]>)
output %d
`;

interface Made {
  readonly float: Graph;
  readonly int8: Graph;
  readonly parameters: ReadonlyMap<string, QuantizedForm>;
  readonly samples: readonly Sample[];
}

/** A quantized graph; `shift` is added to the integers of the bias of node `layer`. */
async function make(layer: string | null, shift: number): Promise<Made> {
  const float = graphOf(TEXT);
  const int8 = cloneGraph(float);
  const random = randomNumbers(5);
  const samples = Array.from(
    { length: 6 },
    (): Sample => ({
      x: { dtype: "float32", shape: [1, 4, 6, 6], data: Float32Array.from({ length: 144 }, () => random() * 2 - 1) },
    }),
  );
  const calibration = await calibrate(compileGraph(float, DESCRIPTION), plainModule, samples, float, WATCH);
  const parameters = insertQuantization(int8, int8Nodes(int8, new Set()), rangesOf(calibration, "minmax"));
  const node = int8.nodes.find(({ name }) => name === layer);
  if (node) {
    const dequantize = node.inputs[2]!.producer!;
    const { shape, data } = dequantize.inputs[0]!.constant!;
    int8.setInput(dequantize, 0, int8.addConstant("shifted", { dtype: "int32", shape, data: (data as Int32Array).map((b) => b + shift) }));
  }
  return { float, int8, parameters, samples };
}

async function correct({
  float,
  int8,
  parameters,
  samples,
}: Made): Promise<{ readonly outcome: BiasCorrection; readonly graph: Graph; readonly steps: readonly number[] }> {
  const graph = cloneGraph(int8);
  const steps: number[] = [];
  const watch = { ...WATCH, step: (done: number) => void steps.push(done) };
  const outcome = await correctBiases(
    graph,
    compileGraph(float, DESCRIPTION),
    compileGraph(int8, DESCRIPTION),
    plainModule,
    samples,
    parameters,
    watch,
  );
  return { outcome, graph, steps };
}

function biasOf(graph: Graph, name: string): Int32Array {
  return graph.nodes.find((node) => node.name === name)!.inputs[2]!.producer!.inputs[0]!.constant!.data as Int32Array;
}

/** Mean squared error of the output over the samples. */
function errorOf({ float, samples }: Made, graph: Graph): number {
  const [reference, measured] = [float, graph].map((each) => new GraphRunner(compileGraph(each, DESCRIPTION), plainModule)) as [
    GraphRunner,
    GraphRunner,
  ];
  let sum = 0;
  for (const sample of samples) {
    reference.run(sample);
    measured.run(sample);
    const [a, b] = [reference.output("d") as Float32Array, measured.output("d") as Float32Array];
    a.forEach((x, i) => (sum += (x - b[i]!) ** 2));
  }
  reference.dispose();
  measured.dispose();
  return sum;
}

test.each(["a", "b", "c", "d"])("a deliberate mean error of layer %s is taken out of its bias", async (layer) => {
  const whole = await make(null, 0);
  const shift = 3000;
  const made = await make(layer, shift);
  const { graph, outcome } = await correct(made);
  expect(outcome.layers).toBe(4);
  expect(outcome.corrected).toBeGreaterThanOrEqual(1);
  const [right, wrong, corrected] = [biasOf(whole.int8, layer), biasOf(made.int8, layer), biasOf(graph, layer)];
  right.forEach((b, c) => {
    expect(wrong[c]! - b).toBe(shift);
    // What is left is the layer's own rounding error, far less than what was put in.
    expect(Math.abs(corrected[c]! - b)).toBeLessThan(shift / 3);
  });
  const [unspoilt, spoilt, mended] = [errorOf(made, whole.int8), errorOf(made, made.int8), errorOf(made, graph)];
  expect(spoilt).toBeGreaterThan(unspoilt * 1.3);
  expect(mended).toBeLessThan(unspoilt * 1.15);
});

test("correcting anew changes little and is never worse", async () => {
  const made = await make("b", 2000);
  const once = await correct(made);
  const again = await correct({ ...made, int8: once.graph });
  expect(errorOf(made, again.graph)).toBeLessThanOrEqual(errorOf(made, once.graph) * 1.2);
  expect(again.outcome.corrected).toBeLessThanOrEqual(once.outcome.corrected);
});

test("a correction that does not lower the error is undone: clipped values move the mean, and no bias brings them back", async () => {
  const made = await make(null, 0);
  // An output range that cuts off most of what is below 0: the mean error asks for a lower bias, the squared error does not.
  const graph = cloneGraph(made.float);
  const parameters = insertQuantization(graph, int8Nodes(graph, new Set()), ({ name }) =>
    name === "x" ? { low: -1, high: 1 } : name === "c" ? { low: 0, high: 40 } : { low: -9, high: 9 },
  );
  const before = biasOf(graph, "c");
  const clipped: Made = { ...made, int8: graph, parameters };
  const { graph: after } = await correct(clipped);
  const kept = biasOf(after, "c");
  expect(errorOf(clipped, after)).toBeLessThanOrEqual(errorOf(clipped, graph) * 1.0001);
  expect([...kept]).toEqual([...before]);
});

test("the graph that the int8 model was compiled from stays what it was but for the biases", async () => {
  const made = await make("a", 1000);
  const { graph } = await correct(made);
  const shape = (each: Graph) => each.nodes.map(({ op, name, outputs }) => [op, name, outputs[0]!.type?.shape]);
  expect(shape(graph)).toEqual(shape(made.int8));
  expect(compileGraph(graph, DESCRIPTION).program.plan.steps.length).toBe(compileGraph(made.int8, DESCRIPTION).program.plan.steps.length);
});

test("progress counts layers, and the outcome is the same each time", async () => {
  const made = await make("c", 1500);
  const [first, second] = [await correct(made), await correct(made)];
  expect(first.steps).toEqual([1, 2, 3, 4]);
  for (const name of ["a", "b", "c", "d"]) expect([...biasOf(second.graph, name)]).toEqual([...biasOf(first.graph, name)]);
});
