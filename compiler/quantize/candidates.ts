/**
 * Mixed precision by measured error: where the outputs of the int8 model are too far from those of the float32 one, the values whose rounding
 * the outputs suffer from most stay in float32, and with them the nodes that read them.
 *
 *   1  every quantized value alone: what noise does it bring to the outputs (sensitivity.ts)?
 *   2  values in the order of noise taken away by time lost (moves.ts)
 *   3  the shortest beginning of that list which reaches the goal, by doubling and bisection over models that are compiled and measured, and of it what
 *      is needed
 *
 * The models of the third step have weights rounded to the nearest, or those that the int8 model got, which were fitted to other inputs: whichever is
 * better. What is chosen then gets weights of its own, and mostly comes out better than measured; so the search begins below the goal.
 */
import { elementCount } from "../../host/tensor.ts";
import { type Graph, type Node, requiredInput, typeOf } from "../ir/graph.ts";
import { macsOf } from "../report/macs.ts";
import type { Compiled } from "../run/graph-runner.ts";
import type { Sample, Watch } from "./calibrate.ts";
import { type Move, neededMoves, orderMoves, wholeNoise } from "./moves.ts";
import type { Parameters } from "./ranges.ts";
import { setLayerForm } from "./refit.ts";
import { type OutputNoise, sensitivities } from "./sensitivity.ts";

/** Where the goal is out of reach, this much less than what is within reach is enough, in dB. */
const CLOSE_ENOUGH_DB = 0.5;
/** Less than this, in dB, is not worth anything in float32. */
export const LEAST_GAIN_DB = 0.5;
/** Samples that values are tried on, as far as this much work allows: multiply-accumulates, to which an element counts as ELEMENT_MACS. */
const MOST_SAMPLES = 8;
const MOST_WORK = 60e9;
const ELEMENT_MACS = 8;

const LAYERS = new Set(["Conv", "Gemm", "MatMul"]);

/** What there is to choose from. */
export interface MixedRequest {
  /** The float32 graph, and its nodes that work in int8. */
  readonly float: Graph;
  readonly int8: ReadonlySet<Node>;
  /** How values are quantized, by name. */
  readonly parameters: ReadonlyMap<string, Parameters>;
  /** The SQNR that every output shall have, in dB. */
  readonly goalDb: number;
  /** Samples to try values on. */
  readonly samples: readonly Sample[];
}

/** What is known of what could move to float32. */
export interface Candidates {
  /** All moves, most useful first. */
  readonly moves: readonly Move[];
  /** The noise of all quantized values together. */
  readonly noise: OutputNoise;
}

/** Tries every quantized value alone. */
export async function findMoves(
  { float, int8, parameters, goalDb, samples }: MixedRequest,
  floatCompiled: Compiled,
  module: WebAssembly.Module,
  watch: Watch,
): Promise<Candidates> {
  const count = Math.min(samples.length, sampleCount(float, parameters.size));
  const tried = Array.from({ length: count }, (_, i) => samples[Math.floor((i * samples.length) / count)]!);
  const noise = await sensitivities(floatCompiled, module, tried, parameters, watch);
  return { moves: orderMoves(float, int8, noise, goalDb), noise: wholeNoise(int8, noise) };
}

/**
 * The moves that give `goalDb`, or nearly what all give where that is less; none where they gain next to nothing over `beforeDb`. `measure` gives the
 * SQNR of the worst output, in dB, with these moves.
 */
export async function chooseMoves(
  { moves, noise }: Candidates,
  beforeDb: number,
  goalDb: number,
  measure: (moves: readonly Move[]) => Promise<number>,
): Promise<readonly Move[]> {
  const found = await shortest(moves.length, goalDb, (length) => measure(moves.slice(0, length)));
  if (found === null || found.db < beforeDb + LEAST_GAIN_DB) return [];
  const needed = neededMoves(moves, found.length, noise);
  const isEnough = (await measure(needed)) >= Math.min(goalDb, found.db - CLOSE_ENOUGH_DB);
  return isEnough ? needed : moves.slice(0, found.length);
}

/** The least length that gives `goalDb`, or nearly what the whole length gives where that is less; null where there is nothing to take. */
async function shortest(
  whole: number,
  goalDb: number,
  measure: (length: number) => Promise<number>,
): Promise<{ readonly length: number; readonly db: number } | null> {
  if (whole === 0) return null;
  let best = { length: whole, db: await measure(whole) };
  const wanted = Math.min(goalDb, best.db - CLOSE_ENOUGH_DB);
  let low = 0;
  // Weights do not suit inputs that they were not fitted to: in between, longer beginnings may be worse than shorter ones.
  for (let length = 1; length < best.length; length *= 2) {
    const db = await measure(length);
    if (db >= wanted) best = { length, db };
    else low = length;
  }
  while (best.length - low > 1) {
    const middle = (low + best.length) >> 1;
    const db = await measure(middle);
    if (db >= wanted) best = { length: middle, db };
    else low = middle;
  }
  return best;
}

/** First outputs of the nodes that moves move. */
export function movedBy(moves: readonly Move[]): ReadonlySet<string> {
  return new Set(moves.flatMap(({ nodes }) => nodes));
}

/** Gives layers of a quantized graph the weights that they have in another one of the same model, in place. */
export function takeWeights(graph: Graph, from: Graph): void {
  const layers = new Map(from.nodes.map((node) => [node.outputs[0]!.name, node]));
  for (const node of graph.nodes) {
    const layer = layers.get(node.outputs[0]!.name);
    const [weights, given] = [node.inputs[1]?.producer, layer?.inputs[1]?.producer];
    if (weights?.op !== "DequantizeLinear" || given?.op !== "DequantizeLinear" || weights.inputs[0]!.constant === null) continue;
    const values = given.inputs[0]!.constant?.data;
    if (!LAYERS.has(node.op) || !(values instanceof Int8Array)) continue;
    const scales = requiredInput(given, 1).constant!.data as Float32Array;
    const biases = layer!.inputs[2]?.producer;
    setLayerForm(graph, node, { values, scales, bias: biases ? realBias(biases) : null, noise: 0 });
  }
}

function realBias(dequantize: Node): Float32Array {
  const integers = requiredInput(dequantize, 0).constant!.data as Int32Array;
  const units = requiredInput(dequantize, 1).constant!.data as Float32Array;
  return Float32Array.from(integers, (q, c) => q * units[c]!);
}

/** As many samples as the work allows, at least one: each value is followed by half of the model on average. */
function sampleCount(graph: Graph, values: number): number {
  const work = graph.nodes.reduce((sum, node) => sum + macsOf(node) + ELEMENT_MACS * elementCount(typeOf(node.outputs[0]!).shape), 0);
  return Math.max(1, Math.min(MOST_SAMPLES, Math.floor(MOST_WORK / ((work * values) / 2))));
}
