/** Channels cut out by what their readers lose: which go, what the fit is worth, and a whole compilation. */
import { expect, it } from "vitest";
import { type CompileOptions, compile, pruneToOnnx, quantizeToOnnx } from "../../compiler/index.ts";
import { cloneGraph } from "../../compiler/ir/clone.ts";
import { type Graph, requiredInput } from "../../compiler/ir/graph.ts";
import { verifyGraph } from "../../compiler/ir/verify.ts";
import { exportModel } from "../../compiler/onnx/export.ts";
import { importModel } from "../../compiler/onnx/import.ts";
import { channelLosses } from "../../compiler/prune/channel-importance.ts";
import { pruneChannels } from "../../compiler/prune/channel-pruning.ts";
import { fitChannels } from "../../compiler/prune/fit-channels.ts";
import type { Sample } from "../../compiler/quantize/calibrate.ts";
import { compileGraph, GraphRunner } from "../../compiler/run/graph-runner.ts";
import { graphOf, randomNumbers } from "../passes/evaluation.ts";
import { plainModule } from "../support/small-model.ts";

const DESCRIPTION = { producer: "test", name: "test" };
const WATCH = { step: () => {}, pause: async () => {} };

/** A residual block, depthwise and grouped convolutions, a concatenation, and neurons behind a flattened image. */
const FLOAT = graphOf(`input x float32[1,4,6,6]
%a ? = Conv(%x, <w1 float32[24,4,3,3]>, <b1 float32[24]>) pads=[1,1,1,1]
%r ? = Relu(%a)
%d ? = Conv(%r, <w2 float32[24,1,3,3]>, <b2 float32[24]>) group=24 pads=[1,1,1,1]
%e ? = Conv(%d, <w3 float32[24,24,1,1]>, <b3 float32[24]>)
%s ? = Add(%e, %r)
%g ? = Conv(%s, <w4 float32[16,12,3,3]>, <b4 float32[16]>) group=2 pads=[1,1,1,1] strides=[2,2]
%h ? = Conv(%s, <w5 float32[16,24,3,3]>, <b5 float32[16]>) pads=[1,1,1,1] strides=[2,2]
%c ? = Concat(%g, %h) axis=1
%t ? = Relu(%c)
%f ? = Flatten(%t)
%n ? = Gemm(%f, <w6 float32[288,32]>, <b6 float32[32]>)
%o ? = Relu(%n)
%y ? = Gemm(%o, <w7 float32[32,5]>, <b7 float32[5]>)
output %y
`);

function samplesOf(count: number, seed: number): readonly Sample[] {
  const random = randomNumbers(seed);
  return Array.from({ length: count }, () => {
    const data = new Float32Array(144);
    for (let i = 0; i < data.length; i++) data[i] = random() * 2 - 1 + 0.8 * (data[i - 1] ?? 0);
    return { x: { dtype: "float32" as const, shape: [1, 4, 6, 6], data } };
  });
}

/** Mean squared error of the output on samples that were not fitted to, as a part of its mean square. */
function errorOf(graph: Graph): number {
  const [reference, measured] = [FLOAT, graph].map((each) => new GraphRunner(compileGraph(each, DESCRIPTION), plainModule)) as [
    GraphRunner,
    GraphRunner,
  ];
  let [noise, signal] = [0, 0];
  for (const sample of samplesOf(64, 2)) {
    reference.run(sample);
    measured.run(sample);
    const [a, b] = [reference.output("y") as Float32Array, measured.output("y") as Float32Array];
    a.forEach((x, i) => {
      noise += (x - b[i]!) ** 2;
      signal += x * x;
    });
  }
  for (const runner of [reference, measured]) runner.dispose();
  return noise / signal;
}

const METADATA = { producer: { name: "test", version: "1" }, opsets: { "": 17 }, domain: "", modelVersion: 1, doc: "", properties: {} };
const COMPILED = compileGraph(FLOAT, DESCRIPTION);
const SAMPLES = samplesOf(64, 1);

it("what reads the channels that stay makes up for those that go", async () => {
  const importance = await channelLosses(FLOAT, COMPILED, plainModule, SAMPLES, new Set(), WATCH);
  const { graph, isRemoved, macsBefore, macsAfter } = pruneChannels(FLOAT, 0.4, new Set(), importance);
  expect(macsAfter).toBeLessThan(0.75 * macsBefore);
  const fitted = await fitChannels(FLOAT, COMPILED, plainModule, SAMPLES, isRemoved, WATCH);
  verifyGraph(fitted);
  const shapes = (of: Graph) => of.nodes.map((node) => node.outputs[0]!.type?.shape);
  expect(shapes(fitted)).toEqual(shapes(graph));
  expect(errorOf(fitted)).toBeLessThan(0.75 * errorOf(graph));
});

