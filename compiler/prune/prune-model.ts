/** Prunes an imported model as the options ask, before anything is quantized. */
import { CompileError } from "../errors.ts";
import type { Graph } from "../ir/graph.ts";
import { type CompileOptions, isPruned } from "../options.ts";
import { keptNames, type Observed, observeGraph, type Quantized, watches } from "../pipeline.ts";
import type { Sample, Watch } from "../quantize/calibrate.ts";
import { type Comparison, compareModels, compareQuantized } from "../quantize/compare.ts";
import { innerLayers } from "../quantize/weight-bits.ts";
import type { Report } from "../report/report.ts";
import { type Decisions, decisionsOf, distance } from "../run/decisions.ts";
import { type Compiled, compileGraph } from "../run/graph-runner.ts";
import { allocateSparsity } from "./allocation.ts";
import { channelLosses } from "./channel-importance.ts";
import { pruneChannels, pruneChannelsTo } from "./channel-pruning.ts";
import { fitChannels } from "./fit-channels.ts";
import { masksOf, type PruningMask, type PruningMasks, resolveMasks } from "./masks.ts";
import { type Criterion, shapeOf, type WeightPattern } from "./pattern.ts";
import { lossCurves, type Pruned, pruneGraph, type Trial } from "./prune-graph.ts";
import { pruningSchedule } from "./schedule.ts";

/** Noise of rounding that does not matter, as a part of what pruning took from a layer's result. */
const NEGLIGIBLE = 1 / 32;

/** What pruning led to. */
export interface PruningFindings {
  readonly pruning: NonNullable<Report["pruning"]>;
  readonly prunedLayers: Pruned["layers"];
  readonly values: Comparison["values"];
}

/** A pruned model, and what follows from that. */
export interface PrunedModel {
  readonly graph: Graph;
  /** What stays of the layers that were pruned; of none where channels were cut out. */
  readonly masks: PruningMasks;
  /** Options to go on with: the samples have been read. */
  readonly further: CompileOptions;
  /** The pruned graph on the samples, with what rounding may cost beside what pruning did. */
  observe(): Promise<Observed>;
  /** What there is to report once the model is compiled, with the agreement of the values of a quantized one with those of the model as it came. */
  report(compiled: Compiled, quantized: Quantized | null): Promise<PruningFindings>;
}

/**
 * Prunes a model. Of channels those go that the layers which read them lose least without, until about that part of the multiply-accumulates is gone, or no more
 * are left than `target.macs`.
 * Weights are removed from every layer that has layers before and behind it and is not depthwise: those at the ends and depthwise ones have few
 * weights, and lose much. Null where nothing is to be pruned. Throws `unknown-node`, `not-finite`, `budget-unmet`.
 */
export async function pruneModel(float: Graph, module: WebAssembly.Module, options: CompileOptions): Promise<PrunedModel | null> {
  const { prune = 0, pruneSteps: steps = 1, pattern = "block", criterion = "obc", reconstruction = "least-squares" } = options;
  if (!isPruned(options)) return null;
  const masks = resolveMasks(float, options.masks ?? {});
  const excluded = keptNames(float, options.exclude ?? []);
  const { floatCompiled, synthetic, samples, compared, fitted } = await observeGraph(float, module, options);
  const { watch } = watches(options);
  const used = synthetic || reconstruction === "none" ? [] : fitted;
  const { graph, layers, channels } =
    pattern === "channel"
      ? await cutChannels(float, floatCompiled, module, used, { fraction: prune, criterion, excluded, options }, watch)
      : {
          ...(await pruneInRounds(
            float,
            floatCompiled,
            module,
            { fitted: used, compared },
            { fraction: prune, steps, pattern, criterion, excluded, masks },
            watch,
          )),
          channels: null,
        };
  const fraction = options.prune ?? (channels ? 1 - channels.macsAfter / channels.macsBefore : zerosOf(layers));
  const further = synthetic ? options : { ...options, calibration: samples };
  return {
    graph,
    masks: masksOf(
      graph,
      layers.map(({ name }) => name),
    ),
    further,
    async observe() {
      const observed = await observeGraph(graph, module, further);
      return {
        ...observed,
        original: floatCompiled,
        negligible: new Map(layers.map(({ name, loss }) => [name, (loss ?? 0) * NEGLIGIBLE])),
      };
    },
    async report(compiled, quantized) {
      const { outputs, values } = quantized
        ? await compareQuantized(floatCompiled, quantized, module, compared, watch("compare"))
        : await compareModels(floatCompiled, compiled, module, compared, new Map(), watch("compare"));
      return { pruning: { fraction, pattern, criterion, layers, channels, outputs }, prunedLayers: layers, values };
    },
  };
}

interface Request {
  readonly fraction: number;
  readonly criterion: Criterion;
  readonly excluded: ReadonlySet<string>;
}

interface WeightRequest extends Request {
  readonly pattern: WeightPattern;
  readonly masks: ReadonlyMap<string, PruningMask>;
}

