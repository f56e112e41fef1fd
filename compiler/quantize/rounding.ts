/**
 * Chooses how a model's weights are rounded: anew for what the outputs lose least by (refit.ts), run-safe or pair-safe if possible, where the outputs of
 * samples that took no part in it agree with the float32 model about as well as those of rounding to nearest; compact (refit.ts) if that holds of it, else not;
 * else to nearest. Of a pruned model it is enough that they agree as well with the model as it was before.
 */
import { cloneGraph } from "../ir/clone.ts";
import type { Graph } from "../ir/graph.ts";
import type { Compiled } from "../run/graph-runner.ts";
import type { Sample, Watch } from "./calibrate.ts";
import { type RefittedLayer, refitWeights } from "./refit.ts";
import type { WeightBits } from "./weight-bits.ts";

/** The agreement of the outputs (output-measure.ts) may fall by this much, in dB: on a few samples it is not known better than that. */
const ALLOWED_LOSS_DB = 1.5;
/** That of compact weights by so much more: about what their noise (SPARE_NOISE of refit.ts) comes to. */
const COMPACT_LOSS_DB = 1;
/** The agreement of a pruned model's outputs with those of the model before may fall by this much: rounding adds a tenth to the noise of pruning. */
const ALLOWED_LOSS_BESIDE_PRUNING_DB = 0.4;

/** How well outputs agree with those of the float32 model, and with those of the model before it was pruned, in dB; null where it was not. */
export interface Agreement {
  readonly floatDb: number;
  readonly originalDb: number | null;
}

/** What was asked for. */
export interface RoundingRequest {
  readonly rounding: "gptq" | "nearest";
  readonly pairSafe: boolean;
  readonly compact: boolean;
  readonly bits: ReadonlyMap<string, WeightBits>;
  /** As in RefitRule. */
  readonly groupSize?: number | undefined;
  readonly negligible?: ReadonlyMap<string, number>;
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
  /** Agreement of the outputs with the float32 model's, with weights rounded to nearest, and as they are now. */
  readonly beforeDb: number;
  readonly afterDb: number;
}

/** Rounds the weights of `graph`, which stays as it is. `measure` gives the agreement of a graph's outputs. Null: nothing to do. */
export async function chooseRounding(
  float: Graph,
  graph: Graph,
  floatCompiled: Compiled,
  module: WebAssembly.Module,
  { rounding, pairSafe, compact, bits, groupSize, negligible, samples }: RoundingRequest,
  measure: (graph: Graph) => Promise<Agreement>,
  watch: Watch,
): Promise<RoundingChoice | null> {
  const fitted = rounding === "gptq" ? samples : [];
  if (fitted.length === 0 && !pairSafe && groupSize === undefined) return null;
  const before = await measure(graph);
  let pairable = 0;
  for (const isCompact of compact ? [true, false] : [false]) {
    const refitted = cloneGraph(graph);
    const rule = { bits, groupSize, pairSafe, compact: isCompact, ...(negligible && { negligible }) };
    const layers = await refitWeights(float, refitted, floatCompiled, module, fitted, rule, watch);
    if (layers.length === 0) return null;
    pairable = layers.filter(({ isPairable }) => isPairable).length;
    const after = await measure(refitted);
    if (isAsGood(before, after, ALLOWED_LOSS_DB + (isCompact ? COMPACT_LOSS_DB : 0)))
      return { graph: refitted, layers, pairable, beforeDb: before.floatDb, afterDb: after.floatDb };
  }
  return { graph, layers: [], pairable, beforeDb: before.floatDb, afterDb: before.floatDb };
}

function isAsGood(before: Agreement, after: Agreement, lossDb: number): boolean {
  if (after.floatDb >= before.floatDb - lossDb) return true;
  if (before.originalDb === null || after.originalDb === null) return false;
  return after.originalDb >= before.originalDb - ALLOWED_LOSS_BESIDE_PRUNING_DB;
}
