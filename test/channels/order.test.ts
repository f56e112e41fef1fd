/** Channels in an order in which run-safe weights cost little: what may change places, what is gained by it, and that nothing else changes. */
import { expect, it } from "vitest";
import { arrangeChannels, exchangeable } from "../../compiler/channels/arrange-channels.ts";
import { traceChannels } from "../../compiler/channels/channels.ts";
import { orderChannels } from "../../compiler/channels/order-channels.ts";
import { orderForRuns, type Reader } from "../../compiler/channels/run-order.ts";
import { type CompileOptions, compile } from "../../compiler/index.ts";
import { cloneGraph } from "../../compiler/ir/clone.ts";
import { type Graph, type Node, requiredInput } from "../../compiler/ir/graph.ts";
import { verifyGraph } from "../../compiler/ir/verify.ts";
import { exportModel } from "../../compiler/onnx/export.ts";
import type { Sample } from "../../compiler/quantize/calibrate.ts";
import { compileGraph, GraphRunner } from "../../compiler/run/graph-runner.ts";
import { runOf } from "../../format/packings.ts";
import { graphOf, randomNumbers } from "../passes/evaluation.ts";
import { plainModule } from "../support/small-model.ts";

const METADATA = { opsets: { "": 17 }, domain: "", modelVersion: 1, doc: "", properties: {}, producer: { name: "test", version: "1" } };
const DESCRIPTION = { producer: "test", name: "test" };
const WATCH = { step: () => {}, pause: async () => {} };

/** Channels of every kind: of a residual block, depthwise, cut in two, grouped, in a concatenation, behind a flattened image. */
const EVERY_KIND = graphOf(`input x float32[1,4,6,6]
%a ? = Conv(%x, <w1 float32[24,4,3,3]>, <b1 float32[24]>) pads=[1,1,1,1]
%r ? = Relu(%a)
%d ? = Conv(%r, <w2 float32[48,1,3,3]>, <b2 float32[48]>) group=24 pads=[1,1,1,1]
%p ? = PRelu(%d, <slope float32[48,1,1]>)
%e ? = Conv(%p, <w3 float32[24,48,1,1]>, <b3 float32[24]>)
%s ? = Add(%e, %r)
%g ? = Conv(%s, <w4 float32[16,12,3,3]>, <b4 float32[16]>) group=2 pads=[1,1,1,1] strides=[2,2]
%h ? = Conv(%x, <w5 float32[16,4,3,3]>, <b5 float32[16]>) pads=[1,1,1,1] strides=[2,2]
%u ?, %v ? = Split(%h, {6,10}int64[2]) axis=1
%l ? = Conv(%u, <w8 float32[8,6,1,1]>, <b8 float32[8]>)
%c ? = Concat(%g, %l, %v) axis=1
%t ? = Relu(%c)
%f ? = Flatten(%t)
%n ? = Gemm(%f, <w6 float32[306,32]>, <b6 float32[32]>)
%o ? = Relu(%n)
%y ? = Gemm(%o, <w7 float32[32,5]>, <b7 float32[5]>)
output %y
`);

function samplesOf(graph: Graph, count: number, seed: number): readonly Sample[] {
  const random = randomNumbers(seed);
  const [input] = graph.inputs;
  const shape = input!.type!.shape;
  return Array.from({ length: count }, () => ({
    x: { dtype: "float32" as const, shape, data: Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => random() * 2 - 1) },
  }));
}

/** Mean squared difference of the outputs of two graphs, as a part of the first one's mean square. */
function differenceOf(expected: Graph, measured: Graph): number {
  const runners = [expected, measured].map((graph) => new GraphRunner(compileGraph(graph, DESCRIPTION), plainModule));
  let [noise, signal] = [0, 0];
  for (const sample of samplesOf(expected, 32, 2)) {
    const [a, b] = runners.map((runner) => {
      runner.run(sample);
      return Float32Array.from(runner.output("y") as Float32Array);
    }) as [Float32Array, Float32Array];
    a.forEach((x, i) => {
      noise += (x - b[i]!) ** 2;
      signal += x * x;
    });
  }
  for (const runner of runners) runner.dispose();
  return noise / signal;
}

function weightsOf(graph: Graph): readonly Float32Array[] {
  return graph.nodes.flatMap((node) =>
    node.inputs[1]?.constant?.dtype === "float32" ? [node.inputs[1].constant.data as Float32Array] : [],
  );
}

