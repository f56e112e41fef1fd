/**
 * Turns Relu and Clip with constant bounds into a clamp of the node before them: attributes clampMin and clampMax, which every
 * kernel that computes in an accumulator applies for nothing. Nodes between that only change the shape or the order of elements do
 * not matter.
 *
 *   clip(clip(x, a, b), c, d) = clip(x, clip(a, c, d), clip(b, c, d))
 *
 * Declines when a value before the activation has another reader, when a bound is not constant, and for producers that
 * have no clamp (data movement, functions).
 */
import { type Graph, type Node, requiredInput, typeOf, type Value } from "../ir/graph.ts";
import { VIEWS } from "./affine.ts";
import { bypass, soleReader } from "./sole-reader.ts";
import { clampedTo, clampOf, clampRange } from "./value-range.ts";

const CLAMPING = new Set([
  "Conv",
  "ConvTranspose",
  "Gemm",
  "MatMul",
  "Add",
  "Sub",
  "Mul",
  "Div",
  "AveragePool",
  "GlobalAveragePool",
  "MaxPool",
]);

/** Fuses every activation that it can. Returns how many. */
export function fuseActivations(graph: Graph): number {
  let fused = 0;
  for (const node of [...graph.nodes]) {
    const range = clampRange(node);
    if (!range || typeOf(requiredInput(node, 0)).dtype !== "float32") continue;
    const producer = clampingProducer(graph, requiredInput(node, 0));
    if (!producer) continue;
    const { low, high } = clampedTo(clampOf(producer), range);
    graph.setAttributes(producer, { clampMin: low === -Infinity ? undefined : low, clampMax: high === Infinity ? undefined : high });
    graph.addSources(producer, node.sources);
    bypass(graph, node, requiredInput(node, 0));
    fused++;
  }
  return fused;
}

function clampingProducer(graph: Graph, value: Value): Node | null {
  for (let at = value; ; at = requiredInput(at.producer!, 0)) {
    const { producer } = at;
    if (producer?.outputs.length !== 1 || !soleReader(graph, at)) return null;
    if (CLAMPING.has(producer.op)) return producer;
    if (!VIEWS.has(producer.op) && producer.op !== "Transpose") return null;
  }
}
