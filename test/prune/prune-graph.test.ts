/** Pruning a graph along its samples: every kind of layer, in whatever order its weights lie; what stays is fitted; zeros outlive rounding. */
import { describe, expect, it } from "vitest";
import { type CompileOptions, compile, quantizeToOnnx } from "../../compiler/index.ts";
import { cloneGraph } from "../../compiler/ir/clone.ts";
import { type Graph, requiredInput } from "../../compiler/ir/graph.ts";
import { importModel } from "../../compiler/onnx/import.ts";
import type { Pattern } from "../../compiler/prune/pattern.ts";
import { lossCurves, type Pruned, type PruningRule, pruneGraph } from "../../compiler/prune/prune-graph.ts";
import type { Sample } from "../../compiler/quantize/calibrate.ts";
import { compileGraph, GraphRunner } from "../../compiler/run/graph-runner.ts";
import { graphOf, randomNumbers } from "../passes/evaluation.ts";
import { EVERY_LAYER } from "../support/layers-network.ts";
import { floatTensor, ints, model, node, value } from "../support/onnx-model.ts";
import { plainModule } from "../support/small-model.ts";

const DESCRIPTION = { producer: "test", name: "test" };
const WATCH = { step: () => {}, pause: async () => {} };

function samplesOf(count: number, seed: number): readonly Sample[] {
  const random = randomNumbers(seed);
  return Array.from({ length: count }, () => {
    // Neighbouring pixels are alike.
    const data = new Float32Array(4 * 81);
    for (let i = 0; i < data.length; i++) data[i] = random() * 2 - 1 + 0.8 * (data[i - 1] ?? 0);
    return { x: { dtype: "float32" as const, shape: [1, 4, 9, 9], data } };
  });
}

const FLOAT = graphOf(EVERY_LAYER);
const LAYERS = ["Conv", "Gemm", "MatMul"];

function prune(rule: Partial<PruningRule>, samples = samplesOf(48, 1)): Promise<Pruned> {
  return pruneGraph(
    FLOAT,
    compileGraph(FLOAT, DESCRIPTION),
    plainModule,
    samples,
    { pattern: "unstructured", criterion: "obc", sparsityOf: () => 0.5, ...rule },
    WATCH,
  );
}

/** Mean squared error of the output on samples that were not fitted to. */
function errorOf(graph: Graph): number {
  const [reference, measured] = [FLOAT, graph].map((each) => new GraphRunner(compileGraph(each, DESCRIPTION), plainModule)) as [
    GraphRunner,
    GraphRunner,
  ];
  let sum = 0;
  for (const sample of samplesOf(64, 2)) {
    reference.run(sample);
    measured.run(sample);
    const [a, b] = [reference.output("y") as Float32Array, measured.output("y") as Float32Array];
    a.forEach((x, i) => (sum += (x - b[i]!) ** 2));
  }
  for (const runner of [reference, measured]) runner.dispose();
  return sum;
}

function weightsOf(graph: Graph): ReadonlyMap<string, Float32Array> {
  return new Map(
    graph.nodes.filter(({ op }) => LAYERS.includes(op)).map((each) => [each.name, requiredInput(each, 1).constant!.data as Float32Array]),
  );
}

function zerosOf(weights: ArrayLike<number>): number {
  return Array.from(weights).filter((w) => w === 0).length;
}

