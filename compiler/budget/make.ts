/** Makes the model of an allocation, and says what it takes and what it is worth. */
import type { Scanner } from "../../host/scanner.ts";
import { finishFile } from "../emit/finish.ts";
import type { Graph } from "../ir/graph.ts";
import type { CompileOptions } from "../options.ts";
import { type Observed, observeGraph, type Quantized, quantizeGraph, watches } from "../pipeline.ts";
import type { WeightPattern } from "../prune/pattern.ts";
import { type PrunedLayer, pruneGraph } from "../prune/prune-graph.ts";
import { compareQuantized } from "../quantize/compare.ts";
import type { WeightBits } from "../quantize/weight-bits.ts";
import { storedWeights, zerosOf } from "../report/layer-weights.ts";
import { macsOf } from "../report/macs.ts";
import type { Amounts } from "./allocations.ts";
import type { HeldOut, Verdict } from "./held-out.ts";
import type { StepClock } from "./step-clock.ts";

/** What each layer is to be. */
export interface Recipe {
  readonly bits: ReadonlyMap<string, WeightBits>;
  /** Layers that are pruned, and the parts of their weights that go. */
  readonly sparsities: ReadonlyMap<string, number>;
}

/** A model. */
export interface Model {
  readonly quantized: Quantized;
  /** Layers of which weights are gone. */
  readonly prunedLayers: readonly PrunedLayer[];
  readonly amounts: Amounts;
  readonly verdict: Verdict;
}

/** What all models are made from. */
export interface Source {
  readonly float: Graph;
  readonly observed: Observed;
  readonly heldOut: HeldOut;
  readonly pattern: WeightPattern;
  readonly options: CompileOptions;
  /** Where time is limited. */
  readonly clock: StepClock | null;
}

/** How many of so many samples are held out: every third, and 32 at least. */
export function heldOutOf(samples: number): number {
  return Math.max(32, Math.floor(samples / 3));
}

/** Makes one model. Its agreement is that with the float32 graph before pruning. */
export async function makeModel(
  { float, observed, heldOut, pattern, options, clock }: Source,
  { bits, sparsities }: Recipe,
  module: WebAssembly.Module,
  scanner: Scanner,
): Promise<Model> {
  const { onProgress: _, ...quiet } = options;
  const { pause, watch } = watches(quiet);
  let quantized: Quantized;
  let prunedLayers: readonly PrunedLayer[] = [];
  if (sparsities.size > 0) {
    const rule = { pattern, criterion: options.criterion ?? "obc", sparsityOf: (layer: string) => sparsities.get(layer) ?? 0 };
    const { graph, layers } = await pruneGraph(float, observed.floatCompiled, module, observed.fitted, rule, watch("prune"));
    const seen = await observeGraph(graph, module, { ...quiet, calibration: observed.samples }, heldOutOf);
    const beside = { ...seen, original: observed.floatCompiled };
    const made = await quantizeGraph(graph, module, { ...quiet, force: true }, beside, bits);
    const comparison = await compareQuantized(observed.floatCompiled, made, module, observed.compared, watch("compare"));
    quantized = { ...made, comparison };
    prunedLayers = layers;
  } else quantized = await quantizeGraph(float, module, { ...quiet, force: true }, observed, bits);
  const { histograms } = quantized.calibration;
  const { bytes } = finishFile(quantized.compiled.program, module, scanner, options, (name) => {
    const seen = histograms.get(name);
    return seen ? { low: seen.min, high: seen.max } : null;
  });
  const times = clock ? await clock.msOf(quantized.compiled, pause) : [];
  const latencyMs = times.reduce((sum, ms) => sum + ms, 0);
  return {
    quantized,
    prunedLayers,
    amounts: { bytes: bytes.length, macs: usedMacs(quantized.graph), latencyMs },
    verdict: await heldOut.judge(quantized.graph),
  };
}

/** Multiply-accumulates by weights that are not zero; all of those of products of two activations. */
export function usedMacs(graph: Graph): number {
  return graph.nodes.reduce((sum, node) => {
    const macs = macsOf(node);
    if (macs === 0) return sum;
    const weights = storedWeights(node);
    return sum + (weights ? Math.round((macs * (weights.length - zerosOf(weights))) / weights.length) : macs);
  }, 0);
}