/** Samples that weights are fitted to, and those that choices are judged by. */
type Divided = Pick<Observed, "fitted" | "compared">;

/** Prunes by more in each round, from what the round before left fitted: masks only grow. */
async function pruneInRounds(
  float: Graph,
  compiled: Compiled,
  module: WebAssembly.Module,
  samples: Divided,
  { fraction, steps, ...request }: WeightRequest & { readonly steps: number },
  watch: (phase: string) => Watch,
): Promise<Pruned> {
  const [first, ...more] = pruningSchedule({ to: fraction, steps }) as [number, ...number[]];
  let pruned = await pruneWeights(float, compiled, module, samples, { ...request, fraction: first }, watch);
  for (const next of more) {
    const names = pruned.layers.map(({ name }) => name);
    const masks = resolveMasks(pruned.graph, masksOf(pruned.graph, names));
    const from = compileGraph(pruned.graph, compiled.program.metadata);
    pruned = await pruneWeights(pruned.graph, from, module, samples, { ...request, masks, fraction: next }, watch);
  }
  return pruned;
}

/** The part of all weights of these layers that is 0. */
function zerosOf(layers: Pruned["layers"]): number {
  const sum = (key: "weights" | "zeros"): number => layers.reduce((total, layer) => total + layer[key], 0);
  return sum("zeros") / Math.max(1, sum("weights"));
}

async function pruneWeights(
  float: Graph,
  compiled: Compiled,
  module: WebAssembly.Module,
  samples: Divided,
  { fraction, pattern, criterion, excluded, masks }: WeightRequest,
  watch: (phase: string) => Watch,
): Promise<Pruned> {
  const chosen = new Set(innerLayers(float, float.nodes).flatMap(({ name }) => (excluded.has(name) ? [] : [name])));
  const sparsities =
    fraction > 0 && criterion === "obc" && !shapeOf(pattern, fraction).groups
      ? await sharedOut(float, compiled, module, samples, { fraction, pattern, chosen }, watch("weigh layers"))
      : new Map([...chosen].map((name) => [name, fraction]));
  const sparsityOf = (layer: string): number => sparsities.get(layer) ?? 0;
  return pruneGraph(float, compiled, module, samples.fitted, { pattern, criterion, sparsityOf, masks }, watch("prune"));
}

/** The sparsity of each layer by what the outputs lose by it, on samples that it is not fitted to. */
async function sharedOut(
  float: Graph,
  compiled: Compiled,
  module: WebAssembly.Module,
  { fitted, compared }: Divided,
  { fraction, pattern, chosen }: { readonly fraction: number; readonly pattern: WeightPattern; readonly chosen: ReadonlySet<string> },
  watch: Watch,
): Promise<ReadonlyMap<string, number>> {
  const outputsOf = async (graph: Graph): Promise<Decisions> =>
    (await decisionsOf(graph, compiled.program.metadata, module, compared, watch.pause)).decisions;
  const expected = await outputsOf(float);
  const trial: Trial = async (graph) => distance(expected, await outputsOf(graph));
  const curves = await lossCurves(float, compiled, module, fitted, pattern, (layer) => chosen.has(layer), watch, trial);
  const weightsOf = new Map(float.nodes.map((node) => [node.name, node.inputs[1]?.constant?.data.length ?? 0]));
  return allocateSparsity(
    [...curves].map(([name, curve]) => ({ name, curve, weights: weightsOf.get(name)! })),
    fraction,
  );
}

async function cutChannels(
  float: Graph,
  compiled: Compiled,
  module: WebAssembly.Module,
  samples: readonly Sample[],
  { fraction, criterion, excluded, options }: Request & { readonly options: CompileOptions },
  watch: (phase: string) => Watch,
): Promise<Pruned & Pick<NonNullable<Report["pruning"]>, "channels">> {
  const importance =
    criterion === "obc" ? await channelLosses(float, compiled, module, samples, excluded, watch("weigh channels")) : undefined;
  const mostMacs = options.target?.macs;
  const { families, held, macsBefore, macsAfter, isRemoved } =
    mostMacs === undefined ? pruneChannels(float, fraction, excluded, importance) : pruneChannelsTo(float, mostMacs, excluded, importance);
  if (mostMacs !== undefined && macsAfter > mostMacs && !options.force) throw budgetUnmet(mostMacs, macsAfter);
  const graph = await fitChannels(float, compiled, module, samples, isRemoved, watch("prune"));
  return { graph, layers: [], channels: { families, held, macsBefore, macsAfter } };
}

function budgetUnmet(mostMacs: number, macs: number): CompileError {
  return new CompileError(
    "budget-unmet",
    `The budget cannot be met: ${macs} multiply-accumulates of ${mostMacs} are left with every channel gone that may go. Ask for less, or write that model nevertheless with --force.`,
    { target: { macs: mostMacs }, macs },
    "quality",
  );
}