describe("pruning a graph", () => {
  it("takes the asked part of every layer, of whatever kind, and says what it took", async () => {
    const { graph, layers } = await prune({});
    const weights = weightsOf(graph);
    expect(layers.map(({ name }) => name)).toEqual([...weights.keys()]);
    for (const layer of layers) {
      const data = weights.get(layer.name)!;
      expect(layer.weights).toBe(data.length);
      expect(layer.zeros).toBe(zerosOf(data));
      // Depthwise channels and groups are pruned by themselves: half of nine is four or five.
      expect(Math.abs(layer.zeros / layer.weights - 0.5)).toBeLessThan(0.06);
      expect(layer.loss).toBeGreaterThan(0);
      expect(layer.loss).toBeLessThan(1);
    }
    expect(zerosOf([...weightsOf(FLOAT).values()].flatMap((data) => [...data]))).toBe(0);
  });

  it("loses least by OBC, less by a finer pattern, and less with fitting than without", async () => {
    const error = async (rule: Partial<PruningRule>, samples?: readonly Sample[]): Promise<number> =>
      errorOf((await prune(rule, samples)).graph);
    const [obc, magnitude, wanda] = [await error({}), await error({ criterion: "magnitude" }), await error({ criterion: "wanda" })];
    expect(obc).toBeLessThan(magnitude);
    expect(obc).toBeLessThan(wanda);
    expect(magnitude).toBeLessThan(await error({ criterion: "magnitude" }, []));
    expect(obc).toBeLessThan(await error({ pattern: "block" }));
    expect(obc).toBeLessThan(await error({ pattern: "2:4" }));
  });

  it("leaves layers whose sparsity is 0 without zeros, and fits them to what the pruned ones before give", async () => {
    const inner = FLOAT.nodes.find(({ outputs }) => outputs[0]!.name === "c")!.name;
    const { graph, layers } = await prune({ sparsityOf: (layer) => (layer === inner ? 0.5 : 0) });
    expect(layers.map(({ name }) => name)).toEqual([inner]);
    const [before, after] = [weightsOf(FLOAT), weightsOf(graph)];
    const changed = [...after].map(([name, data]) => data.some((w, i) => w !== before.get(name)![i]));
    expect(changed).toEqual([false, false, true, true, true, true]);
    const { graph: none, layers: nothing } = await prune({ sparsityOf: () => 0 });
    expect(nothing).toEqual([]);
    expect(weightsOf(none)).toEqual(weightsOf(FLOAT));
    expect(zerosOf([...weightsOf(graph).values()].flatMap((data) => [...data]))).toBe(layers.reduce((sum, { zeros }) => sum + zeros, 0));
  });

  it("foretells what layers lose at any sparsity", async () => {
    const curves = await lossCurves(
      FLOAT,
      compileGraph(FLOAT, DESCRIPTION),
      plainModule,
      samplesOf(48, 1),
      "unstructured",
      () => true,
      WATCH,
    );
    expect([...curves.keys()]).toEqual([...weightsOf(FLOAT).keys()]);
    const [first] = curves.keys();
    const { layers } = await prune({ sparsityOf: (layer) => (layer === first ? 0.5 : 0) });
    const curve = curves.get(first!)!;
    expect(curve.at(0.5)).toBeGreaterThan(layers[0]!.loss! * 0.999);
    expect(curve.at(0.5)).toBeLessThan(layers[0]!.loss! * 1.3);
    for (const { most, at } of curves.values()) {
      expect(most).toBe(1);
      expect(at(0)).toBe(0);
      expect(at(0.9)).toBeGreaterThan(at(0.4));
    }
  });

  it("gives the same bytes twice", async () => {
    const [a, b] = [await prune({ pattern: "block8x2" }), await prune({ pattern: "block8x2" })];
    expect(weightsOf(a.graph)).toEqual(weightsOf(b.graph));
  });

  it("refuses inputs that are not finite, by the layer's name", async () => {
    const samples = samplesOf(4, 1).map(
      (sample, i): Sample => ({ x: { ...sample["x"]!, data: new Float32Array(4 * 81).fill(i === 2 ? Number.NaN : 1) } }),
    );
    await expect(prune({}, samples)).rejects.toMatchObject({ code: "not-finite", details: { op: "Conv" } });
  });
});

/** Three layers of 16 channels, the one in the middle inner. */
function onnx(): Uint8Array {
  const random = randomNumbers(4);
  const weights = (name: string, dims: number[]) =>
    floatTensor(
      name,
      dims,
      Array.from({ length: dims.reduce((a, b) => a * b, 1) }, () => random() - 0.5),
    );
  const padded = { pads: ints(1, 1, 1, 1) };
  return model({
    nodes: [
      node("Conv", ["x", "w1", "b1"], ["a"], padded, { name: "first" }),
      node("Relu", ["a"], ["r"]),
      node("Conv", ["r", "w2", "b2"], ["c"], padded, { name: "inner" }),
      node("Relu", ["c"], ["s"]),
      node("Conv", ["s", "w3", "b3"], ["y"], {}, { name: "last" }),
    ],
    inputs: [value("x", [1, 4, 9, 9])],
    initializers: [
      weights("w1", [16, 4, 3, 3]),
      weights("b1", [16]),
      weights("w2", [16, 16, 3, 3]),
      weights("b2", [16]),
      weights("w3", [8, 16, 1, 1]),
      weights("b3", [8]),
    ],
  });
}

