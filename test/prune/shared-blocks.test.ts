/** Channels in an order in which they share blocks: what may change places, what is gained by it, and that nothing else changes. */
import { expect, it } from "vitest";
import { type CompileOptions, pruneToOnnx } from "../../compiler/index.ts";
import { cloneGraph } from "../../compiler/ir/clone.ts";
import { type Graph, type Node, requiredInput } from "../../compiler/ir/graph.ts";
import { verifyGraph } from "../../compiler/ir/verify.ts";
import { exportModel } from "../../compiler/onnx/export.ts";
import { importModel } from "../../compiler/onnx/import.ts";
import { arrangeChannels, exchangeable } from "../../compiler/prune/arrange-channels.ts";
import { orderChannels } from "../../compiler/prune/channel-order.ts";
import { traceChannels } from "../../compiler/prune/channels.ts";
import { pruneGraph } from "../../compiler/prune/prune-graph.ts";
import { shareBlocks } from "../../compiler/prune/shared-blocks.ts";
import type { Sample } from "../../compiler/quantize/calibrate.ts";
import { compileGraph, GraphRunner } from "../../compiler/run/graph-runner.ts";
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

/** A layer whose even outputs need one half of its inputs and the odd ones the other: blocks of adjacent outputs need all. */
const INTERLEAVED = interleaved();

function interleaved(): Graph {
  const graph = graphOf(`input x float32[1,16,6,6]
%a ? = Conv(%x, <w1 float32[32,16,1,1]>, <b1 float32[32]>)
%r ? = Relu(%a)
%m ? = Conv(%r, <w2 float32[32,32,1,1]>, <b2 float32[32]>)
%o ? = Relu(%m)
%y ? = Conv(%o, <w3 float32[6,32,1,1]>, <b3 float32[6]>)
output %y
`);
  const middle = graph.nodes.filter(({ op }) => op === "Conv")[1]!;
  const { name, constant } = requiredInput(middle, 1);
  const data = (constant!.data as Float32Array).map((w, i) => (Math.floor(i / 32) % 2 === i % 2 ? w : w / 100));
  graph.setInput(middle, 1, graph.addConstant(name, { ...constant!, data }));
  return graph;
}

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

it("puts outputs that need the same inputs side by side, for all layers together", async () => {
  const random = randomNumbers(3);
  const depth = 20;
  const layerOf = (period: number): { depth: number; scores: Float64Array; channels: number[] } => ({
    depth,
    scores: Float64Array.from({ length: 32 * depth }, (_, i) => {
      const isNeeded = Math.floor(i / depth) % period === (i % depth) % period;
      return isNeeded ? 10 + random() : random() / 10;
    }),
    channels: Array.from({ length: 32 }, (_, o) => 100 + o),
  });
  const layers = [layerOf(2), layerOf(4)];
  const roots = layers[0]!.channels;
  const { arrangement, before, after } = await orderChannels(roots, layers, 8, 0.5, WATCH.pause);
  expect([...arrangement.keys()].sort()).toEqual(roots);
  expect([...arrangement.values()].sort()).toEqual(roots);
  const kinds = Array.from(
    { length: 4 },
    (_, tile) => new Set(roots.slice(8 * tile, 8 * tile + 8).map((root) => arrangement.get(root)! % 2)),
  );
  expect(kinds.map(({ size }) => size)).toEqual([1, 1, 1, 1]);
  expect(after).toBeLessThan(before / 10);
  const again = await orderChannels(roots, layers, 8, 0.5, WATCH.pause);
  expect([...again.arrangement]).toEqual([...arrangement]);
});

it("never gives an order that loses more than the given one", async () => {
  for (let seed = 0; seed < 20; seed++) {
    const random = randomNumbers(seed);
    const [outputs, depth] = [9 + Math.floor(random() * 20), 1 + Math.floor(random() * 9)];
    const channels = Array.from({ length: outputs }, (_, i) => i);
    const scores = Float64Array.from({ length: outputs * depth }, () => random() ** 4);
    // Some outputs belong to no class: they stay where they are.
    const roots = channels.filter(() => random() < 0.8);
    const { arrangement, before, after } = await orderChannels(roots, [{ depth, scores, channels }], 8, random(), WATCH.pause);
    expect(after).toBeLessThanOrEqual(before);
    expect([...arrangement.values()].sort((a, b) => a - b)).toEqual(roots);
  }
});

it("lets blocks cost less", async () => {
  const compiled = compileGraph(INTERLEAVED, DESCRIPTION);
  const samples = samplesOf(INTERLEAVED, 48, 1);
  const [, middle] = INTERLEAVED.nodes.filter(({ op }) => op === "Conv");
  const isPruned = (layer: string): boolean => layer === middle!.name;
  const ordered = await shareBlocks(INTERLEAVED, compiled, plainModule, samples, { tile: 8, fraction: 0.5, isPruned }, WATCH);
  expect(differenceOf(INTERLEAVED, ordered)).toBeLessThan(1e-10);
  const lostBy = async (graph: Graph): Promise<number> => {
    const rule = { pattern: "block", criterion: "obc", sparsityOf: (layer: string) => (isPruned(layer) ? 0.5 : 0) } as const;
    const pruned = await pruneGraph(graph, compileGraph(graph, DESCRIPTION), plainModule, samples, rule, WATCH);
    return differenceOf(INTERLEAVED, pruned.graph);
  };
  expect(await lostBy(ordered)).toBeLessThan((await lostBy(INTERLEAVED)) / 100);
});

it("orders channels where blocks are asked for by what the layers lose, and not under masks, which have an order of their own", async () => {
  const onnx = exportModel(INTERLEAVED, METADATA);
  const options: CompileOptions = { prune: 0.5, pattern: "block", calibration: samplesOf(INTERLEAVED, 48, 1) };
  const isOrdered = async (more: CompileOptions): Promise<boolean> => {
    const phases = new Set<string>();
    const { bytes } = await pruneToOnnx(onnx, { ...options, ...more, onProgress: ({ phase }) => phases.add(phase) });
    // Without an order half of what blocks have to lose matters.
    const lost = differenceOf(INTERLEAVED, importModel(bytes).graph);
    if ((more.pattern ?? "block") === "block") expect(lost < 0.01).toBe(phases.has("share blocks"));
    return phases.has("share blocks");
  };
  const [, middle] = INTERLEAVED.nodes.filter(({ op }) => op === "Conv");
  const { shape } = requiredInput(middle!, 1).constant!;
  expect(await isOrdered({})).toBe(true);
  expect(await isOrdered({ pattern: "block8x2" })).toBe(true);
  expect(await isOrdered({ pattern: "unstructured" })).toBe(false);
  expect(await isOrdered({ criterion: "magnitude" })).toBe(false);
  expect(await isOrdered({ masks: { [middle!.name]: { shape, data: new Uint8Array(1024).fill(1) } } })).toBe(false);
});
