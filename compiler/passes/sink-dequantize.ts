/**
 * Moves DequantizeLinear behind operators that only move elements, so that they move integers.
 *
 *   op(dequantize(q)) = dequantize(op(q))     for one scale, and an op that neither computes nor adds elements
 *
 * Runs on the graph that is lowered, after layout. Declines for scales by axis, and where the operator has several operands.
 */
import { type Graph, type Node, onlyOutput, requiredInput, typeOf } from "../ir/graph.ts";

const MOVING = new Set([
  "Reshape",
  "Flatten",
  "Squeeze",
  "Unsqueeze",
  "Identity",
  "Transpose",
  "Expand",
  "Slice",
  "Tile",
  "DepthToSpace",
  "SpaceToDepth",
  "Gather",
]);

/** Moves what can be moved, in one sweep in topological order. Returns how many operators now work on integers. */
export function sinkDequantize(graph: Graph): number {
  let moved = 0;
  for (const node of [...graph.nodes]) {
    if (!MOVING.has(node.op) || node.outputs.length !== 1) continue;
    const dequantize = requiredInput(node, 0).producer;
    if (dequantize?.op !== "DequantizeLinear" || !isPerTensor(dequantize) || dequantize.inputs[0]!.constant) continue;
    sink(graph, node, dequantize);
    moved++;
  }
  return moved;
}

function isPerTensor(dequantize: Node): boolean {
  const scale = requiredInput(dequantize, 1);
  return scale.constant?.data.length === 1 && (!dequantize.inputs[2] || dequantize.inputs[2].constant !== null);
}

function sink(graph: Graph, node: Node, dequantize: Node): void {
  const [q, ...parameters] = dequantize.inputs;
  const value = onlyOutput(node);
  const { dtype } = typeOf(q!);
  const integers = graph.add(
    {
      op: node.op,
      name: node.name,
      inputs: [q!, ...node.inputs.slice(1)],
      attributes: node.attributes,
      sources: node.sources,
      channelsLast: node.channelsLast,
      outputs: [{ name: `${value.name}.integers`, type: { dtype, shape: typeOf(value).shape } }],
    },
    node,
  );
  graph.replace(node, {
    op: "DequantizeLinear",
    name: `${node.name}.DQ`,
    inputs: [onlyOutput(integers), ...parameters],
    sources: node.sources,
  });
}