describe("compiling with pruning", () => {
  it.each([
    ["block", 8, 1],
    ["block8x2", 8, 2],
    ["2:4", 1, 1],
    ["unstructured", 1, 1],
  ] as const)(
    "%s: the zeros of the inner layer are those of the quantized model, for any number of bits",
    async (pattern: Pattern, outputs, inputs) => {
      for (const weights of [8, 4] as const) {
        const { bytes, report } = await quantizeToOnnx(onnx(), { prune: 0.5, pattern, weights, calibration: samplesOf(24, 3) });
        expect(report.pruning?.layers).toHaveLength(1);
        expect(report.pruning).toMatchObject({ fraction: 0.5, pattern, criterion: "obc", layers: [{ weights: 2304 }] });
        expect(report.pruning!.outputs[0]!.sqnrDb).toBeGreaterThan(3);
        const { graph } = importModel(bytes);
        const [first, inner, last] = graph.nodes
          .filter(({ op }) => op === "Conv")
          .map((each) => requiredInput(requiredInput(each, 1).producer!, 0).constant!);
        expect(Math.max(zerosOf(first!.data as Int8Array), zerosOf(last!.data as Int8Array))).toBeLessThan(30);
        // [outputs][channels][3][3]: the file's order has channels last.
        const data = inner!.data as Int8Array;
        const at = (o: number, k: number): number => data[(o * 16 + (k % 16)) * 9 + Math.floor(k / 16)]!;
        let blocks = 0;
        for (let o = 0; o < 16; o += outputs) {
          for (let k = 0; k < 144; k += inputs) {
            let isZero = true;
            for (let i = 0; i < outputs; i++) for (let j = 0; j < inputs; j++) isZero &&= at(o + i, k + j) === 0;
            if (isZero) blocks++;
          }
        }
        expect(blocks).toBeGreaterThanOrEqual(2304 / 2 / (outputs * inputs));
        if (pattern === "2:4")
          for (let o = 0; o < 16; o++)
            for (let k = 0; k < 144; k += 4) expect([0, 1, 2, 3].filter((j) => at(o, k + j) !== 0).length).toBeLessThanOrEqual(2);
      }
    },
  );

  it("asks of int8 no more than shows beside what pruning took", async () => {
    const calibration = samplesOf(24, 3);
    const goalOf = async (options: CompileOptions): Promise<number> =>
      (await compile(onnx(), { calibration, minSqnrDb: -100, ...options })).report.mixed!.goalDb;
    const { report } = await compile(onnx(), { calibration, prune: 0.9, precision: "float32" });
    const prunedDb = report.pruning!.outputs[0]!.sqnrDb;
    expect(prunedDb).toBeLessThan(11);
    expect(Math.abs((await goalOf({ prune: 0.9 })) - prunedDb - 10)).toBeLessThan(1.5);
    expect(await goalOf({ prune: 0.9, targetSqnrDb: 25 })).toBe(25);
    expect(await goalOf({ prune: 0.05, pattern: "unstructured" })).toBe(22);
    expect(await goalOf({})).toBe(22);
  });

  it("leaves out what is excluded, prunes in float32 too, and by magnitude without samples", async () => {
    const calibration = samplesOf(24, 3);
    const { report } = await compile(onnx(), { prune: 0.5, exclude: ["inner"], calibration });
    expect(report.pruning?.layers).toEqual([]);
    const dense = await compile(onnx(), { precision: "float32" });
    const float = await compile(onnx(), { prune: 0.75, precision: "float32", calibration });
    expect(float.report.pruning?.layers).toMatchObject([{ weights: 2304, zeros: 1728 }]);
    expect(float.bytes.length).toBeLessThan(0.6 * dense.bytes.length);
    const blind = await compile(onnx(), { prune: 0.5, criterion: "magnitude" });
    expect(blind.report.pruning).toMatchObject({ layers: [{ weights: 2304, zeros: 1152, loss: null }] });
    const magnitude = { prune: 0.5, criterion: "magnitude", precision: "float32" } as const;
    const [unfitted, fitted] = await Promise.all([
      compile(onnx(), { ...magnitude, calibration, reconstruction: "none" }),
      compile(onnx(), { ...magnitude, calibration }),
    ]);
    expect(unfitted.report.pruning?.layers).toMatchObject([{ loss: null }]);
    expect(unfitted.report.pruning!.outputs[0]!.sqnrDb).toBeLessThan(fitted.report.pruning!.outputs[0]!.sqnrDb! - 1);
  });

  it.each([
    [{ prune: 0 }, "bad-option", /prune is 0/],
    [{ prune: 1 }, "bad-option", /prune is 1/],
    [{ prune: Number.NaN }, "bad-option", /prune is NaN/],
    [{ prune: 0.5, pattern: "blocks" as Pattern }, "bad-option", /pattern is "blocks"/],
    [{ prune: 0.5, reconstruction: "none" as const }, "bad-option", /reconstruction is "none"; it takes least-squares/],
    [{ prune: 0.5, pattern: "1:4" }, "bad-option", /with the pattern 1:4/],
    [{ prune: 0.3, pattern: "nm" }, "bad-option", /0.25, 0.5 or 0.75/],
    [{ prune: 0.5, criterion: "best" as "obc" }, "bad-option", /criterion is "best"/],
    [{ prune: 0.5 }, "no-samples", /takes calibration samples/],
    [{ prune: 0.5, exclude: ["nothing"], criterion: "magnitude" as const }, "unknown-node", /No node is named "nothing"/],
  ] as const)("refuses %j", async (options, code, message) => {
    await expect(compile(onnx(), options)).rejects.toMatchObject({ code, fault: "usage", message: expect.stringMatching(message) });
  });
});

