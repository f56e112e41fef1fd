/** Attention heads as channels: in the forms in which exporters write an attention, what is left computes what the whole does where nobody reads the removed heads. */
import { describe, expect, it } from "vitest";
import { traceChannels } from "../../compiler/channels/channels.ts";
import { removeChannels } from "../../compiler/channels/remove-channels.ts";
import { compile } from "../../compiler/index.ts";
import { cloneGraph } from "../../compiler/ir/clone.ts";
import type { Graph } from "../../compiler/ir/graph.ts";
import { verifyGraph } from "../../compiler/ir/verify.ts";
import { importModel } from "../../compiler/onnx/import.ts";
import { optimize } from "../../compiler/passes/index.ts";
import { keptNames } from "../../compiler/pipeline.ts";
import { channelLosses } from "../../compiler/prune/channel-importance.ts";
import { familiesOf, pruneChannels } from "../../compiler/prune/channel-pruning.ts";
import { fitChannels } from "../../compiler/prune/fit-channels.ts";
import { compileGraph, GraphRunner } from "../../compiler/run/graph-runner.ts";
import { evaluateGraph, graphOf, inferTypes, randomInputs, randomNumbers, relativeError } from "../passes/evaluation.ts";
import { blinded } from "../support/blinded-channels.ts";
import { plainModule } from "../support/small-model.ts";

/** Of plain JavaScript, which has no types. */
const { encoderModel } = (await import(new URL("../../bench/encoder.mjs", import.meta.url).href)) as {
  encoderModel: (sizes: Readonly<Record<string, number>>) => Uint8Array;
};

const DESCRIPTION = { producer: "test", name: "test" };
const WATCH = { step: () => {}, pause: async () => {} };

/** softmax(q·kᵀ/√d + bias)·v of [1, H, T, D] operands, merged, projected, added and normalised. */
const TAIL = `
%kt ? = Transpose(%k) perm=[0,1,3,2]
%p ? = MatMul(%q, %kt)
%s ? = Mul(%p, <scale float32[]>)
%m ? = Add(%s, <bias float32[1,4,6,6]>)
%a ? = Softmax(%m) axis=-1
%c ? = MatMul(%a, %v)
%ct ? = Transpose(%c) perm=[0,2,1,3]
%f ? = Reshape(%ct, {1,6,-1}int64[3])
%o ? = MatMul(%f, <wo float32[32,32]>)
%r ? = Add(%o, %x)
%y ? = LayerNormalization(%r, <g float32[32]>, <b float32[32]>) axis=-1
output %y
`;

const SEPARATE = `
input x float32[1,6,32]
%q0 ? = MatMul(%x, <wq float32[32,32]>)
%q1 ? = Add(%q0, <bq float32[32]>)
%q2 ? = Reshape(%q1, {0,0,4,-1}int64[4])
%q ? = Transpose(%q2) perm=[0,2,1,3]
%k0 ? = MatMul(%x, <wk float32[32,32]>)
%k1 ? = Reshape(%k0, {1,6,4,8}int64[4])
%k ? = Transpose(%k1) perm=[0,2,1,3]
%v0 ? = MatMul(%x, <wv float32[32,32]>)
%v1 ? = Reshape(%v0, {1,6,4,8}int64[4])
%v ? = Transpose(%v1) perm=[0,2,1,3]${TAIL}`;

/** As PyTorch's scaled_dot_product_attention and timm's ViT are exported: one product, cut into [3, H, D], gathered. */
const GATHERED = `
input x float32[1,6,32]
%j ? = MatMul(%x, <wj float32[32,96]>)
%b1 ? = Add(%j, <bj float32[96]>)
%j2 ? = Reshape(%b1, {1,6,3,4,8}int64[5])
%j3 ? = Transpose(%j2) perm=[2,0,3,1,4]
%q ? = Gather(%j3, {0}int64[]) axis=0
%k ? = Gather(%j3, {1}int64[]) axis=0
%v ? = Gather(%j3, {2}int64[]) axis=0${TAIL}`;