it("exchanges channels of every kind wherever they lie, and the outputs stay", () => {
  const graph = cloneGraph(EVERY_KIND);
  const channels = traceChannels(graph);
  const classes = exchangeable(channels);
  // The residual block's 24 are read by both groups of a convolution, whose own 16 have to stay in their groups, too.
  expect(classes.map(({ length }) => length).sort((a, b) => a - b)).toEqual([6, 8, 10, 32]);
  const reversed = classes.flatMap((roots) => roots.map((root, i) => [root, roots[(i + 3) % roots.length]!] as const));
  arrangeChannels(graph, channels, new Map(reversed));
  verifyGraph(graph);
  const [before, after] = [weightsOf(EVERY_KIND), weightsOf(graph)];
  expect(before.filter((data, i) => data.join() !== after[i]!.join()).length).toBeGreaterThan(3);
  // Sums are taken in another order.
  expect(differenceOf(EVERY_KIND, graph)).toBeLessThan(1e-10);
});

it("exchanges the channels of a residual block and of its depthwise convolution together", () => {
  const graph = graphOf(`input x float32[1,4,6,6]
%a ? = Conv(%x, <w1 float32[24,4,3,3]>, <b1 float32[24]>) pads=[1,1,1,1]
%r ? = Relu(%a)
%d ? = Conv(%r, <w2 float32[48,1,3,3]>, <b2 float32[48]>) group=24 pads=[1,1,1,1]
%p ? = PRelu(%d, <slope float32[48,1,1]>)
%e ? = Conv(%p, <w3 float32[24,48,1,1]>, <b3 float32[24]>)
%s ? = Add(%e, %r)
%y ? = Conv(%s, <w4 float32[6,24,1,1]>, <b4 float32[6]>)
output %y
`);
  const moved = cloneGraph(graph);
  const channels = traceChannels(moved);
  const [roots, ...others] = exchangeable(channels);
  expect([roots!.length, others.length]).toEqual([24, 0]);
  arrangeChannels(moved, channels, new Map(roots!.map((root, i) => [root, roots![23 - i]!])));
  expect(weightsOf(moved).every((data, i) => data.join() !== weightsOf(graph)[i]!.join())).toBe(true);
  expect(differenceOf(graph, moved)).toBeLessThan(1e-10);
});

it("leaves a constant that two nodes read one constant", () => {
  const graph = graphOf(`input x float32[1,4,6,6]
%a ? = Conv(%x, <w1 float32[16,4,1,1]>, <b1 float32[16]>)
%p ? = Mul(%a, <scale float32[16,1,1]>)
%q ? = Relu(%p)
%r ? = Mul(%q, <again float32[16,1,1]>)
%y ? = Conv(%r, <w2 float32[6,16,1,1]>, <b2 float32[6]>)
output %y
`);
  const [one, other] = graph.nodes.filter(({ op }) => op === "Mul") as [Node, Node];
  graph.setInput(other, 1, requiredInput(one, 1));
  const moved = cloneGraph(graph);
  const channels = traceChannels(moved);
  const [roots] = exchangeable(channels) as [readonly number[]];
  arrangeChannels(moved, channels, new Map(roots.map((root, i) => [root, roots[15 - i]!])));
  const [first, second] = moved.nodes.filter(({ op }) => op === "Mul").map((node) => node.inputs.find((value) => value?.constant));
  expect(first).toBe(second);
  expect(differenceOf(graph, moved)).toBeLessThan(1e-10);
});

/** What an order costs, from the definition. */
function costOf(readers: readonly Reader[], order: ArrayLike<number>): number {
  let total = 0;
  for (const { rows, weights, largest, runs, fixed, fixedRuns } of readers) {
    const energy = [...weights, ...fixed].reduce((sum, w) => sum + w * w, 0);
    for (let r = 0; r < rows; r++) {
      const sums = new Map<string, number>();
      const add = (run: number, w: number): void => {
        const key = `${run} ${w < 0}`;
        sums.set(key, (sums.get(key) ?? 0) + Math.abs(w));
      };
      runs.forEach((run, place) => add(run, weights[order[place]! * rows + r]!));
      fixedRuns.forEach((run, channel) => add(run, fixed[channel * rows + r]!));
      for (const sum of sums.values()) total += Math.max(0, sum - (largest[r]! * 128) / 127) ** 2 / energy;
    }
  }
  return total;
}

