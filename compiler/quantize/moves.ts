/**
 * In what order values go to float32 where a model's outputs need more precision: by noise taken away from the outputs over time lost. Values
 * that an operator hands on as they are (a Concat, a pooling) are one unit, and go together with all nodes that read them.
 */
import { type Graph, type Node, requiredInput, type Value } from "../ir/graph.ts";
import { log } from "../ops/mathematics.ts";
import { macsOf } from "../report/macs.ts";
import { parameterGroups } from "./insert.ts";
import { regionCost } from "./node-cost.ts";
import { activationInputs, givesFloat, keepsParameters } from "./scope.ts";
import type { OutputNoise } from "./sensitivity.ts";

/** Of all multiply-accumulates so many stay in int8. */
export const LEAST_INT8_MACS = 0.8;
/** Moves may take so much of the time that int8 saves, both as estimated. */
const MOST_TIME = 0.35;
/** Noise that moves may leave beside what is left anyway, as a part of it. */
const TOLERATED = 0.15;
/** A value with less of an output's noise stays. */
const LEAST_SHARE = 1e-3;
/** Noise by the estimate, over what is allowed, from which on an output needs no more: weights and what comes together add to it. */
const FAR_BELOW = 0.01;

/** Values that go to float32 together, with the nodes that read them. */
export interface Move {
  /** First outputs of the nodes that this moves. */
  readonly nodes: readonly string[];
  /** Noise over signal that the values bring to each output. */
  readonly noise: OutputNoise;
  /** The SQNR that they alone leave the worst output, in dB. */
  readonly aloneDb: number;
  /** Estimated nanoseconds that moving them takes. */
  readonly costNs: number;
}

interface Unit {
  /** Nodes that read a value of the unit in int8. */
  readonly readers: readonly Node[];
  readonly noise: OutputNoise;
}

/** Quantized values that have one scale together; `noise` gives what each value brings to the outputs. */
function unitsOf(int8: ReadonlySet<Node>, noise: ReadonlyMap<string, OutputNoise>): readonly Unit[] {
  const groups = parameterGroups(int8);
  const units = new Map<readonly Value[], { readers: Set<Node>; noise: number[] }>();
  const single = new Map<Value, readonly Value[]>();
  for (const node of int8) {
    for (const i of activationInputs(node)) {
      const value = requiredInput(node, i);
      const key = groups.get(value) ?? single.get(value) ?? [value];
      single.set(value, key);
      let unit = units.get(key);
      if (!unit) {
        unit = { readers: new Set(), noise: [] };
        units.set(key, unit);
        for (const member of key) {
          // What an operator of the unit hands on has been rounded before.
          if (member.producer && int8.has(member.producer) && keepsParameters(member.producer)) continue;
          (noise.get(member.name) ?? []).forEach((x, o) => {
            unit!.noise[o] = (unit!.noise[o] ?? 0) + x;
          });
        }
      }
      unit.readers.add(node);
    }
  }
  return [...units.values()].map(({ readers, noise: sums }) => ({ readers: [...readers], noise: sums }));
}

/**
 * Moves in the order in which they are worth most, as far as multiply-accumulates and time allow. `int8` are nodes of `graph`, `goalDb` the SQNR
 * that every output shall have; outputs that have it already, by the estimate, come last.
 */
