/** Refitting a quantized graph: weights and biases of every kind of layer, in the file's order, for the inputs they really get. */
import { expect, test } from "vitest";
import { encodeBytes } from "../../compiler/emit/entropy.ts";
import { cloneGraph } from "../../compiler/ir/clone.ts";
import { type Graph, requiredInput } from "../../compiler/ir/graph.ts";
import { calibrate, rangesOf, type Sample } from "../../compiler/quantize/calibrate.ts";
import { insertQuantization } from "../../compiler/quantize/insert.ts";
import { outputMeasure } from "../../compiler/quantize/output-measure.ts";
import { type RefittedLayer, refitWeights } from "../../compiler/quantize/refit.ts";
import { chooseRounding } from "../../compiler/quantize/rounding.ts";
import { int8Nodes } from "../../compiler/quantize/scope.ts";
import type { WeightBits } from "../../compiler/quantize/weight-bits.ts";
import { compileGraph, GraphRunner } from "../../compiler/run/graph-runner.ts";
import { SampleWalk } from "../../compiler/run/sample-walk.ts";
import { CONV_I8 } from "../../format/opcodes.ts";
import { GEMM_I8, isPaired } from "../../format/packings.ts";
import { PAIR_SAFE, RUN_SAFE, SCALE } from "../../format/steps/conv-i8.ts";
import type { Program } from "../../host/program.ts";
import { graphOf, randomNumbers } from "../passes/evaluation.ts";
import { EVERY_LAYER } from "../support/layers-network.ts";
import { plainModule } from "../support/small-model.ts";

const DESCRIPTION = { producer: "test", name: "test" };
const WATCH = { step: () => {}, pause: async () => {} };

interface Made {
  readonly float: Graph;
  readonly int8: Graph;
  readonly samples: readonly Sample[];
}

/** `loudest`: a value of the first sample, which makes the input's steps coarse. */
async function make(count = 24, loudest = 1): Promise<Made> {
  const float = graphOf(EVERY_LAYER);
  // Most weights of real networks are small.
  for (const node of float.nodes) {
    const weights = node.inputs[1]?.constant;
    if (!weights || weights.shape.length < 2) continue;
    const data = (weights.data as Float32Array).map((w) => w ** 3);
    float.setInput(node, 1, float.addConstant(node.inputs[1]!.name, { ...weights, data }));
  }
  const int8 = cloneGraph(float);
  const random = randomNumbers(11);
  const samples = Array.from({ length: count }, (_, i): Sample => {
    const data = Float32Array.from({ length: 4 * 81 }, () => random() * 2 - 1);
    if (i === 0) data[0] = loudest;
    return { x: { dtype: "float32", shape: [1, 4, 9, 9], data } };
  });
  const calibration = await calibrate(compileGraph(float, DESCRIPTION), plainModule, samples, float, WATCH);
  insertQuantization(int8, int8Nodes(int8, new Set()), rangesOf(calibration, "minmax"));
  return { float, int8, samples };
}

async function refit(
  { float, int8, samples }: Made,
  pairSafe: boolean,
  bits: ReadonlyMap<string, WeightBits> = new Map(),
  used = samples,
  compact = false,
): Promise<{ readonly graph: Graph; readonly layers: readonly RefittedLayer[]; readonly steps: readonly string[] }> {
  const graph = cloneGraph(int8);
  const steps: string[] = [];
  const watch = { ...WATCH, step: (done: number, of: number) => void steps.push(`${done}/${of}`) };
  const layers = await refitWeights(float, graph, compileGraph(float, DESCRIPTION), plainModule, used, { bits, pairSafe, compact }, watch);
  return { graph, layers, steps };
}

