/** Prunes an imported model as the options ask, before anything is quantized. */
import type { Graph } from "../ir/graph.ts";
import type { CompileOptions } from "../options.ts";
import { keptNames, type Observed, observeGraph, watches } from "../pipeline.ts";
import { compareModels } from "../quantize/compare.ts";
import { innerLayers } from "../quantize/weight-bits.ts";
import type { Report } from "../report/report.ts";
import type { Compiled } from "../run/graph-runner.ts";
import { pruneGraph } from "./prune-graph.ts";

/** Noise of rounding that does not matter, as a part of what pruning took from a layer's result. */
const NEGLIGIBLE = 1 / 32;

/** A pruned model, and what follows from that. */
export interface PrunedModel {
  readonly graph: Graph;
  /** Options to go on with: the samples have been read. */
  readonly further: CompileOptions;
  /** The pruned graph on the samples, with what rounding may cost beside what pruning did. */
  observe(): Promise<Observed>;
  /** What there is to report once the model is compiled. */
  report(compiled: Compiled): Promise<NonNullable<Report["pruning"]>>;
}

/**
 * Prunes every layer that has layers before and behind it and is not depthwise by the same part of its weights: those at the ends and
 * depthwise ones have few weights, and lose much. Null where nothing is to be pruned. Throws `unknown-node`, `not-finite`.
 */
export async function pruneModel(float: Graph, module: WebAssembly.Module, options: CompileOptions): Promise<PrunedModel | null> {
  const { prune: fraction, pattern = "block", criterion = "obc" } = options;
  if (fraction === undefined) return null;
  const excluded = keptNames(float, options.exclude ?? []);
  const { floatCompiled, synthetic, samples, compared, fitted } = await observeGraph(float, module, options);
  const { watch } = watches(options);
  const chosen = new Set(innerLayers(float, float.nodes).flatMap(({ name }) => (excluded.has(name) ? [] : [name])));
  const sparsityOf = (layer: string): number => (chosen.has(layer) ? fraction : 0);
  const rule = { pattern, criterion, sparsityOf };
  const { graph, layers } = await pruneGraph(float, floatCompiled, module, synthetic ? [] : fitted, rule, watch("prune"));
  const further = synthetic ? options : { ...options, calibration: samples };
  return {
    graph,
    further,
    async observe() {
      const observed = await observeGraph(graph, module, further);
      return { ...observed, negligible: new Map(layers.map(({ name, loss }) => [name, (loss ?? 0) * NEGLIGIBLE])) };
    },
    async report(compiled) {
      const { outputs } = await compareModels(floatCompiled, compiled, module, compared, new Map(), watch("compare"));
      return { fraction, pattern, criterion, layers, outputs };
    },
  };
}
