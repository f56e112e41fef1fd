/**
 * Moves the integers of quantized constants at once: exporters put Transpose and Reshape between weights and their layer.
 *
 *   op(dequantize(q, s)) = dequantize(op(q), s)              for one scale
 *   transpose(dequantize(q, s, axis), p) = dequantize(transpose(q, p), s, p⁻¹(axis)), and views that keep the axis
 *
 * Declines for other operators on scales by axis, and for what enlarges a constant (Expand, Tile).
 */
import { elementCount } from "../../../host/tensor.ts";
import { numberAttribute } from "../../ir/attributes.ts";
import { type Graph, type Node, onlyOutput, requiredInput, typeOf, type Value } from "../../ir/graph.ts";
import { evaluateNode } from "../../ops/index.ts";
import { VIEWS } from "../affine.ts";
import { permutationOf } from "../permutation.ts";
import { tensorParameters } from "./parameters.ts";

const LAYERS: ReadonlySet<string> = new Set(["Conv", "Gemm", "MatMul"]);
const MOVING = new Set([...VIEWS, "Identity", "Transpose", "Slice", "DepthToSpace", "SpaceToDepth", "Gather"]);

/** Moves what can be moved. Returns how many operators went. */
export function foldQuantizedConstants(graph: Graph): number {
  let folded = 0;
  for (const node of [...graph.nodes]) {
    folded += foldBias(graph, node);
    const dequantize = node.inputs[0]?.producer;
    if (!MOVING.has(node.op) || dequantize?.op !== "DequantizeLinear" || node.outputs.length !== 1) continue;
    if (dequantize.inputs.some((value) => value && !value.constant) || node.inputs.slice(1).some((value) => value && !value.constant))
      continue;
    const axis = tensorParameters(dequantize) ? 0 : axisBehind(node, dequantize);
    if (axis === null) continue;
    const integers = requiredInput(dequantize, 0);
    const moved = evaluateNode(node, [integers.constant, ...node.inputs.slice(1).map((value) => value?.constant ?? null)])[0]!;
    const inputs: readonly (Value | null)[] = [graph.addConstant(integers.name, moved), ...dequantize.inputs.slice(1)];
    graph.replace(node, { op: "DequantizeLinear", inputs, attributes: { axis } });
    folded++;
  }
  return folded;
}

/** An int32 bias that is added behind its layer becomes a real one, for the layer to take: its units make the same integers of it again. */
function foldBias(graph: Graph, node: Node): number {
  if (node.op !== "Add" || !node.inputs.some((value) => LAYERS.has(value?.producer?.op ?? ""))) return 0;
  const index = node.inputs.findIndex((value) => value?.producer?.op === "DequantizeLinear" && isConstantBias(value.producer));
  const dequantize = node.inputs[index]?.producer;
  if (!dequantize) return 0;
  const reals = evaluateNode(
    dequantize,
    dequantize.inputs.map((value) => value?.constant ?? null),
  )[0]!;
  graph.setInput(node, index, graph.addConstant(`${node.name}.bias`, reals));
  return 1;
}

function isConstantBias({ inputs }: Node): boolean {
  return inputs.every((value) => !value || value.constant !== null) && inputs[0]!.constant!.dtype === "int32";
}

/** Where the axis of the scales is in the node's result; null where it is no more, or the scales are in blocks. */
function axisBehind(node: Node, dequantize: Node): number | null {
  const from = typeOf(onlyOutput(dequantize)).shape;
  if (typeOf(requiredInput(dequantize, 1)).shape.length !== 1 || numberAttribute(dequantize, "block_size", 0) !== 0) return null;
  const given = numberAttribute(dequantize, "axis", 1);
  const axis = given < 0 ? given + from.length : given;
  if (node.op === "Identity") return axis;
  if (node.op === "Transpose") return permutationOf(node).indexOf(axis);
  if (!VIEWS.has(node.op)) return null;
  const to = typeOf(onlyOutput(node)).shape;
  const inner = elementCount(from.slice(axis + 1));
  const found = to.findIndex((d, i) => d === from[axis] && elementCount(to.slice(i + 1)) === inner);
  return found < 0 ? null : found;
}