/** Mean squared error of the output. */
function errorOf({ float, samples }: Made, graph: Graph): number {
  const [reference, measured] = [float, graph].map((each) => new GraphRunner(compileGraph(each, DESCRIPTION), plainModule)) as [
    GraphRunner,
    GraphRunner,
  ];
  let sum = 0;
  for (const sample of samples) {
    reference.run(sample);
    measured.run(sample);
    const [a, b] = [reference.output("y") as Float32Array, measured.output("y") as Float32Array];
    a.forEach((x, i) => (sum += (x - b[i]!) ** 2));
  }
  for (const runner of [reference, measured]) runner.dispose();
  return sum;
}

/** The float32 constant at an address of the constants. */
function constantAt({ constants }: Program, address: number): Float32Array {
  return new Float32Array(constants.find((constant) => constant.address === address)!.bytes.slice().buffer);
}

const weightsOf = (graph: Graph, name: string): Int8Array =>
  graph.nodes.find((node) => node.name === name)!.inputs[1]!.producer!.inputs[0]!.constant!.data as Int8Array;

test("every layer is visited in order, and none adds more noise than rounding to nearest, whatever its layout", async () => {
  const made = await make();
  const { graph, layers, steps } = await refit(made, false);
  expect(layers.map(({ name }) => name)).toEqual(["a", "b", "c", "d", "g", "y"]);
  expect(steps).toEqual(["1/6", "2/6", "3/6", "4/6", "5/6", "6/6"]);
  // Weights that landed in a wrong place would be as noisy as the signal.
  for (const { name, noise, noiseOfNearest } of layers)
    expect([name, noise < noiseOfNearest * 1.05, noise < 1e-3]).toEqual([name, true, true]);
  expect(errorOf(made, graph)).toBeLessThan(errorOf(made, made.int8));
});

test("few bits gain most, and weights keep to their levels", async () => {
  const made = await make();
  const bits = new Map(["c", "d", "g"].map((name) => [name, 4 as const]));
  const coarse = cloneGraph(made.float);
  const calibration = await calibrate(compileGraph(made.float, DESCRIPTION), plainModule, made.samples, made.float, WATCH);
  insertQuantization(coarse, int8Nodes(coarse, new Set()), rangesOf(calibration, "minmax"), bits);
  const { graph } = await refit({ ...made, int8: coarse }, true, bits);
  for (const name of bits.keys()) expect(weightsOf(graph, name).every((q) => Math.abs(q) <= 7)).toBe(true);
  expect(errorOf(made, graph)).toBeLessThan(errorOf(made, coarse) * 0.8);
});

test("compact weights take fewer bytes, their scales too, for little more noise, and are no less pair-safe", async () => {
  const made = await make(24, 100);
  const [plain, compact] = [await refit(made, true), await refit(made, true, new Map(), made.samples, true)];
  const bytesOf = ({ graph }: typeof plain): { readonly constants: number; readonly scales: readonly Float32Array[] } => {
    const { program } = compileGraph(graph, DESCRIPTION);
    const scales = program.plan.steps.filter(([opcode]) => opcode === CONV_I8).map((words) => constantAt(program, words[SCALE]!));
    const constants = program.constants.reduce((sum, { bytes, packing }) => {
      return packing === GEMM_I8 || isPaired(packing) ? sum + encodeBytes(bytes, 1).length : sum;
    }, 0);
    return { constants, scales };
  };
  const [before, after] = [bytesOf(plain), bytesOf(compact)];
  expect(after.constants).toBeLessThan(before.constants * 0.98);
  expect(after.scales.length).toBeGreaterThanOrEqual(5);
  const areShort = (scales: Float32Array): boolean => new Uint16Array(scales.buffer).every((half, i) => i % 2 === 1 || half === 0x5555);
  expect(before.scales.some(areShort)).toBe(false);
  expect(after.scales.every(areShort)).toBe(true);
  // Of so small a network: by other choices of scales alone its error changes by a third.
  expect(errorOf(made, compact.graph)).toBeLessThan(errorOf(made, plain.graph) * 1.5);
  const pairSafe = ({ layers }: typeof plain): readonly string[] => layers.filter((layer) => layer.isPairSafe).map(({ name }) => name);
  expect(pairSafe(compact)).toEqual(expect.arrayContaining([...pairSafe(plain)]));
});