it("channels that nobody needs cost nothing and go first; without samples or channels to go, nothing is fitted", async () => {
  const graph = cloneGraph(FLOAT);
  // Neurons 3 … 26 are read with weights 0.
  const last = graph.nodes.at(-1)!;
  const weights = requiredInput(last, 1).constant!;
  const data = (weights.data as Float32Array).map((w, i) => (Math.floor(i / 5) >= 3 && Math.floor(i / 5) < 27 ? 0 : w));
  graph.setInput(last, 1, graph.addConstant("w7", { ...weights, data }));
  const compiled = compileGraph(graph, DESCRIPTION);
  const importance = await channelLosses(graph, compiled, plainModule, SAMPLES, new Set(), WATCH);
  const free = [...importance.values()].filter((loss) => loss < 1e-12);
  expect(free).toHaveLength(24);
  const { isRemoved, families } = pruneChannels(graph, 0.06, new Set(), importance);
  expect(families.map(({ channels, kept }) => channels - kept).filter((gone) => gone > 0)).toEqual([24]);
  const cut = await fitChannels(graph, compiled, plainModule, [], isRemoved, WATCH);
  const runners = [graph, cut].map((each) => new GraphRunner(compileGraph(each, DESCRIPTION), plainModule));
  for (const runner of runners) runner.run(SAMPLES[0]!);
  const [a, b] = runners.map((runner) => [...(runner.output("y") as Float32Array)]) as [number[], number[]];
  a.forEach((x, i) => expect(b[i]).toBeCloseTo(x, 4));
  for (const runner of runners) runner.dispose();
  const same = await fitChannels(graph, compiled, plainModule, SAMPLES, () => false, WATCH);
  expect(requiredInput(same.nodes[0]!, 1).constant!.data).toEqual(requiredInput(graph.nodes[0]!, 1).constant!.data);
});

it("--pattern channel: a smaller model in every form, with what went in the report", async () => {
  const onnx = exportModel(FLOAT, METADATA);
  const options = { prune: 0.4, pattern: "channel", calibration: SAMPLES } as const;
  const [dense, cut] = [await compile(onnx, { calibration: SAMPLES, force: true }), await compile(onnx, { ...options, force: true })];
  expect(cut.report.macs).toBe(cut.report.pruning!.channels!.macsAfter);
  expect(dense.report.macs).toBe(cut.report.pruning!.channels!.macsBefore);
  expect(cut.bytes.length).toBeLessThan(dense.bytes.length);
  expect(cut.report.pruning).toMatchObject({ pattern: "channel", layers: [], outputs: [{ name: "y" }] });
  for (const { channels, kept } of cut.report.pruning!.channels!.families) {
    expect(kept % 8).toBe(0);
    expect(kept).toBeLessThanOrEqual(channels);
  }
  const quantized = importModel((await quantizeToOnnx(onnx, { ...options, force: true })).bytes).graph;
  const outputs = quantized.nodes.filter(({ op }) => op === "Conv").map((node) => node.outputs[0]!.type!.shape[1]!);
  expect(outputs.reduce((a, b) => a + b, 0)).toBeLessThan(24 * 3 + 16 * 2);
  const blind = await compile(onnx, { prune: 0.4, pattern: "channel", criterion: "magnitude", precision: "float32" });
  expect(blind.report.macs).toBeLessThan(dense.report.macs);
  await expect(compile(onnx, { ...options, criterion: "wanda" })).rejects.toMatchObject({ code: "bad-option", fault: "usage" });
});

it("target.macs: at most so many multiply-accumulates are left, in every form, and as many of them as channels in eights allow", async () => {
  const onnx = exportModel(FLOAT, METADATA);
  const { macsBefore } = pruneChannels(FLOAT, 0.5, new Set());
  for (const part of [0.55, 0.7, 0.9]) {
    const macs = Math.floor(part * macsBefore);
    const options = { target: { macs }, pattern: "channel", calibration: SAMPLES.slice(0, 16), force: true } as const;
    const { masks, report } = await pruneToOnnx(onnx, options);
    expect(masks).toEqual({});
    expect(report.macs).toBe(report.pruning!.channels!.macsAfter);
    expect(report.macs).toBeLessThanOrEqual(macs);
    expect(report.macs).toBeGreaterThan(0.6 * macs);
    if (part < 0.7) continue;
    const compiled = await compile(onnx, options);
    expect(compiled.report.macs).toBe(report.macs);
    expect(compiled.report.budget).toBeNull();
  }
});

it("target.macs of channels fails where it cannot be, and says what is left; by force it gives that", async () => {
  const onnx = exportModel(FLOAT, METADATA);
  const options = { target: { macs: 1000 }, pattern: "channel", calibration: SAMPLES.slice(0, 16), precision: "float32" } as const;
  const { report } = await compile(onnx, { ...options, force: true });
  expect(report.warnings.join()).toContain(`The budget is not met: ${report.macs} multiply-accumulates of 1000 are left`);
  await expect(compile(onnx, options)).rejects.toMatchObject({
    code: "budget-unmet",
    details: { target: { macs: 1000 }, macs: report.macs },
  });
  for (const { channels, kept } of report.pruning!.channels!.families) expect(kept).toBe(Math.min(8, channels));
});

it.each<[CompileOptions, string]>([
  [{ target: { macs: 1000, bytes: 5000 }, pattern: "channel" }, "channels are cut out by prune, or for target.macs alone."],
  [{ target: { macs: 1000 }, maxDrop: 1, pattern: "channel" }, "channels are cut out by prune, or for target.macs alone."],
  [{ target: { macs: 1000 }, prune: 0.5, pattern: "channel" }, "The option prune is 0.5; it takes no target and no maxDrop beside it"],
])("refuses %j", async (options, message) => {
  await expect(compile(exportModel(FLOAT, METADATA), { calibration: SAMPLES, ...options })).rejects.toThrow(message);
});
