import { expect, test } from "vitest";
import type { Graph } from "../../compiler/ir/graph.ts";
import { type Calibration, calibrate, rangesOf, type Sample, type Watch } from "../../compiler/quantize/calibrate.ts";
import { Histogram } from "../../compiler/quantize/histogram.ts";
import { compileGraph } from "../../compiler/run/graph-runner.ts";
import type { Tensor } from "../../host/tensor.ts";
import { evaluateGraph, graphOf, randomInputs } from "../passes/evaluation.ts";
import { plainModule } from "../support/small-model.ts";

const WATCH: Watch = { step: () => {}, pause: async () => {} };

function calibrated(graph: Graph, samples: Iterable<Sample> | AsyncIterable<Sample>, watch = WATCH): Promise<Calibration> {
  return calibrate(compileGraph(graph, { producer: "test", name: "test" }), plainModule, samples, graph, watch);
}

const TEXT = `input x float32[1,3,6,6]
%a ? = Conv(%x, <w float32[4,3,3,3]>, <bias float32[4]>) pads=[1,1,1,1] clampMin=0
%b ? = MaxPool(%a) kernel_shape=[2,2] strides=[2,2]
%c ? = Conv(%b, <w2 float32[5,4,1,1]>)
%d ? = Transpose(%c) perm=[0,2,3,1]
%e ? = Sigmoid(%d)
%y ? = ReduceMean(%e, {1,2}int64[2]) keepdims=0
output %y
`;

function samplesOf(graph: Graph, count: number): Sample[] {
  return Array.from({ length: count }, (_, i) => Object.fromEntries(randomInputs(graph, i + 1)));
}

test("every float32 value has the histogram of its values over all samples", async () => {
  const graph = graphOf(TEXT);
  const samples = samplesOf(graph, 3);
  const { histograms, samples: count } = await calibrated(graph, samples);
  expect(count).toBe(3);
  const everything = graphOf(TEXT);
  everything.setOutputs(everything.nodes.flatMap(({ outputs }) => outputs));
  const results = samples.map((sample) => evaluateGraph(everything, new Map(Object.entries(sample))));
  everything.outputs.forEach(({ name }, i) => {
    const values = results.flatMap((tensors) => Array.from(tensors[i]!.data as Float32Array));
    const seen = histograms.get(name);
    // The transpose is cancelled by layout: it has the distribution of what it moves.
    if (!seen) expect(name).toBe("d");
    else {
      expect(seen.total, name).toBe(values.length);
      expect(seen.min).toBeCloseTo(Math.min(...values), 4);
      expect(seen.max).toBeCloseTo(Math.max(...values), 4);
    }
  });
  expect(histograms.get("x")!.total).toBe(3 * 108);
});

test("a value that layout made disappear has the range of what it moves", async () => {
  const graph = graphOf(TEXT);
  const calibration = await calibrated(graph, samplesOf(graph, 2));
  const ranges = rangesOf(calibration, "minmax");
  const value = (name: string) => graph.nodes.find((node) => node.name === name)!.outputs[0]!;
  expect(ranges(value("d"))).toEqual(ranges(value("c")));
  expect(ranges(value("a")).low).toBe(0);
});

test("a constant has the range of its elements and 0", async () => {
  const graph = graphOf("input x float32[2]\n%y ? = Add(%x, {3,5}float32[2])\noutput %y\n");
  const ranges = rangesOf(await calibrated(graph, samplesOf(graph, 1)), "mse");
  expect(ranges(graph.nodes[0]!.inputs[1]!)).toEqual({ low: 0, high: 5 });
});

test("the histograms do not depend on whether samples come at once or one by one", async () => {
  const graph = graphOf(TEXT);
  const samples = samplesOf(graph, 4);
  async function* late(): AsyncGenerator<Sample> {
    for (const sample of samples) {
      await new Promise((resolve) => setTimeout(resolve, 1));
      yield sample;
    }
  }
  const [a, b] = [await calibrated(graph, samples), await calibrated(graph, late())];
  expect([...b.histograms]).toEqual([...a.histograms]);
});

test("int64 values have no histogram", async () => {
  const graph = graphOf("input x float32[3]\ninput i int64[2]\n%j ? = Add(%i, {1}int64[])\n%y ? = Gather(%x, %i)\noutput %y, %j\n");
  const sample: Sample = {
    x: { dtype: "float32", shape: [3], data: Float32Array.of(1, 2, 3) },
    i: { dtype: "int64", shape: [2], data: BigInt64Array.of(0n, 2n) },
  };
  const { histograms } = await calibrated(graph, [sample]);
  expect([...histograms.keys()].sort()).toEqual(["x", "y"]);
  expect(histograms.get("y")!.max).toBe(3);
});

test("progress counts samples", async () => {
  const graph = graphOf(TEXT);
  const steps: [number, number][] = [];
  await calibrated(graph, samplesOf(graph, 3), { ...WATCH, step: (...step: [number, number]) => void steps.push(step) });
  expect(steps).toEqual([
    [1, 0],
    [2, 0],
    [3, 0],
  ]);
});

test("an interruption stops between two samples", async () => {
  const graph = graphOf(TEXT);
  let taken = 0;
  function* samples(): Generator<Sample> {
    for (const sample of samplesOf(graph, 5)) {
      taken++;
      yield sample;
    }
  }
  let pauses = 0;
  const pause = async (): Promise<void> => {
    if (++pauses === 3) throw new Error("stop");
  };
  await expect(calibrated(graph, samples(), { ...WATCH, pause })).rejects.toThrow("stop");
  expect(taken).toBe(3);
});

const X: Tensor = { dtype: "float32", shape: [1, 4], data: new Float32Array(4) };
const SMALL = "input x float32[1,4]\ninput z float32[2]\n%y ? = Relu(%x)\n%w ? = Relu(%z)\noutput %y, %w\n";

test.each([
  ["no sample", [], "no-samples", "The calibration data hold no sample."],
  ["a sample without an input", [{ x: X }], "missing-input", 'A sample lacks the input "z" (it has x).'],
  ["a sample of another size", [{ x: X, z: X }], "wrong-sample", 'A sample of the input "z" is float32[1,4]; the model takes float32[2].'],
  [
    "a sample of another type",
    [{ x: X, z: { dtype: "int32", shape: [2], data: new Int32Array(2) } }],
    "wrong-sample",
    'A sample of the input "z" is int32[2]; the model takes float32[2].',
  ],
] as const)("%s is an error that says so", async (_, samples, code, message) => {
  await expect(calibrated(graphOf(SMALL), samples as readonly Sample[])).rejects.toMatchObject({ code, message, fault: "input" });
});

test("histograms of many samples take the room of one", async () => {
  const graph = graphOf(SMALL.replace("[1,4]", "[1,64]"));
  const samples = Array.from(
    { length: 50 },
    (_, i): Sample => ({
      x: { dtype: "float32", shape: [1, 64], data: Float32Array.from({ length: 64 }, (__, j) => i * 64 + j) },
      z: { dtype: "float32", shape: [2], data: Float32Array.of(-1, i) },
    }),
  );
  const { histograms } = await calibrated(graph, samples);
  expect(histograms.get("x")!.counts.length).toBe(new Histogram().counts.length);
  expect(histograms.get("x")!.total).toBe(3200);
});
