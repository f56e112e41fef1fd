/**
 * The whole compiler on one page: from ONNX bytes to a program, and what was learnt on the way.
 *
 *   bytes ─ import ─▶ graph ─ optimize ─ (prune) ─▶ float graph ─┬─ (float32) ──────────────────────────────────▶ lower, plan
 *                                                                └─ calibrate ─ insert Q/DQ ─ correct biases ─ compare ─▶ lower, plan
 */
import type { Metadata } from "../host/metadata.ts";
import { type Binding, bindingsOf } from "./bindings.ts";
import type { Crew } from "./crew/crew.ts";
import { CompileError } from "./errors.ts";
import { createPause, type Pause } from "./event-loop.ts";
import { cloneGraph } from "./ir/clone.ts";
import type { Graph, Node } from "./ir/graph.ts";
import { type ImportedModel, importModel } from "./onnx/import.ts";
import { type CompileOptions, DEFAULT_MIN_SQNR_DB, DEFAULT_PRECISION, DEFAULT_TARGET_SQNR_DB } from "./options.ts";
import { optimize } from "./passes/index.ts";
import { findFaults } from "./passes/infer-shapes.ts";
import { correctBiases } from "./quantize/bias-correction.ts";
import { type Calibration, calibrate, rangesOf, type Sample, type Watch } from "./quantize/calibrate.ts";
import { type Comparison, compareModels } from "./quantize/compare.ts";
import { insertQuantization, type QuantizedForm } from "./quantize/insert.ts";
import { type Mixed, mixPrecisions } from "./quantize/mix-precisions.ts";
import { leastSqnrDb, outputMeasure } from "./quantize/output-measure.ts";
import { chooseRounding, type RoundingChoice } from "./quantize/rounding.ts";
import { int8Nodes } from "./quantize/scope.ts";
import { synthesise } from "./quantize/synthesise.ts";
import { chooseWeightBits, type WeightBits } from "./quantize/weight-bits.ts";
import { workingNodes } from "./quantize/working-nodes.ts";
import type { Report } from "./report/report.ts";
import { type Compiled, compileFused, compileGraph, GraphRunner } from "./run/graph-runner.ts";
import { type Latency, measureLatency } from "./run/latency.ts";

/** A quantized graph with what it was made from. */
export interface Quantized {
  readonly graph: Graph;
  /** As it ships: fused. */
  readonly compiled: Compiled;
  readonly parameters: ReadonlyMap<string, QuantizedForm>;
  /** Bits of layers of fewer than eight, by the node's name. */
  readonly weightBits: ReadonlyMap<string, WeightBits>;
  readonly calibration: Calibration;
  readonly synthetic: boolean;
  readonly comparison: Comparison;
  readonly biasCorrection: Report["biasCorrection"];
  readonly rounding: RoundingChoice | null;
  readonly mixed: Mixed | null;
  readonly latency: Latency;
}

/** Samples to compare the int8 model with the float32 one on. */
const COMPARED_SAMPLES = 32;
/** How far the outputs' noise of int8 is to be below that of pruning, in dB: adding a tenth to what is lost anyway is not worth a node in float32. */
const BESIDE_PRUNING_DB = 10;
/** Samples that are kept at all, and their bytes. */
const KEPT_SAMPLES = 256;
const KEPT_BYTES = 256e6;

/** Reads a model and optimises its graph, for one set of sizes of its dynamic dimensions: the first one unless said. */
export function importGraph(
  bytes: Uint8Array,
  options: CompileOptions,
  shapes: Binding = bindingsOf(options.shapes)[0],
): { readonly graph: Graph; readonly metadata: ImportedModel["metadata"] } {
  const { graph, metadata } = importModel(bytes, {
    findFaults,
    shapes,
    ...(options.externalData && { externalData: options.externalData }),
    ...(options.constants && { constants: options.constants }),
  });
  optimize(graph, options.precision !== "float32");
  return { graph, metadata };
}

/** What the file's metadata say beside ports and steps. */
export function describe(
  graph: Graph,
  options: CompileOptions,
  provenance: Metadata["provenance"],
): Omit<Metadata, "inputs" | "outputs" | "steps"> {
  return {
    producer: `${PRODUCER.name} ${PRODUCER.version}`,
    name: graph.name,
    ...(options.preprocess && { preprocess: options.preprocess }),
    ...(options.labels && { labels: options.labels }),
    ...(provenance && { provenance }),
  };
}

