/**
 * Moves DequantizeLinear behind operators that only move elements, so that they move integers.
 *
 *   op(dequantize(q)) = dequantize(op(q))     for one scale, and an op that neither computes nor adds elements
 *
 * Runs on the graph that is lowered, after layout. Declines for scales by axis, and where the operator has several operands. Constants are
 * moved at once, where elementwise operators read them: a slope for each channel stays an int8 operand.
 */
import { type Graph, type Node, onlyOutput, requiredInput, typeOf, type Value, type ValueType } from "../ir/graph.ts";
import { evaluateNode } from "../ops/index.ts";

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

const ELEMENTWISE = new Set(["Add", "Sub", "Mul", "Div", "PRelu"]);

/** Moves what can be moved, in one sweep in topological order. Returns how many operators now work on integers. */
export function sinkDequantize(graph: Graph): number {
  let moved = 0;
  for (const node of [...graph.nodes]) {
    if (!MOVING.has(node.op) || node.outputs.length !== 1) continue;
    const dequantize = requiredInput(node, 0).producer;
    if (dequantize?.op !== "DequantizeLinear" || !isPerTensor(dequantize)) continue;
    if (dequantize.inputs[0]!.constant && (node.channelsLast || !isOperand(onlyOutput(node)))) continue;
    sink(graph, node, dequantize);
    moved++;
  }
  return moved;
}

function isPerTensor(dequantize: Node): boolean {
  const scale = requiredInput(dequantize, 1);
  return scale.constant?.data.length === 1 && (!dequantize.inputs[2] || dequantize.inputs[2].constant !== null);
}

/** Whether all readers of a value, or of what they move of it, are elementwise. */
function isOperand(value: Value): boolean {
  return [...value.readers].every(
    (reader) => ELEMENTWISE.has(reader.op) || (MOVING.has(reader.op) && reader.outputs.every((output) => isOperand(output))),
  );
}

function sink(graph: Graph, node: Node, dequantize: Node): void {
  const [q, ...parameters] = dequantize.inputs;
  const value = onlyOutput(node);
  const { dtype } = typeOf(q!);
  const inputs = [q!, ...node.inputs.slice(1)];
  const constants = inputs.map((input) => input?.constant ?? null);
  const isConstant = inputs.every((input, i) => input === null || constants[i] !== null);
  const integers = isConstant
    ? graph.addConstant(`${value.name}.integers`, evaluateNode(node, constants)[0]!)
    : onlyOutput(moved(graph, node, inputs, `${value.name}.integers`, { dtype, shape: typeOf(value).shape }));
  graph.replace(node, {
    op: "DequantizeLinear",
    name: `${node.name}.DQ`,
    inputs: [integers, ...parameters],
    sources: node.sources,
  });
}

/** The node on other inputs. */
function moved(graph: Graph, node: Node, inputs: Node["inputs"], name: string, type: ValueType): Node {
  return graph.add(
    {
      op: node.op,
      name: node.name,
      inputs,
      attributes: node.attributes,
      sources: node.sources,
      channelsLast: node.channelsLast,
      outputs: [{ name, type }],
    },
    node,
  );
}
