/** Pruning that training can drive: schedules, masks that only grow, and the pruned model as ONNX. */
import { describe, expect, it } from "vitest";
import { type CompileOptions, compile, type PruningMasks, pruneToOnnx, pruningSchedule } from "../../compiler/index.ts";
import type { Graph } from "../../compiler/ir/graph.ts";
import { exportModel } from "../../compiler/onnx/export.ts";
import { importGraph } from "../../compiler/pipeline.ts";
import { graphOf, randomNumbers } from "../passes/evaluation.ts";

describe("a schedule", () => {
  it("gives the sparsity after each step: cubic, linear, or all at once", () => {
    expect(pruningSchedule({ to: 0.75, steps: 4 })).toEqual([0.43359375, 0.65625, 0.73828125, 0.75]);
    expect(pruningSchedule({ kind: "linear", from: 0.25, to: 0.75, steps: 4 })).toEqual([0.375, 0.5, 0.625, 0.75]);
    expect(pruningSchedule({ kind: "one-shot", to: 0.9, steps: 3 })).toEqual([0.9, 0.9, 0.9]);
    expect(pruningSchedule({ from: 0.5, to: 0.5, steps: 2 })).toEqual([0.5, 0.5]);
  });

  it("only rises, and ends where it is to", () => {
    for (const kind of ["cubic", "linear", "one-shot"] as const) {
      for (let steps = 1; steps < 40; steps++) {
        const sparsities = pruningSchedule({ kind, from: 0.1, to: 0.83, steps });
        expect(sparsities).toHaveLength(steps);
        expect(sparsities.at(-1)).toBe(0.83);
        expect(sparsities.every((sparsity, i) => sparsity >= (sparsities[i - 1] ?? 0.1))).toBe(true);
      }
    }
  });

  it.each([
    [{ to: 1, steps: 1 }, "to is 1; it takes a number from 0, below 1."],
    [{ from: 0.6, to: 0.5, steps: 1 }, "from is 0.6; it takes a number from 0 to `to`."],
    [{ to: 0.5, steps: 1.5 }, "steps is 1.5; it takes a positive integer."],
    [{ kind: "square", to: 0.5, steps: 1 } as never, 'kind is "square"; it takes cubic, linear, one-shot.'],
  ])("refuses %j", (schedule, message) => {
    expect(() => pruningSchedule(schedule)).toThrow(message);
  });
});

const FLOAT = graphOf(`input x float32[1,4,8,8]
%a ? = Conv(%x, <w1 float32[16,4,3,3]>, <b1 float32[16]>) pads=[1,1,1,1]
%r ? = Relu(%a)
%b ? = Conv(%r, <w2 float32[16,16,3,3]>, <b2 float32[16]>) pads=[1,1,1,1] strides=[2,2]
%s ? = Relu(%b)
%c ? = Conv(%s, <w3 float32[16,16,1,1]>, <b3 float32[16]>)
%t ? = Relu(%c)
%f ? = Flatten(%t)
%g ? = Gemm(%f, <w4 float32[256,8]>, <b4 float32[8]>)
%h ? = Relu(%g)
%y ? = Gemm(%h, <w5 float32[8,5]>, <b5 float32[5]>)
output %y
`);
const METADATA = { producer: { name: "test", version: "1" }, opsets: { "": 17 }, domain: "", modelVersion: 1, doc: "", properties: {} };
const ONNX = exportModel(FLOAT, METADATA);

const random = randomNumbers(5);
const SAMPLES = Array.from({ length: 24 }, () => ({
  x: { dtype: "float32" as const, shape: [1, 4, 8, 8], data: Float32Array.from({ length: 256 }, () => random() * 2 - 1) },
}));

function weightsOf(graph: Graph, name: string): Float32Array {
  return graph.nodes.find((node) => node.name === name)!.inputs[1]!.constant!.data as Float32Array;
}

function countZeros(masks: PruningMasks): number {
  return Object.values(masks).reduce((sum, { data }) => sum + data.reduce((zeros, stays) => zeros + 1 - stays, 0), 0);
}

/** Whether what `before` takes away is gone in `after`, too. */
function hasGrown(before: PruningMasks, after: PruningMasks): boolean {
  return Object.entries(before).every(([name, { data }]) => data.every((stays, i) => stays === 1 || after[name]!.data[i] === 0));
}