/** Written into every file. */
export const PRODUCER = { name: "eqm", version: "0.1.0" } as const;

/** What the float32 model showed on the samples, and those that are kept. */
export interface Observed {
  readonly floatCompiled: Compiled;
  readonly calibration: Calibration;
  readonly synthetic: boolean;
  /** The model before it was pruned; null where it was not. */
  readonly original: Compiled | null;
  /** Noise that rounding may add to a layer's result, as a part of that, since pruning cost more; by the name of its node. */
  readonly negligible: ReadonlyMap<string, number>;
  /** Those that are kept, in their order. */
  readonly samples: readonly Sample[];
  /** Samples that choices are judged by, and those that weights and biases are fitted to. */
  readonly compared: readonly Sample[];
  readonly fitted: readonly Sample[];
}

/** Runs the samples through a float32 graph. `comparedOf` says by how many of so many samples choices are judged. */
export async function observeGraph(
  float: Graph,
  module: WebAssembly.Module,
  options: CompileOptions,
  comparedOf: (samples: number) => number = () => COMPARED_SAMPLES,
): Promise<Observed> {
  keptNames(float, options.keepFloat ?? []);
  const { pause, watch } = watches(options);
  await pause();
  const description = describe(float, options, undefined);
  const floatCompiled = compileGraph(float, description);
  const synthetic = options.calibration === undefined;
  const seen: Sample[] = [];
  const samples = keep(options.calibration ?? synthesise(float, options.preprocess), seen);
  const calibration = await calibrate(floatCompiled, module, samples, float, watch("calibrate"));
  return {
    floatCompiled,
    calibration,
    synthetic,
    original: null,
    negligible: new Map(),
    samples: seen,
    ...divide(seen, comparedOf(seen.length)),
  };
}

/**
 * Quantizes a float32 graph. `given` says how many bits which layers have; by default it follows from `options.weights`. Throws `below-floor`
 * where the outputs are noise, unless forced.
 */
export async function quantizeGraph(
  float: Graph,
  module: WebAssembly.Module,
  options: CompileOptions,
  observed?: Observed,
  given?: ReadonlyMap<string, WeightBits>,
): Promise<Quantized> {
  const seen = observed ?? (await observeGraph(float, module, options));
  const { pause } = watches(options);
  const plain = await quantizeOnce(float, module, options, seen, new Set(), true, given);
  const isMixed = (options.precision ?? DEFAULT_PRECISION) === "mixed" && given === undefined;
  const { taken, mixed: mixture } = isMixed ? await mixed(float, module, options, seen, plain) : { taken: plain, mixed: null };
  const floor = options.minSqnrDb ?? DEFAULT_MIN_SQNR_DB;
  if (!options.force && worstOutput(taken.comparison) < floor) throw belowFloor(float, taken.comparison, floor, seen.synthetic);
  await pause();
  const description = describe(float, options, undefined);
  const compiled = compileFused(taken.graph, description);
  const latency = measure(compileFused(float, description), compiled, module, seen.compared[0]!);
  const { calibration, synthetic } = seen;
  return { ...taken, compiled, calibration, synthetic, mixed: mixture, latency };
}

/** A graph quantized and judged. */
type Attempt = Pick<Quantized, "graph" | "parameters" | "weightBits" | "comparison" | "biasCorrection" | "rounding">;

/** Moves nodes to float32 where the outputs of `plain` are too far from the float32 model's. */
async function mixed(
  float: Graph,
  module: WebAssembly.Module,
  options: CompileOptions,
  observed: Observed,
  plain: Attempt,
): Promise<{ readonly taken: Attempt; readonly mixed: Mixed }> {
  const { floatCompiled, original, calibration, synthetic, compared, fitted } = observed;
  const { pause, watch } = watches(options);
  const ranges = rangesOf(calibration, options.observer ?? "mse");
  const working = workingNodes(float, keptNames(float, options.keepFloat ?? []), new Set(), ranges);
  // Of synthesised inputs nothing but the floor is known, and weights of few bits are meant to cost something.
  const isFloor = options.targetSqnrDb === undefined && (synthetic || (options.weights ?? 8) < 8);
  const floorDb = options.minSqnrDb ?? DEFAULT_MIN_SQNR_DB;
  let goalDb = isFloor ? floorDb : (options.targetSqnrDb ?? DEFAULT_TARGET_SQNR_DB);
  if (original && options.targetSqnrDb === undefined) {
    const prunedDb = await outputMeasure(original, module, compared, watch("mix precisions"), leastSqnrDb)(floatCompiled);
    goalDb = Math.max(floorDb, Math.min(goalDb, prunedDb + BESIDE_PRUNING_DB));
  }
  return mixPrecisions(
    { float, floatCompiled, module, working, parameters: plain.parameters, goalDb, compared, fitted },
    plain,
    (moved) => insertAll(float, calibration, options, plain.weightBits, moved).graph,
    (moved, compact) => quantizeOnce(float, module, options, observed, moved, compact),
    { ...watch("mix precisions"), pause },
  );
}