function readerOf(channels: number, others: number, rows: number, random: () => number): Reader {
  const weightsFor = (count: number): Float32Array => Float32Array.from({ length: count * rows }, () => (random() - 0.5) * random());
  const places = Int32Array.from({ length: channels + others }, (_, place) => place);
  // Those that stay lie among those that move.
  const isFixed = (place: number): boolean => place % 3 === 1 && place / 3 < others;
  const [weights, fixed] = [weightsFor(channels), weightsFor(others)];
  const largest = Float32Array.from({ length: rows }, (_, r) =>
    Math.max(
      ...[weights, fixed].flatMap((data) =>
        Array.from(
          data.filter((_, i) => i % rows === r),
          Math.abs,
        ),
      ),
    ),
  );
  const moving = places.filter((place) => !isFixed(place)).slice(0, channels);
  const staying = places.filter((place) => !moving.includes(place));
  return { rows, weights, largest, runs: moving.map(runOf), fixed, fixedRuns: staying.map(runOf) };
}

it("finds orders that cost less, counted from the definition, with layers that read the channels elsewhere and channels that stay", async () => {
  for (let seed = 0; seed < 24; seed++) {
    const random = randomNumbers(seed);
    const channels = 2 + Math.floor(random() * 40);
    const readers = Array.from({ length: 1 + (seed % 3) }, () =>
      readerOf(channels, Math.floor(random() * 9), 1 + Math.floor(random() * 70), random),
    );
    const given = Array.from({ length: channels }, (_, i) => i);
    const { order, before, after } = await orderForRuns(channels, readers, WATCH.pause);
    expect([...order].sort((a, b) => a - b)).toEqual(given);
    expect(before).toBeCloseTo(costOf(readers, given), 5);
    expect(after).toBeCloseTo(costOf(readers, order), 5);
    expect(after).toBeLessThanOrEqual(before);
    if (channels > 16 && readers.length === 1) expect(after).toBeLessThan(0.9 * before);
    expect([...(await orderForRuns(channels, readers, WATCH.pause)).order]).toEqual([...order]);
  }
});

it("takes large weights apart", async () => {
  const rows = 5;
  const runs = Int32Array.from({ length: 16 }, (_, place) => runOf(place));
  // The four of the first run are large.
  const weights = Float32Array.from({ length: 16 * rows }, (_, i) => (runs[Math.floor(i / rows)] === 0 ? 1 : 0.001));
  const reader = { rows, weights, largest: new Float32Array(rows).fill(1), runs, fixed: new Float32Array(), fixedRuns: new Int32Array() };
  const { order, before, after } = await orderForRuns(16, [reader], WATCH.pause);
  expect(before).toBeGreaterThan(1);
  expect(after).toBe(0);
  expect(new Set([0, 1, 4, 5].map((large) => runs[order.indexOf(large)]))).toEqual(new Set([0, 1, 2, 3]));
});

it("orders the channels of every layer that runs are made of, and the outputs stay", async () => {
  const graph = cloneGraph(EVERY_KIND);
  await orderChannels(graph, WATCH);
  verifyGraph(graph);
  const [before, after] = [weightsOf(EVERY_KIND), weightsOf(graph)];
  expect(before.some((data, i) => data.join() !== after[i]!.join())).toBe(true);
  expect(differenceOf(EVERY_KIND, graph)).toBeLessThan(1e-10);
  const again = cloneGraph(EVERY_KIND);
  await orderChannels(again, WATCH);
  expect(weightsOf(again)).toEqual(after);
});

it("orders channels where weights of eight bits are to be run-safe, and not under masks, which have an order of their own", async () => {
  const onnx = exportModel(cloneGraph(EVERY_KIND), METADATA);
  const calibration = samplesOf(EVERY_KIND, 8, 1);
  const isOrdered = async (more: CompileOptions): Promise<boolean> => {
    const phases = new Set<string>();
    await compile(onnx, { calibration, force: true, precision: "int8", ...more, onProgress: ({ phase }) => phases.add(phase) });
    return phases.has("order channels");
  };
  const conv = EVERY_KIND.nodes.find(({ name }) => name === "e")!;
  const { shape, data } = requiredInput(conv, 1).constant!;
  expect(await isOrdered({})).toBe(true);
  expect(await isOrdered({ prune: 0.5 })).toBe(true);
  expect(await isOrdered({ precision: "float32" })).toBe(false);
  expect(await isOrdered({ pairSafe: false })).toBe(false);
  expect(await isOrdered({ weights: 4 })).toBe(false);
  expect(await isOrdered({ masks: { [conv.name]: { shape, data: new Uint8Array(data.length).fill(1) } } })).toBe(false);
});