describe("the masks of a pruned model", () => {
  const base: CompileOptions = { calibration: SAMPLES, pattern: "unstructured" };

  it("say which weights are 0 in the ONNX that is given back, and only grow as pruning goes on", async () => {
    let [onnx, masks]: [Uint8Array, PruningMasks] = [ONNX, {}];
    for (const prune of pruningSchedule({ to: 0.7, steps: 3 })) {
      const pruned = await pruneToOnnx(onnx, { ...base, prune, masks });
      const { graph } = importGraph(pruned.bytes, {});
      for (const [name, { shape, data }] of Object.entries(pruned.masks)) {
        const weights = weightsOf(graph, name);
        expect(shape.reduce((a, b) => a * b, 1)).toBe(weights.length);
        expect(Array.from(weights, (w) => (w === 0 ? 0 : 1))).toEqual(Array.from(data));
      }
      expect(hasGrown(masks, pruned.masks)).toBe(true);
      expect(countZeros(pruned.masks)).toBeGreaterThan(countZeros(masks));
      [onnx, masks] = [pruned.bytes, pruned.masks];
    }
    const weights = Object.values(masks).reduce((sum, { data }) => sum + data.length, 0);
    expect(countZeros(masks) / weights).toBeCloseTo(0.7, 2);
  });

  it.each(["obc", "magnitude", "wanda"] as const)("hold although the weights that they take away are not 0: %s", async (criterion) => {
    const { masks } = await pruneToOnnx(ONNX, { ...base, criterion: "magnitude", prune: 0.4 });
    const { masks: grown } = await pruneToOnnx(ONNX, { ...base, criterion, prune: 0.6, masks });
    expect(hasGrown(masks, grown)).toBe(true);
    const weights = Object.values(grown).reduce((sum, { data }) => sum + data.length, 0);
    // A layer whose mask already takes more than its share keeps it.
    expect(Math.abs(countZeros(grown) / weights - 0.6)).toBeLessThan(0.01);
  });

  it("are all that goes where they are given alone, and what stays is fitted", async () => {
    const { masks } = await pruneToOnnx(ONNX, { ...base, criterion: "magnitude", prune: 0.5 });
    const { report, masks: same, bytes } = await pruneToOnnx(ONNX, { calibration: SAMPLES, masks });
    expect(same).toEqual(masks);
    expect(report.pruning!.fraction).toBeCloseTo(0.5, 2);
    const [before, after] = [importGraph(ONNX, {}).graph, importGraph(bytes, {}).graph];
    const [name] = Object.keys(masks) as [string];
    expect(weightsOf(after, name).some((w, i) => w !== 0 && w !== weightsOf(before, name)[i])).toBe(true);
    const blind = await pruneToOnnx(ONNX, { masks, criterion: "magnitude" });
    expect(blind.report.pruning!.outputs[0]!.sqnrDb).toBeLessThan(report.pruning!.outputs[0]!.sqnrDb);
  });

  it("hold in a compiled model", async () => {
    const { masks } = await pruneToOnnx(ONNX, { ...base, prune: 0.5 });
    const { report } = await compile(ONNX, { calibration: SAMPLES, masks, force: true });
    expect(report.pruning!.layers.map(({ name }) => name)).toEqual(Object.keys(masks));
  });

  it("grow from round to round, to as many zeros as one round gives", async () => {
    const zerosOf = async (pruneSteps: number): Promise<number> =>
      countZeros((await pruneToOnnx(ONNX, { ...base, prune: 0.6, pruneSteps })).masks);
    const [one, three] = [await zerosOf(1), await zerosOf(3)];
    expect(Math.abs(one - three)).toBeLessThan(0.02 * one);
  });
});

describe("what cannot be is refused", () => {
  const mask = { shape: [16, 16, 1, 1], data: new Uint8Array(256) };
  it.each<[CompileOptions, string]>([
    [{ masks: { nobody: mask } }, 'The masks name a node "nobody", but no layer with weights is called so.'],
    [{ masks: { b: mask } }, 'The mask of "b" has the shape [16, 16, 1, 1]; its weights have [16, 16, 3, 3].'],
    [{ masks: { c: { ...mask, shape: [16] } } }, "The option masks is"],
    [{ masks: { c: { ...mask, data: new Uint8Array(256).fill(2) } } }, "The option masks is"],
    [{ masks: { c: mask }, pattern: "channel" }, "it takes a pattern within layers beside it."],
    [{ masks: { c: mask }, target: { bytes: 9000 } }, "it takes no target and no maxDrop beside it."],
    [{ prune: 0.5, pruneSteps: 65 }, "The option pruneSteps is 65; it takes an integer from 1 to 64."],
    [{ prune: 0.5, pruneSteps: 2, pattern: "nm" }, "The option pruneSteps is 2; it takes 1 with the pattern nm."],
    [{ pruneSteps: 2 }, "The option pruneSteps is 2; it takes a prune beside it."],
  ])("%j", async (options, message) => {
    await expect(compile(ONNX, { calibration: SAMPLES, ...options })).rejects.toThrow(message);
  });

  it("nothing to prune, and samples that are missing", async () => {
    await expect(pruneToOnnx(ONNX, {})).rejects.toThrow("Nothing is to be pruned: give prune or masks.");
    await expect(pruneToOnnx(ONNX, { masks: { c: mask } })).rejects.toThrow("takes calibration samples");
  });
});