test.each([
  ["run-safe", 100],
  ["pair-safe", 1],
] as const)("%s layers are those that the file marks", async (kind, loudest) => {
  const made = await make(24, loudest);
  const { graph, layers } = await refit(made, true);
  const { program, stepNodes } = compileGraph(graph, DESCRIPTION);
  const marked = (marks: readonly number[]): readonly (string | null)[] =>
    stepNodes.filter((_, i) => program.plan.steps[i]![0] === CONV_I8 && marks.includes(program.plan.steps[i]![PAIR_SAFE]!));
  expect(layers.filter(({ isPairSafe }) => isPairSafe).map(({ name }) => name)).toEqual(marked([1, RUN_SAFE]));
  expect(layers.filter(({ isRunSafe }) => isRunSafe).map(({ name }) => name)).toEqual(marked([RUN_SAFE]));
  expect(marked([kind === "run-safe" ? RUN_SAFE : 1]).length).toBeGreaterThanOrEqual(1);
  expect(errorOf(made, graph)).toBeLessThan(errorOf(made, made.int8) * 1.2);
  const free = await refit(made, false);
  expect(free.layers.filter(({ isRunSafe }) => isRunSafe)).toEqual([]);
});

test("without samples weights become pair-safe and biases stay", async () => {
  const made = await make();
  const { graph, layers } = await refit(made, true, new Map(), []);
  expect(layers.filter(({ isPairSafe }) => isPairSafe).length).toBeGreaterThanOrEqual(2);
  expect(errorOf(made, graph)).toBeLessThan(errorOf(made, made.int8) * 4);
});

test("the result is the same each time", async () => {
  const made = await make(8);
  const [first, second] = [await refit(made, true), await refit(made, true)];
  for (const { name } of first.layers) expect([...weightsOf(second.graph, name)]).toEqual([...weightsOf(first.graph, name)]);
});

test("weights that several layers share stay as they are, so that the file holds them once", async () => {
  const float = graphOf(`input x float32[1,8]
%a ? = MatMul(%x, <w float32[8,8]>)
%b ? = Relu(%a)
%c ? = MatMul(%b, <v float32[8,8]>)
output %c
`);
  const [a, , c] = float.nodes;
  float.setInput(c!, 1, a!.inputs[1]!);
  const samples: Sample[] = [{ x: { dtype: "float32", shape: [1, 8], data: Float32Array.from({ length: 8 }, (_, i) => i - 3) } }];
  const calibration = await calibrate(compileGraph(float, DESCRIPTION), plainModule, samples, float, WATCH);
  const int8 = cloneGraph(float);
  insertQuantization(int8, int8Nodes(int8, new Set()), rangesOf(calibration, "minmax"));
  const { graph, layers } = await refit({ float, int8, samples }, true);
  expect(layers).toEqual([]);
  expect([...weightsOf(graph, "c")]).toEqual([...weightsOf(graph, "a")]);
});

