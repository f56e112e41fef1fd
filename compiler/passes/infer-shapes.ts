/**
 * Gives every value its type, and folds what is known while compiling: shape arithmetic (Shape, Gather, Concat … of known
 * dimensions) has to be folded on the way, because later shapes depend on it.
 *
 * A DequantizeLinear of constants stays: it carries quantized weights. So does what would make large constants of small ones
 * (Expand, Tile): the file would hold what the runtime computes.
 */
import { dtypeBytes, elementCount, type Tensor } from "../../host/tensor.ts";
import { CompileError, problemsOf, together } from "../errors.ts";
import type { Graph, Node, Value, ValueType } from "../ir/graph.ts";
import { evaluateNode, inferNode } from "../ops/index.ts";

/** Results of this size are folded even where they are larger than their operands. */
const ALWAYS_FOLDED_BYTES = 2 ** 24;

/** Infers all types and folds nodes whose operands are constant. Folded nodes are removed. Errors: those of the operators, all in one. */
export function inferShapes(graph: Graph): void {
  const faults = findFaults(graph);
  if (faults.length > 0) throw together(faults);
}

/** As `inferShapes`, but gives the errors; what is behind a node at fault is left out. */
export function findFaults(graph: Graph): readonly CompileError[] {
  const faults: CompileError[] = [];
  const unknown = new Set<Value>();
  for (const node of [...graph.nodes]) {
    if (node.inputs.some((value) => value && unknown.has(value))) {
      for (const output of node.outputs) unknown.add(output);
      continue;
    }
    try {
      inferOne(graph, node);
    } catch (error) {
      if (!(error instanceof CompileError) || !problemsOf(error)) throw error;
      faults.push(error);
      for (const output of node.outputs) unknown.add(output);
    }
  }
  return faults;
}

function inferOne(graph: Graph, node: Node): void {
  const types = inferNode(node);
  node.outputs.forEach((value, i) => {
    graph.setType(value, types[i]!);
  });
  if (!isFoldable(node, types)) return;
  const results = evaluateNode(node, node.inputs.map(operandTensor));
  node.outputs.forEach((value, i) => {
    graph.makeConstant(value, results[i]!);
  });
  graph.remove(node);
}

function isFoldable(node: Node, types: readonly ValueType[]): boolean {
  if (node.op === "DequantizeLinear") return false;
  if (node.op === "Shape" || node.op === "Size") return true;
  if (node.inputs.some((value) => value !== null && value.constant === null)) return false;
  const bytes = sum(types.map(byteSize));
  return bytes <= ALWAYS_FOLDED_BYTES || bytes <= sum(node.inputs.map((value) => (value?.type ? byteSize(value.type) : 0)));
}

function byteSize({ dtype, shape }: ValueType): number {
  return elementCount(shape) * dtypeBytes(dtype);
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, x) => total + x, 0);
}

function operandTensor(value: Node["inputs"][number]): Tensor | null {
  if (!value) return null;
  if (value.constant) return value.constant;
  // Shape and Size look at the type only.
  const type = value.type!;
  return { dtype: type.dtype, shape: type.shape, data: new Float32Array(0) };
}
