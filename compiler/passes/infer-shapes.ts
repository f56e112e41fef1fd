/**
 * Gives every value its type, and folds what is known while compiling: shape arithmetic (Shape, Gather, Concat … of known
 * dimensions) has to be folded on the way, because later shapes depend on it.
 *
 * A DequantizeLinear of constants stays: it carries quantized weights.
 */
import type { Tensor } from "../../host/tensor.ts";
import type { Graph, Node } from "../ir/graph.ts";
import { evaluateNode, inferNode } from "../ops/index.ts";

/** Infers all types and folds nodes whose operands are constant. Folded nodes are removed. */
export function inferShapes(graph: Graph): void {
  for (const node of [...graph.nodes]) {
    const types = inferNode(node);
    node.outputs.forEach((value, i) => {
      graph.setType(value, types[i]!);
    });
    if (!isFoldable(node)) continue;
    const results = evaluateNode(node, node.inputs.map(operandTensor));
    node.outputs.forEach((value, i) => {
      graph.makeConstant(value, results[i]!);
    });
    graph.remove(node);
  }
}

function isFoldable(node: Node): boolean {
  if (node.op === "DequantizeLinear") return false;
  if (node.op === "Shape" || node.op === "Size") return true;
  return node.inputs.every((value) => value === null || value.constant !== null);
}

function operandTensor(value: Node["inputs"][number]): Tensor | null {
  if (!value) return null;
  if (value.constant) return value.constant;
  // Shape and Size look at the type only.
  const type = value.type!;
  return { dtype: type.dtype, shape: type.shape, data: new Float32Array(0) };
}