test("a refit that the outputs agree with is taken, one that they do not is not, unless pruning took so much more", async () => {
  const made = await make();
  const floatCompiled = compileGraph(made.float, DESCRIPTION);
  const measure = outputMeasure(floatCompiled, plainModule, made.samples, WATCH);
  const request = { rounding: "gptq", pairSafe: true, compact: true, bits: new Map<string, WeightBits>(), samples: made.samples } as const;
  const choose = (judge: (graph: Graph) => Promise<number>, asked: Parameters<typeof chooseRounding>[4] = request) =>
    chooseRounding(
      made.float,
      made.int8,
      floatCompiled,
      plainModule,
      asked,
      async (graph) => ({ floatDb: await judge(graph), originalDb: originalDb(graph) }),
      WATCH,
    );
  let originalDb = (_: Graph): number | null => null;
  const taken = (await choose((graph) => measure(compileGraph(graph, DESCRIPTION))))!;
  expect(taken.layers.length).toBe(6);
  expect(taken.afterDb).toBeGreaterThan(taken.beforeDb - 1.5);
  expect(taken.pairable).toBeGreaterThanOrEqual(2);
  const refused = (await choose(async (graph) => (graph === made.int8 ? 30 : 20)))!;
  expect([refused.graph === made.int8, refused.layers, refused.afterDb]).toEqual([true, [], 30]);
  originalDb = (graph) => (graph === made.int8 ? 10 : 9.95);
  const besidePruning = (await choose(async (graph) => (graph === made.int8 ? 30 : 20)))!;
  expect([besidePruning.layers.length, besidePruning.beforeDb, besidePruning.afterDb]).toEqual([6, 30, 20]);
  originalDb = (graph) => (graph === made.int8 ? 10 : 9.5);
  expect((await choose(async (graph) => (graph === made.int8 ? 30 : 20)))!.layers).toEqual([]);
  originalDb = () => null;
  expect(await choose(async () => 0, { ...request, rounding: "nearest", pairSafe: false })).toBeNull();
  const judged: Graph[] = [];
  const second = (await choose(async (graph) => {
    judged.push(graph);
    return judged.length === 2 ? 20 : 30;
  }))!;
  expect(judged).toHaveLength(3);
  expect(second.graph).toBe(judged[2]);
  const { graph: plain } = await refit(made, true);
  for (const { name } of second.layers) expect(weightsOf(second.graph, name)).toEqual(weightsOf(plain, name));
});

test("samples that walk side by side see what each sees alone", async () => {
  const { float, samples } = await make(3);
  const compiled = compileGraph(float, DESCRIPTION);
  const walk = new SampleWalk(compiled, plainModule, samples);
  const runner = new GraphRunner(compiled, plainModule);
  const { address, shape, readyAfter } = compiled.observables.get("s")!;
  const bytes = shape.reduce((a, b) => a * b, 1) * 4;
  const seen: Uint8Array[] = [];
  await walk.advanceTo(2, () => {}, WATCH.pause);
  await walk.advanceTo(readyAfter, (i, view) => (seen[i] = view(address, bytes).slice()), WATCH.pause);
  samples.forEach((sample, i) => {
    runner.begin(sample);
    runner.advanceTo("s");
    const alone = runner.value("s") as Float32Array;
    expect([...new Float32Array(seen[i]!.buffer)]).toEqual([...alone]);
  });
  await expect(walk.advanceTo(1, () => {}, WATCH.pause)).rejects.toThrow("walk back");
  walk.dispose();
  runner.dispose();
});

test("where so much noise does not matter weights have fewer levels, and are pair-safe by that", async () => {
  const { float, int8, samples } = await make();
  const compiled = compileGraph(float, DESCRIPTION);
  for (const allowed of [1e-2, 5e-2]) {
    const graph = cloneGraph(int8);
    const negligible = new Map(float.nodes.map(({ name }) => [name, allowed]));
    const layers = await refitWeights(
      float,
      graph,
      compiled,
      plainModule,
      samples,
      { bits: new Map(), pairSafe: true, compact: false, negligible },
      WATCH,
    );
    expect(layers).toHaveLength(6);
    for (const { name, noise, isPairable, isPairSafe } of layers) {
      const node = graph.nodes.find((each) => each.name === name)!;
      const values = requiredInput(requiredInput(node, 1).producer!, 0).constant!.data as Int8Array;
      expect(values.every((q) => Math.abs(q) <= 63)).toBe(true);
      expect(noise).toBeLessThanOrEqual(allowed);
      expect(isPairSafe).toBe(isPairable);
    }
  }
});
