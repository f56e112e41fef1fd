/**
 * Makes one clip of several, and removes those that change nothing.
 *
 *   clip(clip(x, a, b), c, d) = clip(x, clip(a, c, d), clip(b, c, d))
 *   max(x, c) = clip(x, c, ∞),   min(x, c) = clip(x, −∞, c)
 *   clip(x, a, b) = x            where every x lies in [a, b], as Relu behind Sigmoid, Softmax or another Relu
 *
 * Declines for other types than float32, for computed bounds, and where the inner clip has another reader.
 */
import { type Graph, type Node, onlyOutput, requiredInput, typeOf, type Value } from "../ir/graph.ts";
import { constantScalar } from "./constant-operand.ts";
import { bypass, soleReader } from "./sole-reader.ts";
import { clampedTo, clampRange, isWithin, type Range, rangeOf } from "./value-range.ts";

/** Merges and removes clips. Returns how many nodes it rewrote. */
export function mergeClips(graph: Graph): number {
  let merged = 0;
  for (const node of [...graph.nodes]) {
    const clip = clipOf(node);
    if (!clip || typeOf(onlyOutput(node)).dtype !== "float32") continue;
    const { operand, range } = clip;
    if (isWithin(rangeOf(operand), range)) {
      bypass(graph, node, operand);
      merged++;
      continue;
    }
    const inner = operand.producer && soleReader(graph, operand) ? clipOf(operand.producer) : null;
    if (inner) {
      const sources = [...new Set([...operand.producer!.sources, ...node.sources])];
      replaceByClip(graph, node, inner.operand, clampedTo(inner.range, range), sources);
      graph.remove(operand.producer!);
      merged++;
    } else if (node.op === "Max" || node.op === "Min") {
      replaceByClip(graph, node, operand, range, node.sources);
      merged++;
    }
  }
  return merged;
}

function clipOf(node: Node): { readonly operand: Value; readonly range: Range } | null {
  const range = clampRange(node);
  if (range) return { operand: requiredInput(node, 0), range };
  if ((node.op !== "Max" && node.op !== "Min") || node.inputs.length !== 2) return null;
  const [a, b] = [requiredInput(node, 0), requiredInput(node, 1)];
  const bound = constantScalar(b) ?? constantScalar(a);
  const operand = constantScalar(b) === null ? b : a;
  if (bound === null || Number.isNaN(bound) || `${typeOf(operand).shape}` !== `${typeOf(onlyOutput(node)).shape}`) return null;
  return { operand, range: node.op === "Max" ? { low: bound, high: Infinity } : { low: -Infinity, high: bound } };
}

function replaceByClip(graph: Graph, node: Node, operand: Value, { low, high }: Range, sources: readonly string[]): void {
  if (low === 0 && high === Infinity) {
    graph.replace(node, { op: "Relu", inputs: [operand], sources });
    return;
  }
  const bound = (name: string, x: number): Value | null =>
    Number.isFinite(x) ? graph.addConstant(`${node.name}.${name}`, { dtype: "float32", shape: [], data: Float32Array.of(x) }) : null;
  graph.replace(node, { op: "Clip", inputs: [operand, bound("min", low), bound("max", high)], sources });
}