/**
 * Puts Q/DQ around all that works in int8, weights rounded to the nearest. `given`: bits of layers of fewer than eight; `moved`: first outputs of
 * nodes that stay in float32 nevertheless.
 */
export function insertAll(
  float: Graph,
  calibration: Calibration,
  options: CompileOptions,
  given?: ReadonlyMap<string, WeightBits>,
  moved: ReadonlySet<string> = new Set(),
): { readonly graph: Graph; readonly parameters: Quantized["parameters"]; readonly bits: Quantized["weightBits"] } {
  const graph = cloneGraph(float);
  const kept = keptNames(float, options.keepFloat ?? []);
  const ranges = rangesOf(calibration, options.observer ?? "mse");
  const isMixed = (options.precision ?? DEFAULT_PRECISION) === "mixed";
  const nodes = isMixed ? workingNodes(graph, kept, moved, ranges).nodes : int8Nodes(graph, kept);
  const bits = given ?? chooseWeightBits(graph, nodes, options.weights ?? 8);
  return { graph, parameters: insertQuantization(graph, nodes, ranges, bits), bits };
}

/** Quantizes a copy of `float`, rounds its weights, corrects its biases and compares it. */
async function quantizeOnce(
  float: Graph,
  module: WebAssembly.Module,
  options: CompileOptions,
  observed: Observed,
  moved: ReadonlySet<string>,
  compact: boolean,
  given?: ReadonlyMap<string, WeightBits>,
): Promise<Attempt> {
  const { floatCompiled, original, synthetic, compared, fitted, negligible } = observed;
  const { pause, watch } = watches(options);
  await pause();
  const { graph: inserted, parameters, bits } = insertAll(float, observed.calibration, options, given, moved);
  const compile = async (candidate: Graph): Promise<Compiled> => {
    await pause();
    return compileGraph(candidate, floatCompiled.program.metadata);
  };
  const compare = (candidate: Compiled): Promise<Comparison> =>
    compareModels(floatCompiled, candidate, module, compared, parameters, watch("compare"));
  const toFloat = outputMeasure(floatCompiled, module, compared, watch("round weights"));
  const toOriginal = original && outputMeasure(original, module, compared, watch("round weights"));
  const rounding = await chooseRounding(
    float,
    inserted,
    floatCompiled,
    module,
    {
      rounding: options.rounding ?? "gptq",
      pairSafe: options.pairSafe ?? true,
      compact,
      bits,
      groupSize: options.groupSize,
      negligible,
      samples: synthetic ? [] : fitted,
    },
    async (candidate) => {
      const compiled = await compile(candidate);
      return { floatDb: await toFloat(compiled), originalDb: toOriginal && (await toOriginal(compiled)) };
    },
    watch("round weights"),
  );
  const graph = rounding?.graph ?? inserted;
  let best = { graph, compiled: await compile(graph) };
  let comparison = await compare(best.compiled);
  let biasCorrection: Quantized["biasCorrection"] = null;
  if (options.biasCorrection ?? true) {
    const corrected = cloneGraph(graph);
    const { layers, corrected: improved } = await correctBiases(
      corrected,
      floatCompiled,
      best.compiled,
      module,
      fitted.slice(0, COMPARED_SAMPLES),
      parameters,
      watch("correct biases"),
    );
    if (improved > 0) {
      const candidate = { graph: corrected, compiled: await compile(corrected) };
      const after = await compare(candidate.compiled);
      const [beforeDb, afterDb] = [worstOutput(comparison), worstOutput(after)];
      const isBetter = afterDb > beforeDb;
      biasCorrection = { layers, corrected: improved, kept: isBetter, beforeDb, afterDb };
      if (isBetter) {
        best = candidate;
        comparison = after;
      }
    }
  }
  return { graph: best.graph, parameters, weightBits: bits, comparison, biasCorrection, rounding };
}

