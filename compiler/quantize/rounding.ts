/**
 * Chooses how a model's weights are rounded: anew for what the outputs lose least by (refit.ts), pair-safe if possible, where the outputs of
 * samples that took no part in it agree with the float32 model as well as those of rounding to nearest; else whatever agrees best.
 */
import { cloneGraph } from "../ir/clone.ts";
import type { Graph } from "../ir/graph.ts";
import type { Compiled } from "../run/graph-runner.ts";
import type { Sample, Watch } from "./calibrate.ts";
import { type RefittedLayer, refitWeights } from "./refit.ts";
import type { WeightBits } from "./weight-bits.ts";

/** The agreement of the outputs (output-measure.ts) may fall by this much, in dB; without samples to fit to by so much more. */
const ALLOWED_LOSS_DB = 0.5;
const ALLOWED_BLIND_LOSS_DB = 1;
/** What was asked for. */
export interface RoundingRequest {
  readonly rounding: "gptq" | "nearest";
  readonly pairSafe: boolean;
  readonly bits: ReadonlyMap<string, WeightBits>;
  /** Samples to fit to; none where they are synthesised. */
  readonly samples: readonly Sample[];
}

/** What was done. */
export interface RoundingChoice {
  readonly graph: Graph;
  /** Layers that were rounded anew; empty where to nearest was as good. */
  readonly layers: readonly RefittedLayer[];
  /** Layers whose weights could be pair-safe by their shape. */
  readonly pairable: number;
  /** Agreement of the outputs with weights rounded to nearest, and as they are now. */
  readonly beforeDb: number;
  readonly afterDb: number;
}

/** Rounds the weights of `graph`, which stays as it is. `measure` gives the agreement of a graph's outputs, in dB. Null: nothing to do. */
export async function chooseRounding(
  float: Graph,
  graph: Graph,
  floatCompiled: Compiled,
  module: WebAssembly.Module,
  { rounding, pairSafe, bits, samples }: RoundingRequest,
  measure: (graph: Graph) => Promise<number>,
  watch: Watch,
): Promise<RoundingChoice | null> {
  const fitted = rounding === "gptq" ? samples : [];
  if (fitted.length === 0 && !pairSafe) return null;
  const refit = async (pairs: boolean): Promise<RoundingChoice> => {
    const refitted = cloneGraph(graph);
    const layers = await refitWeights(float, refitted, floatCompiled, module, fitted, { bits, pairSafe: pairs }, watch);
    const pairable = layers.filter(({ isPairable }) => isPairable).length;
    return { graph: refitted, layers, pairable, beforeDb, afterDb: await measure(refitted) };
  };
  const beforeDb = await measure(graph);
  const first = await refit(pairSafe);
  if (first.layers.length === 0) return null;
  if (first.afterDb >= beforeDb - (fitted.length > 0 ? ALLOWED_LOSS_DB : ALLOWED_BLIND_LOSS_DB)) return first;
  const nearest = { graph, layers: [], pairable: first.pairable, beforeDb, afterDb: beforeDb };
  const candidates = [nearest, ...(pairSafe && fitted.length > 0 ? [await refit(false)] : [])];
  return candidates.reduce((best, candidate) => (candidate.afterDb > best.afterDb ? candidate : best), nearest);
}
