/**
 * Mixed precision from beginning to end: is int8 good enough, what could move to float32 (candidates.ts), what of it is tried, and is the result,
 * rounded and corrected anew, what was wanted? If not, more is tried once.
 */

import type { Graph, Node } from "../ir/graph.ts";
import { macsOf } from "../report/macs.ts";
import { type Compiled, compileGraph } from "../run/graph-runner.ts";
import type { Sample, Watch } from "./calibrate.ts";
import { chooseMoves, findMoves, LEAST_GAIN_DB, movedBy, takeWeights } from "./candidates.ts";
import type { Move } from "./moves.ts";
import { leastSqnrDb, outputMeasure } from "./output-measure.ts";
import type { Parameters } from "./ranges.ts";
import type { Unsuited, Working } from "./working-nodes.ts";

/**
 * The search aims lower than the goal by this, in dB, but higher than what there is without any move by LEAST_GAIN_DB, and again higher where that was too
 * low: so often.
 */
const HEAD_START_DB = 2;
const ROUNDS = 2;
/** Beyond the goal by this, in dB, weights may be compact (refit.ts), which costs less. */
const COMPACT_DB = 1;
/** Multiply-accumulates that judging a model may take, where that is more than the samples kept for it. */
const JUDGING_MACS = 5e9;

/** What mixed precision came to. */
export interface Mixed {
  readonly goalDb: number;
  /** Nodes of the float32 graph that could work in int8 and do not, whatever the outputs are. */
  readonly unsuited: ReadonlyMap<Node, Unsuited>;
  /** What moved to float32 for the sake of the outputs, most useful first. */
  readonly moves: readonly Move[];
  /** SQNR of the worst output without and with the moves: of all samples together or averaged over them, whichever is less. */
  readonly beforeDb: number;
  readonly afterDb: number;
}

/** What there is to mix. */
export interface Mixture {
  readonly float: Graph;
  readonly floatCompiled: Compiled;
  readonly module: WebAssembly.Module;
  /** The nodes of `float` that work in int8 so far. */
  readonly working: Working;
  /** How values are quantized so far, by name. */
  readonly parameters: ReadonlyMap<string, Parameters>;
  /** The SQNR that every output shall have, in dB. */
  readonly goalDb: number;
  /** Samples to judge by first, and those to try values on, which judge too where there is time. */
  readonly compared: readonly Sample[];
  readonly fitted: readonly Sample[];
}

/**
 * Moves nodes to float32 where the outputs of `plain`, which has none there, are too far from the float32 model's. `insert` gives the graph with the nodes
 * of these first outputs in float32 and weights rounded to the nearest, `attempt` the whole of it, its weights compact or not.
 */
export async function mixPrecisions<Attempt extends { readonly graph: Graph }>(
  { float, floatCompiled, module, working, parameters, goalDb, compared, fitted }: Mixture,
  plain: Attempt,
  insert: (moved: ReadonlySet<string>) => Graph,
  attempt: (moved: ReadonlySet<string>, compact: boolean) => Promise<Attempt>,
  watch: Watch,
): Promise<{ readonly taken: Attempt; readonly mixed: Mixed }> {
  const agreementOn = (samples: readonly Sample[]): ((graph: Graph) => Promise<number>) => {
    const measure = outputMeasure(floatCompiled, module, samples, watch, leastSqnrDb);
    return async (graph) => {
      await watch.pause();
      return measure(compileGraph(graph, floatCompiled.program.metadata));
    };
  };
  const judges = [...compared, ...fitted.filter((sample) => !compared.includes(sample))].slice(
    0,
    Math.max(compared.length, judgeCount(float)),
  );
  const agreementOf = agreementOn(judges);
  const { nodes: int8, unsuited } = working;
  const beforeDb = await agreementOf(plain.graph);
  let best: { readonly taken: Attempt; readonly mixed: Mixed } = {
    taken: plain,
    mixed: { goalDb, unsuited, moves: [], beforeDb, afterDb: beforeDb },
  };
  if (beforeDb >= goalDb) return best;
  const few = agreementOn(judges.filter((_, i) => i % 2 === 0));
  const trial = trialOf(plain.graph, insert, few);
  const candidates = await findMoves({ float, int8, parameters, goalDb, samples: fitted }, floatCompiled, module, watch);
  let aimDb = Math.max(goalDb - HEAD_START_DB, (await few(plain.graph)) + LEAST_GAIN_DB);
  for (let round = 0; round < ROUNDS && best.mixed.afterDb < goalDb; round++) {
    const moves = await chooseMoves(candidates, beforeDb - HEAD_START_DB, aimDb, trial);
    if (moves.length === 0) break;
    const taken = await attempt(movedBy(moves), false);
    const afterDb = await agreementOf(taken.graph);
    if (afterDb > best.mixed.afterDb) best = { taken, mixed: { goalDb, unsuited, moves, beforeDb, afterDb } };
    aimDb += goalDb - afterDb + HEAD_START_DB / 4;
  }
  if (best.taken !== plain && best.mixed.afterDb >= goalDb + COMPACT_DB) {
    const taken = await attempt(movedBy(best.mixed.moves), true);
    const afterDb = await agreementOf(taken.graph);
    if (afterDb >= goalDb) best = { taken, mixed: { ...best.mixed, afterDb } };
  }
  return best;
}

/** Small models are judged by more samples than others: a few do not show what is rare. */
function judgeCount(graph: Graph): number {
  return Math.floor(
    JUDGING_MACS /
      Math.max(
        1,
        graph.nodes.reduce((sum, node) => sum + macsOf(node), 0),
      ),
  );
}

/** Measures models with moves, each only once, in the better of two forms, which the first one tells. */
function trialOf(
  plain: Graph,
  insert: (moved: ReadonlySet<string>) => Graph,
  agreementOf: (graph: Graph) => Promise<number>,
): (moves: readonly Move[]) => Promise<number> {
  const known = new Map<string, number>();
  let isNearest: boolean | null = null;
  const measure = async (moved: ReadonlySet<string>): Promise<number> => {
    const graph = insert(moved);
    const nearest = isNearest === false ? Number.NEGATIVE_INFINITY : await agreementOf(graph);
    if (isNearest) return nearest;
    takeWeights(graph, plain);
    const given = await agreementOf(graph);
    isNearest ??= nearest > given;
    return Math.max(nearest, given);
  };
  return async (moves) => {
    const moved = movedBy(moves);
    const key = [...moved].sort().join("\n");
    const db = known.get(key) ?? (await measure(moved));
    known.set(key, db);
    return db;
  };
}