/** Options, and who works. */
export interface CrewedOptions extends CompileOptions {
  readonly crew?: Crew;
}

/** Progress by phase, turns of the event loop, and who works. */
export function watches(options: CrewedOptions): { readonly pause: Pause; readonly watch: (phase: string) => Watch } {
  const pause = createPause(options.signal);
  return {
    pause,
    watch: (phase) => ({ pause, step: (done, total) => options.onProgress?.({ phase, done, total }), crew: options.crew }),
  };
}

function measure(float: Compiled, int8: Compiled, module: WebAssembly.Module, sample: Sample): Latency {
  const runners = [new GraphRunner(float, module), new GraphRunner(int8, module)] as const;
  try {
    return measureLatency(...runners, sample);
  } finally {
    for (const runner of runners) runner.dispose();
  }
}

/** The least SQNR of the outputs, in dB. */
export function worstOutput(comparison: Comparison): number {
  return Math.min(...comparison.outputs.map(({ sqnrDb }) => sqnrDb));
}

/** Passes samples on and keeps the first ones. */
async function* keep(samples: Iterable<Sample> | AsyncIterable<Sample>, into: Sample[]): AsyncGenerator<Sample> {
  let bytes = 0;
  for await (const sample of samples) {
    for (const { data } of Object.values(sample)) bytes += data.byteLength;
    if (into.length < KEPT_SAMPLES && (into.length === 0 || bytes <= KEPT_BYTES)) into.push(sample);
    yield sample;
  }
}

/** Divides samples into those that choices are judged by and those that weights and biases are fitted to; few samples serve both ends. */
function divide(samples: readonly Sample[], judging: number): { readonly compared: readonly Sample[]; readonly fitted: readonly Sample[] } {
  if (samples.length < 2 * judging) return { compared: samples.slice(0, judging), fitted: samples };
  const every = Math.floor(samples.length / judging);
  const isCompared = (i: number): boolean => i % every === 0 && i < every * judging;
  return { compared: samples.filter((_, i) => isCompared(i)), fitted: samples.filter((_, i) => !isCompared(i)) };
}

/** The names in `keepFloat`, "first" and "last" resolved. Throws `unknown-node` for a name that no node has. */
export function keptNames(graph: Graph, keepFloat: readonly string[]): ReadonlySet<string> {
  const layers = graph.nodes.filter(({ op }) => op === "Conv" || op === "Gemm" || op === "MatMul");
  const names = new Set<string>();
  for (const name of keepFloat) {
    const node: Node | undefined =
      name === "first"
        ? layers[0]
        : name === "last"
          ? layers[layers.length - 1]
          : (graph.nodes.find((n) => n.name === name) ?? [...layers, ...graph.nodes].find((n) => n.sources.includes(name)));
    if (!node) {
      throw new CompileError(
        "unknown-node",
        `No node is named "${name}". Layers with weights are: ${layers.map((n) => n.name).join(", ")}.`,
        { name, layers: layers.map((n) => n.name) },
        "usage",
      );
    }
    names.add(node.name);
  }
  return names;
}

/** Names the worst values by the nodes that compute them, which is what `keepFloat` takes; inputs have none. */
function belowFloor(float: Graph, { outputs, values }: Comparison, floor: number, synthetic: boolean): CompileError {
  const producers = new Map(float.nodes.flatMap((node) => node.outputs.map((value) => [value.name, node.name] as const)));
  const worst = [...values]
    .sort((a, b) => a.sqnrDb - b.sqnrDb)
    .slice(0, 5)
    .map((value) => ({ ...value, layer: producers.get(value.name) ?? null }));
  const noisy = outputs.filter(({ sqnrDb }) => sqnrDb < floor).map(({ name, sqnrDb }) => `${name} ${sqnrDb.toFixed(1)} dB`);
  const data = synthetic ? " It was calibrated on synthesised inputs: give real ones with --calibrate." : "";
  return new CompileError(
    "below-floor",
    `The int8 model is too far from the float32 one: ${noisy.join(", ")}, the floor is ${floor} dB.${data}\nWorst layers: ${worst
      .map(({ name, layer, sqnrDb }) => `${layer ?? `the input ${name}`} ${sqnrDb.toFixed(1)} dB`)
      .join(
        ", ",
      )}.\nLeave them in float32 with --keep-float, lower the floor with --min-sqnr, or write the file nevertheless with --force.`,
    { floor, outputs: [...outputs], worst },
    "quality",
  );
}
