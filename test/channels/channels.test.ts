/**
 * Removing channels: the graph that is left computes what the whole one does when nobody reads the removed channels. Random networks, written
 * ones, and the real models where ../shared is there.
 */
import { existsSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { traceChannels } from "../../compiler/channels/channels.ts";
import { removeChannels } from "../../compiler/channels/remove-channels.ts";
import { cloneGraph } from "../../compiler/ir/clone.ts";
import type { Graph } from "../../compiler/ir/graph.ts";
import { verifyGraph } from "../../compiler/ir/verify.ts";
import { importModel } from "../../compiler/onnx/import.ts";
import { optimize } from "../../compiler/passes/index.ts";
import { familiesOf, pruneChannels } from "../../compiler/prune/channel-pruning.ts";
import { compileGraph, compilerRuntime, GraphRunner } from "../../compiler/run/graph-runner.ts";
import { evaluateGraph, graphOf, inferTypes, randomInputs, randomNumbers, relativeError } from "../passes/evaluation.ts";
import { randomNetwork } from "../passes/random-graphs.ts";
import { blinded } from "../support/blinded-channels.ts";
import { sweep } from "../support/sweep.ts";

/** Some of the channels that may go, never all of a family. */
function someChannels(graph: Graph, seed: number): ReadonlySet<number> {
  const next = randomNumbers(seed);
  const families = familiesOf(traceChannels(graph), new Set());
  return new Set(families.flatMap(({ channels }) => channels.slice(1).filter(() => next() < 0.5)));
}

function withoutChannels(graph: Graph, removed: ReadonlySet<number>): Graph {
  const copy = cloneGraph(graph);
  removeChannels(copy, traceChannels(copy), (root) => removed.has(root));
  verifyGraph(copy);
  inferTypes(copy);
  return copy;
}

/** The largest difference of the outputs, relative to their size. */
function difference(a: Graph, b: Graph): number {
  const inputs = randomInputs(a, 1);
  const [x, y] = [evaluateGraph(a, inputs), evaluateGraph(b, inputs)];
  return Math.max(...x.map((tensor, i) => relativeError(tensor, y[i]!)));
}

const NETWORK = `
input x float32[1,3,8,8]
%a ? = Conv(%x, <wa float32[8,3,1,1]>, <ba float32[8]>)
%r ? = Relu(%a)
%b ? = Conv(%r, <wb float32[6,8,3,3]>) pads=[1,1,1,1]
%d ? = Conv(%b, <wd float32[12,1,3,3]>, <bd float32[12]>) group=6 pads=[1,1,1,1]
%c ? = Conv(%d, <wc float32[8,12,1,1]>)
%s ? = Add(%c, %a)
%m ? = Mul(%s, <k float32[1,8,1,1]>)
%e ? = Conv(%m, <we float32[4,8,1,1]>)
%j ? = Concat(%e, %m, %e) axis=1
%p0 ?, %p1 ? = Split(%j, {6,10}int64[2]) axis=1
%q ? = Conv(%p0, <wq float32[10,6,1,1]>)
%t ? = Add(%q, %p1)
%g ? = GlobalAveragePool(%t)
%se ? = Conv(%g, <wse float32[5,10,1,1]>)
%ex ? = Conv(%se, <wex float32[10,5,1,1]>, <bex float32[10]>)
%sg ? = Sigmoid(%ex)
%h ? = Mul(%t, %sg)
%f ? = Reshape(%h, {1,-1}int64[2])
%l ? = Gemm(%f, <wl float32[640,7]>, <bl float32[7]>)
%n ? = MatMul(%l, <wn float32[7,4]>)
%u ? = Unsqueeze(%n, {2}int64[1])
%v ? = Transpose(%u) perm=[0,2,1]
%y ? = MatMul(%v, <wy float32[4,3]>)
output %y
`;

describe("the channels of a network", () => {
  const graph = graphOf(NETWORK);
  const families = familiesOf(traceChannels(graph), new Set());

  it("are followed through sums, depthwise layers, concatenation, splits, broadcasts and views", () => {
    expect(families.map(({ layers, channels }) => [layers.join(" "), channels.length])).toMatchInlineSnapshot(`
      [
        [
          "a c",
          2,
        ],
        [
          "a c q ex",
          6,
        ],
        [
          "b",
          6,
        ],
        [
          "e q ex",
          4,
        ],
        [
          "se",
          5,
        ],
        [
          "l",
          7,
        ],
        [
          "n",
          4,
        ],
      ]
    `);
  });

  it("stay where a layer is excluded, by its name or a source's", () => {
    const without = familiesOf(traceChannels(graph), new Set(["b"]));
    expect(without.map(({ layers }) => layers.join(" "))).not.toContain("b");
    expect(without).toHaveLength(families.length - 1);
  });

  it("leave a network that computes what the whole one does where nobody reads them", () => {
    for (let seed = 1; seed < 20; seed++) {
      const removed = someChannels(graph, seed);
      expect(removed.size, `seed ${seed}`).toBeGreaterThan(3);
      expect(difference(blinded(graph, removed), withoutChannels(graph, removed)), `seed ${seed}`).toBeLessThan(1e-5);
    }
  });

  it.each([
    '%u ? = Resize(%r, _, _, {1,8,16,16}int64[4]) mode="nearest"',
    '%u ? = Resize(%r, _, _, {16,8}int64[2]) mode="nearest" axes=[2,-3]',
    '%u ? = Resize(%r, _, {1,1,2,2}float32[4]) mode="nearest"',
    "%u ? = Slice(%r, {1,1}int64[2], {5,7}int64[2], {2,3}int64[2])",
    "%u0 ?, %u1 ? = Split(%r) axis=1 num_outputs=2\n%u ? = Concat(%u1, %u0) axis=1",
  ])("go through %s", (line) => {
    const through = graphOf(`input x float32[1,3,8,8]
%a ? = Conv(%x, <wa float32[8,3,1,1]>, <ba float32[8]>)
%r ? = Relu(%a)
${line}
%y ? = Conv(%u, <wb float32[6,8,3,3]>)
output %y
`);
    const [family] = familiesOf(traceChannels(through), new Set());
    const removed = new Set(family!.channels.slice(0, 3));
    expect(difference(blinded(through, removed), withoutChannels(through, removed))).toBeLessThan(1e-5);
  });

  it("leave random networks that do as well", () => {
    const graphs = sweep(200, 2000);
    let pruned = 0;
    for (let seed = 1; seed <= graphs; seed++) {
      const random = graphOf(randomNetwork(seed));
      optimize(random);
      const removed = someChannels(random, seed);
      if (removed.size === 0) continue;
      pruned++;
      expect(difference(blinded(random, removed), withoutChannels(random, removed)), `seed ${seed}`).toBeLessThan(1e-4);
    }
    expect(pruned).toBeGreaterThan(graphs / 8);
  });
});

const assets = process.env.EQM_ASSETS ? new URL(`file://${process.env.EQM_ASSETS}/`) : new URL("../../../shared/", import.meta.url);
const MODELS = [
  "resnet8_cifar10",
  "kws_dscnn",
  "vww_mobilenetv1_025",
  "mnist_cntk",
  "toyadmos_ae",
  "resnet56_cifar10",
  "yunet_n_320",
  "squeezenet11",
  "kwt1",
];
const here = MODELS.filter((name) => existsSync(new URL(`models/${name}.onnx`, assets)));
if (here.length === 0) console.log("test/channels: the real models skipped, there are no shared models");

describe.skipIf(here.length === 0)("the real models", () => {
  it.each(here)("%s computes what it does where nobody reads the removed channels", async (name) => {
    const { graph } = importModel(readFileSync(new URL(`models/${name}.onnx`, assets)), { shapes: {} });
    optimize(graph);
    const removed = someChannels(graph, 7);
    expect(removed.size).toBeGreaterThan(8);
    const { module } = await compilerRuntime();
    const inputs = Object.fromEntries(randomInputs(graph, 3, 1));
    const outputsOf = (candidate: Graph): readonly Float32Array[] => {
      const runner = new GraphRunner(compileGraph(candidate, { name: "m", producer: "test" }), module);
      runner.run(inputs);
      const outputs = runner.outputNames.map((output) => runner.output(output) as Float32Array);
      runner.dispose();
      return outputs;
    };
    const [expected, got] = [outputsOf(blinded(graph, removed)), outputsOf(withoutChannels(graph, removed))];
    for (const [i, output] of expected.entries()) {
      const shape = [output.length];
      expect(relativeError({ dtype: "float32", shape, data: output }, { dtype: "float32", shape, data: got[i]! })).toBeLessThan(1e-4);
    }
  });

  it("resnet8_cifar10 loses about half of its work", () => {
    if (!here.includes("resnet8_cifar10")) return;
    const { graph } = importModel(readFileSync(new URL("models/resnet8_cifar10.onnx", assets)), { shapes: {} });
    optimize(graph);
    const { macsBefore, macsAfter, families } = pruneChannels(graph, 0.5, new Set());
    expect(macsAfter / macsBefore).toBeGreaterThan(0.35);
    expect(macsAfter / macsBefore).toBeLessThan(0.6);
    for (const { channels, kept } of families) expect(kept === channels || kept % 8 === 0).toBe(true);
  });
});
