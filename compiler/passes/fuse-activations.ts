/**
 * Turns Relu and Clip with constant bounds into a clamp of the node before them: attributes clampMin and clampMax, which every
 * kernel that computes in an accumulator applies for nothing.
 *
 *   clip(clip(x, a, b), c, d) = clip(x, max(a, c), min(b, d)) where the ranges meet
 *
 * Declines when the value before the activation has another reader, when a bound is not constant, and for producers that
 * have no clamp (data movement, functions).
 */
import { type Graph, type Node, onlyOutput, requiredInput, typeOf } from "../ir/graph.ts";

const CLAMPING = new Set(["Conv", "ConvTranspose", "Gemm", "MatMul", "Add", "Sub", "Mul", "Div", "AveragePool", "GlobalAveragePool", "MaxPool"]);

/** Fuses activations until nothing changes. Returns how many. */
export function fuseActivations(graph: Graph): number {
  let fused = 0;
  for (const node of [...graph.nodes]) {
    const range = clampRange(node);
    const producer = requiredInputProducer(node);
    if (!range || !producer || !CLAMPING.has(producer.op)) continue;
    const value = onlyOutput(producer);
    if (typeOf(value).dtype !== "float32" || producer.outputs.length !== 1) continue;
    if (value.readers.size !== 1 || graph.outputs.includes(value)) continue;
    const low = Math.max(range.low, (producer.attributes.clampMin as number | undefined) ?? -Infinity);
    const high = Math.min(range.high, (producer.attributes.clampMax as number | undefined) ?? Infinity);
    if (low > high) continue;
    graph.setAttributes(producer, { clampMin: low === -Infinity ? undefined : low, clampMax: high === Infinity ? undefined : high });
    graph.addSources(producer, node.sources);
    graph.replaceUses(onlyOutput(node), value);
    graph.remove(node);
    fused++;
  }
  return fused;
}

/** The range that Relu or Clip clamps to, or null for other nodes and computed bounds. */
export function clampRange(node: Node): { readonly low: number; readonly high: number } | null {
  if (node.op === "Relu") return { low: 0, high: Infinity };
  if (node.op !== "Clip") return null;
  const bound = (index: number, otherwise: number): number | null => {
    const value = node.inputs[index];
    if (!value) return otherwise;
    return value.constant ? Number(value.constant.data[0]) : null;
  };
  const low = bound(1, -Infinity);
  const high = bound(2, Infinity);
  return low === null || high === null ? null : { low, high };
}

function requiredInputProducer(node: Node): Node | null {
  return node.inputs.length > 0 ? (requiredInput(node, 0).producer ?? null) : null;
}