/** The same taken apart by Split and Squeeze. */
const SPLIT = `
input x float32[1,6,32]
%j ? = MatMul(%x, <wj float32[32,96]>)
%j2 ? = Reshape(%j, {1,6,3,4,8}int64[5])
%j3 ? = Transpose(%j2) perm=[2,0,3,1,4]
%s0 ?, %s1 ?, %s2 ? = Split(%j3) axis=0 num_outputs=3
%q ? = Squeeze(%s0, {0}int64[1])
%k ? = Squeeze(%s1, {0}int64[1])
%v ? = Squeeze(%s2, {0}int64[1])${TAIL}`;

/** As GPT-2 is exported: one product, split into thirds, each cut into heads. */
const THIRDS = `
input x float32[1,6,32]
%j ? = MatMul(%x, <wj float32[32,96]>)
%s0 ?, %s1 ?, %s2 ? = Split(%j) axis=-1 num_outputs=3
%q1 ? = Reshape(%s0, {1,6,4,8}int64[4])
%q ? = Transpose(%q1) perm=[0,2,1,3]
%k1 ? = Reshape(%s1, {1,6,4,8}int64[4])
%k ? = Transpose(%k1) perm=[0,2,1,3]
%v1 ? = Reshape(%s2, {1,6,4,8}int64[4])
%v ? = Transpose(%v1) perm=[0,2,1,3]${TAIL}`;

/** As nn.MultiheadAttention is exported: [T, B, 3·E], its thirds gathered, B·H matrices side by side; with rotated positions. */
const STACKED = `
input x float32[6,1,32]
%j ? = MatMul(%x, <wj float32[32,96]>)
%j1 ? = Add(%j, <bj float32[96]>)
%j2 ? = Reshape(%j1, {6,1,3,32}int64[4])
%j3 ? = Unsqueeze(%j2, {0}int64[1])
%j4 ? = Transpose(%j3) perm=[3,1,2,0,4]
%j5 ? = Squeeze(%j4, {3}int64[1])
%t0 ? = Gather(%j5, {0}int64[]) axis=0
%t1 ? = Gather(%j5, {1}int64[]) axis=0
%t2 ? = Gather(%j5, {2}int64[]) axis=0
%q1 ? = Reshape(%t0, {6,4,8}int64[3])
%q2 ? = Transpose(%q1) perm=[1,0,2]
%qa ? = Slice(%q2, {0}int64[1], {4}int64[1], {2}int64[1], {1}int64[1])
%qb ? = Slice(%q2, {4}int64[1], {8}int64[1], {2}int64[1], {1}int64[1])
%qn ? = Neg(%qb)
%qc ? = Concat(%qn, %qa) axis=2
%qd ? = Mul(%qc, <sin float32[1,6,8]>)
%q ? = Add(%q2, %qd)
%k1 ? = Reshape(%t1, {6,4,8}int64[3])
%k ? = Transpose(%k1) perm=[1,0,2]
%v1 ? = Reshape(%t2, {6,4,8}int64[3])
%v ? = Transpose(%v1) perm=[1,0,2]
%kt ? = Transpose(%k) perm=[0,2,1]
%p ? = MatMul(%q, %kt)
%s ? = Div(%p, <scale float32[]>)
%a ? = Softmax(%s) axis=-1
%c ? = MatMul(%a, %v)
%ct ? = Transpose(%c) perm=[1,0,2]
%f ? = Reshape(%ct, {6,32}int64[2])
%o ? = Gemm(%f, <wo float32[32,32]>, <bo float32[32]>) transB=1
%or ? = Reshape(%o, {6,1,32}int64[3])
%r ? = Add(%or, %x)
%y ? = LayerNormalization(%r, <g float32[32]>, <b float32[32]>) axis=-1
output %y
`;

const FORMS = { separate: SEPARATE, gathered: GATHERED, split: SPLIT, thirds: THIRDS, stacked: STACKED };

function without(graph: Graph, removed: ReadonlySet<number>): Graph {
  const copy = cloneGraph(graph);
  removeChannels(copy, traceChannels(copy), (root) => removed.has(root));
  verifyGraph(copy);
  inferTypes(copy);
  return copy;
}

