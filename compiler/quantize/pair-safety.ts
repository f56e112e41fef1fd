/**
 * Chooses the layers whose weights are made pair-safe (format/packings.ts), which the relaxed build multiplies faster: as many of the
 * work as the outputs' agreement with the float32 model allows.
 *
 * A pair-safe layer's scales, and with them its rounding errors, are larger. The layers are ranked by
 *
 *   noise of their weights that this adds, Σ (s_safe² − s²)·depth/12 / Σ w², for each multiply-accumulate
 *
 * and taken in that order: all of them where the worst output stays within ALLOWED_LOSS_DB of what it is without, or above ALLOWED_DB;
 * else portion by portion, each with about the same work, those that leave it there. Rounding is a lottery at a few layers, so that a
 * portion may well make the outputs better.
 */
import { type Node, requiredInput } from "../ir/graph.ts";
import { macsOf } from "../report/macs.ts";
import { NoiseMeter } from "../report/sqnr.ts";
import { type Compiled, GraphRunner } from "../run/graph-runner.ts";
import type { Sample } from "./calibrate.ts";
import { packedOrder } from "./packed-order.ts";
import { outputAxis, quantizeWeights } from "./weights.ts";

/** The agreement of the worst output may fall by this much, in dB. */
export const ALLOWED_LOSS_DB = 1;
/** Above this agreement, in dB, any loss is allowed. */
export const ALLOWED_DB = 40;

const PORTIONS = 8;

/** What was chosen. */
export interface PairSafety {
  /** Layers that could be pair-safe, by their shape. */
  readonly candidates: number;
  /** Names of the layers that are. */
  readonly layers: readonly string[];
  /** SQNR of the worst output without any and with these. */
  readonly beforeDb: number;
  readonly afterDb: number;
}

interface Candidate {
  readonly name: string;
  readonly macs: number;
  readonly noise: number;
}

/** A measure of int8 models: the SQNR of the worst output, in dB, against `float`, which runs once. */
export function outputMeasure(float: Compiled, module: WebAssembly.Module, samples: readonly Sample[]): (int8: Compiled) => number {
  const outputsOf = (compiled: Compiled): readonly (readonly ArrayLike<number>[])[] => {
    const runner = new GraphRunner(compiled, module);
    const outputs = samples.map((sample) => {
      runner.run(sample);
      return runner.outputNames.map((name) => {
        const data = runner.output(name);
        return data instanceof BigInt64Array ? Float64Array.from(data, Number) : data;
      });
    });
    runner.dispose();
    return outputs;
  };
  const reference = outputsOf(float);
  return (int8) => {
    const measured = outputsOf(int8);
    const decibels = reference[0]!.map((_, output) => {
      const meter = new NoiseMeter();
      reference.forEach((outputs, sample) => {
        meter.add(outputs[output]!, measured[sample]![output]!);
      });
      return meter.sqnrDb;
    });
    return Math.min(...decibels);
  };
}

/** Chooses among the int8 nodes. `measure` gives the SQNR of the worst output, in dB, with the layers of these names pair-safe. */
export async function choosePairSafe(
  nodes: Iterable<Node>,
  measure: (layers: ReadonlySet<string>) => Promise<number>,
): Promise<PairSafety> {
  const ranked = [...nodes].flatMap(candidateOf).sort((a, b) => a.noise / a.macs - b.noise / b.macs);
  const beforeDb = await measure(new Set());
  const floor = Math.min(ALLOWED_DB, beforeDb - ALLOWED_LOSS_DB);
  let best = { layers: new Set<string>() as ReadonlySet<string>, db: beforeDb };
  const accept = async (layers: ReadonlySet<string>): Promise<boolean> => {
    const db = await measure(layers);
    if (db >= floor) best = { layers, db };
    return db >= floor;
  };
  if (ranked.length > 0 && !(await accept(new Set(ranked.map(({ name }) => name))))) {
    for (const portion of portionsOf(ranked)) await accept(new Set([...best.layers, ...portion.map(({ name }) => name)]));
  }
  return { candidates: ranked.length, layers: [...best.layers], beforeDb, afterDb: best.db };
}

/** The candidates in order, in portions of about the same work. */
function portionsOf(ranked: readonly Candidate[]): readonly (readonly Candidate[])[] {
  const share = ranked.reduce((sum, { macs }) => sum + macs, 0) / PORTIONS;
  const portions: Candidate[][] = [];
  let work = 0;
  for (const candidate of ranked) {
    if (portions.length === 0 || work >= portions.length * share) portions.push([]);
    portions[portions.length - 1]!.push(candidate);
    work += candidate.macs;
  }
  return portions;
}

function candidateOf(node: Node): readonly Candidate[] {
  const weights = macsOf(node) > 0 ? node.inputs[1]?.constant : null;
  const order = weights ? packedOrder(node) : null;
  if (!weights || !order) return [];
  const axis = outputAxis(node);
  const plain = quantizeWeights(weights, axis, 1, null, null).scales;
  const safe = quantizeWeights(weights, axis, 1, null, order).scales;
  let energy = 0;
  for (const w of requiredInput(node, 1).constant!.data as Float32Array) energy += w * w;
  const added = safe.reduce((sum, s, c) => sum + s * s - plain[c]! * plain[c]!, 0);
  return [{ name: node.name, macs: macsOf(node), noise: energy > 0 ? (added * order.depth) / 12 / energy : 0 }];
}
