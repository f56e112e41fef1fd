/** How long each layer takes in each of its forms, on this machine: whole models of one form are timed step by step. */
import type { Graph } from "../ir/graph.ts";
import type { CompileOptions } from "../options.ts";
import { describe, insertAll, type Observed } from "../pipeline.ts";
import { allows, type WeightPattern } from "../prune/pattern.ts";
import { pruneGraph } from "../prune/prune-graph.ts";
import type { Watch } from "../quantize/calibrate.ts";
import type { WeightBits } from "../quantize/weight-bits.ts";
import { compileFused } from "../run/graph-runner.ts";
import { SPARSITIES } from "./forms.ts";
import type { StepClock } from "./step-clock.ts";

/** Milliseconds of a layer. */
export type TimeOf = (layer: string, bits: WeightBits, sparsity: number) => number;

/** The widest weights that kernels of four bits multiply. */
const NARROW: WeightBits = 4;

/** What the models are made from. */
export interface TimesRequest {
  readonly float: Graph;
  /** The int8 graph of eight bits, pair-safe where it may be. */
  readonly dense: Graph;
  readonly observed: Observed;
  readonly pattern: WeightPattern;
  readonly options: CompileOptions;
  /** Layers that may be pruned. */
  readonly isInner: (layer: string) => boolean;
}

/** Times all forms. Which weights are zero is chosen by their magnitudes here: it is their number that the time depends on. */
export async function timeForms(request: TimesRequest, module: WebAssembly.Module, clock: StepClock, watch: Watch): Promise<TimeOf> {
  const { float, dense, observed, pattern, options, isInner } = request;
  const description = describe(float, options, undefined);
  const sparsities = SPARSITIES.filter((part) => allows(pattern, part));
  let done = 0;
  const timesOf = async (graph: Graph): Promise<ReadonlyMap<string, number>> => {
    const compiled = compileFused(graph, description);
    const times = await clock.msOf(compiled, watch.pause);
    const byLayer = new Map<string, number>();
    for (const [step, name] of compiled.stepNodes.entries()) if (name) byLayer.set(name, (byLayer.get(name) ?? 0) + times[step]!);
    watch.step(++done, 2 + sparsities.length);
    return byLayer;
  };
  const wide = await timesOf(dense);
  const narrow = await timesOf(
    insertAll(float, observed.calibration, options, new Map(float.nodes.map(({ name }) => [name, NARROW]))).graph,
  );
  const sparse = new Map<number, ReadonlyMap<string, number>>();
  for (const part of sparsities) {
    const rule = { pattern, criterion: "magnitude" as const, sparsityOf: (layer: string) => (isInner(layer) ? part : 0) };
    const quiet = { ...watch, step: () => {} };
    const { graph } = await pruneGraph(float, observed.floatCompiled, module, [], rule, quiet);
    sparse.set(part, await timesOf(insertAll(graph, observed.calibration, options, new Map()).graph));
  }
  return (layer, bits, sparsity) => {
    if (bits <= NARROW) return narrow.get(layer) ?? 0;
    return (sparsity > 0 ? sparse.get(sparsity)?.get(layer) : undefined) ?? wide.get(layer) ?? 0;
  };
}