describe("the heads of an attention", () => {
  it.each(Object.entries(FORMS))("go with their queries, keys and values: %s", (_, text) => {
    for (const optimized of [false, true]) {
      const graph = graphOf(text);
      if (optimized) optimize(graph);
      const families = familiesOf(traceChannels(graph), new Set());
      expect(families).toHaveLength(1);
      const [{ channels, tile }] = families as [(typeof families)[0]];
      expect([channels.length, tile]).toEqual([4, 1]);
      for (const removed of [[0], [3], [1, 2], [0, 1, 3]].map((heads) => new Set(heads.map((head) => channels[head]!)))) {
        const [whole, left] = [blinded(graph, removed), without(graph, removed)];
        const inputs = randomInputs(graph, 1);
        const [expected, got] = [evaluateGraph(whole, inputs), evaluateGraph(left, inputs)];
        expect(relativeError(expected[0]!, got[0]!)).toBeLessThan(1e-5);
        expect(left.nodes.find(({ op }) => op === "Softmax")!.outputs[0]!.type!.shape.at(-3)).toBe(4 - removed.size);
      }
    }
  });
});

describe("an encoder", () => {
  const SIZES = { layers: 2, width: 64, heads: 4, sequence: 12, hidden: 96, vocabulary: 64 };
  const onnx = encoderModel(SIZES);
  const { graph: float } = importModel(onnx, { shapes: {} });
  optimize(float);
  const samplesOf = (count: number, seed: number) => {
    const next = randomNumbers(seed);
    return Array.from({ length: count }, () => {
      const data = BigInt64Array.from({ length: SIZES.sequence }, () => BigInt(Math.floor(next() * SIZES.vocabulary)));
      return { ids: { dtype: "int64" as const, shape: [1, SIZES.sequence], data } };
    });
  };

  /** Mean squared error of the output on samples that were not fitted to, as a part of its mean square. */
  function errorOf(graph: Graph): number {
    const [reference, measured] = [float, graph].map((each) => new GraphRunner(compileGraph(each, DESCRIPTION), plainModule)) as [
      GraphRunner,
      GraphRunner,
    ];
    const [output] = reference.outputNames as [string];
    let [noise, signal] = [0, 0];
    for (const sample of samplesOf(16, 2)) {
      reference.run(sample);
      measured.run(sample);
      const [a, b] = [reference.output(output) as Float32Array, measured.output(output) as Float32Array];
      a.forEach((x, i) => {
        noise += (x - b[i]!) ** 2;
        signal += x * x;
      });
    }
    for (const runner of [reference, measured]) runner.dispose();
    return noise / signal;
  }

  it("loses heads and neurons, and its output projections are fitted to those that stay", async () => {
    const compiled = compileGraph(float, DESCRIPTION);
    const samples = samplesOf(48, 1);
    const importance = await channelLosses(float, compiled, plainModule, samples, new Set(), WATCH);
    const { graph, families, isRemoved } = pruneChannels(float, 0.3, new Set(), importance);
    const heads = families.filter(({ channels }) => channels === 4);
    expect(heads.map(({ layers }) => layers)).toEqual(
      [0, 1].map((i) => ["query", "key", "value"].map((part) => `layer${i}.${part}.product`)),
    );
    expect(heads.reduce((sum, { kept }) => sum + kept, 0)).toBeLessThan(8);
    const fitted = await fitChannels(float, compiled, plainModule, samples, isRemoved, WATCH);
    verifyGraph(fitted);
    expect(errorOf(fitted)).toBeLessThan(0.7 * errorOf(graph));
  });

  it("keeps the neurons of a layer that is excluded, not of what only reshapes its operand", () => {
    const name = "layer0.inner.product";
    expect(float.nodes.find(({ sources }) => sources.includes(name))!.name).not.toBe(name);
    expect([...keptNames(float, [name])]).toEqual([name]);
    const { families, held } = pruneChannels(float, 0.5, keptNames(float, [name]));
    expect(families.flatMap(({ layers }) => layers)).not.toContain(name);
    expect(held).toContainEqual({ layers: [name], channels: SIZES.hidden, heldBy: "an excluded layer" });
  });

  it("compiles to fewer heads, and the report says what could not go and why", async () => {
    const { report } = await compile(onnx, { prune: 0.3, pattern: "channel", calibration: samplesOf(24, 1), precision: "float32" });
    const { families, held, macsBefore, macsAfter } = report.pruning!.channels!;
    expect(macsAfter).toBeLessThan(0.8 * macsBefore);
    expect(families.some(({ channels, kept }) => channels === 4 && kept < 4)).toBe(true);
    expect(held).toContainEqual({ layers: ["layer0.outer.product"], channels: 64, heldBy: 'Add "layer0.sum2"' });
  });
});