describe("a layer whose result is added to another value", () => {
  it("is fitted to what the pruned network's other value lacks, too", async () => {
    const graph = graphOf(`input x float32[1,4,9,9]
%a ? = Conv(%x, <w1 float32[16,4,3,3]>, <b1 float32[16]>) pads=[1,1,1,1]
%r ? = Relu(%a)
%c ? = Conv(%r, <w2 float32[16,16,1,1]>, <b2 float32[16]>)
%s ? = Add(%c, %r)
output %s
`);
    const compiled = compileGraph(graph, DESCRIPTION);
    const samples = samplesOf(48, 1);
    const [first] = graph.nodes;
    const rule = { pattern: "unstructured", criterion: "obc", sparsityOf: (layer: string) => (layer === first!.name ? 0.6 : 0) } as const;
    const pruned = (await pruneGraph(graph, compiled, plainModule, samples, rule, WATCH)).graph;
    // The second convolution sees the very values whose errors the sum has: fitted to its own result alone it would leave them there.
    const alone = cloneGraph(pruned);
    for (const index of [1, 2])
      alone.setInput(alone.nodes[2]!, index, alone.addConstant(`w${index}`, requiredInput(graph.nodes[2]!, index).constant!));
    const errorIn = (tried: Graph): number => {
      const [reference, measured] = [graph, tried].map((each) => new GraphRunner(compileGraph(each, DESCRIPTION), plainModule)) as [
        GraphRunner,
        GraphRunner,
      ];
      let sum = 0;
      for (const sample of samplesOf(32, 2)) {
        reference.run(sample);
        measured.run(sample);
        const [a, b] = [reference.output("s") as Float32Array, measured.output("s") as Float32Array];
        a.forEach((x, i) => (sum += (x - b[i]!) ** 2));
      }
      for (const runner of [reference, measured]) runner.dispose();
      return sum;
    };
    expect(errorIn(pruned)).toBeLessThan(0.95 * errorIn(alone));
  });
});