export function orderMoves(
  graph: Graph,
  int8: ReadonlySet<Node>,
  noise: ReadonlyMap<string, OutputNoise>,
  goalDb: number,
): readonly Move[] {
  const outputs = new Set(graph.outputs);
  const isOutput = (value: Value): boolean => outputs.has(value);
  const allowed = 10 ** (-goalDb / 10);
  const left = new Set(int8);
  const open = new Set(unitsOf(int8, noise).filter((unit) => unit.noise.length > 0));
  const totals = [...wholeNoise(int8, noise)];
  const allMacs = graph.nodes.reduce((sum, node) => sum + macsOf(node), 0);
  let floatMacs = graph.nodes.reduce((sum, node) => sum + (int8.has(node) ? 0 : macsOf(node)), 0);
  const isInt8 = (node: Node): boolean => left.has(node);
  const savedNs = regionCost(graph.nodes, () => false, isOutput) - regionCost(graph.nodes, isInt8, isOutput);
  let leftNs = MOST_TIME * Math.max(0, savedNs);
  const moves: Move[] = [];
  for (;;) {
    const misses = totals.some((total) => total > allowed);
    const weights = totals.map((total) => (total > (misses ? allowed : allowed * FAR_BELOW) ? 1 / total : 0));
    let best: { unit: Unit; nodes: readonly Node[]; worth: number; macs: number; costNs: number } | null = null;
    for (const unit of open) {
      const gain = unit.noise.reduce((sum, x, o) => sum + x * weights[o]!, 0);
      if (gain < LEAST_SHARE) continue;
      const nodes = withIdle(unit.readers.filter(isInt8), left);
      const macs = nodes.reduce((sum, node) => sum + macsOf(node), 0);
      if (floatMacs + macs > (1 - LEAST_INT8_MACS) * allMacs && macs > 0) continue;
      const gone = new Set(nodes);
      const before = regionCost(nodes, isInt8, isOutput);
      const costNs = regionCost(nodes, (node) => left.has(node) && !gone.has(node), isOutput) - before;
      if (costNs > leftNs && costNs > 0) continue;
      const worth = gain / Math.max(costNs, 1);
      if (!best || worth > best.worth) best = { unit, nodes, worth, macs, costNs };
    }
    if (!best) return moves;
    for (const node of best.nodes) left.delete(node);
    open.delete(best.unit);
    floatMacs += best.macs;
    leftNs -= Math.max(0, best.costNs);
    best.unit.noise.forEach((x, o) => {
      totals[o] = Math.max(0, totals[o]! - x);
    });
    moves.push({
      nodes: best.nodes.map((node) => node.outputs[0]!.name),
      noise: best.unit.noise,
      aloneDb: decibels(Math.max(...best.unit.noise)),
      costNs: best.costNs,
    });
  }
}

/** Nodes with those that would work in int8 for nobody when they have gone. */
function withIdle(nodes: readonly Node[], int8: ReadonlySet<Node>): readonly Node[] {
  const all = [...nodes];
  const gone = new Set(all);
  const isLeft = (node: Node): boolean => int8.has(node) && !gone.has(node);
  for (const node of all) {
    for (const { producer } of node.inputs.filter((value) => value !== null)) {
      if (!producer || !isLeft(producer) || givesFloat(producer)) continue;
      if (producer.outputs.some(({ readers }) => [...readers].some(isLeft))) continue;
      gone.add(producer);
      all.push(producer);
    }
  }
  return all;
}

/** The first `count` of `moves` without those that cost time and could stay for next to no noise in any output, costly ones first. */
export function neededMoves(moves: readonly Move[], count: number, noise: OutputNoise): readonly Move[] {
  const taken = moves.slice(0, count);
  const left = noise.map((all, o) => all - taken.reduce((sum, move) => sum + move.noise[o]!, 0));
  const most = left.map((rest) => Math.max(0, rest) * (1 + TOLERATED));
  const needed = new Set(taken);
  for (const move of [...taken].sort((a, b) => b.costNs - a.costNs)) {
    if (move.costNs <= 0 || move.noise.some((x, o) => x > 0 && left[o]! + x > most[o]!)) continue;
    needed.delete(move);
    move.noise.forEach((x, o) => {
      left[o] = left[o]! + x;
    });
  }
  return taken.filter((move) => needed.has(move));
}

/** The noise of all quantized values together. */
export function wholeNoise(int8: ReadonlySet<Node>, noise: ReadonlyMap<string, OutputNoise>): OutputNoise {
  const units = unitsOf(int8, noise).filter((unit) => unit.noise.length > 0);
  return (units[0]?.noise ?? []).map((_, o) => units.reduce((sum, unit) => sum + unit.noise[o]!, 0));
}

function decibels(noise: number): number {
  return noise > 0 ? -(10 / Math.LN10) * log(noise) : 200;
}
