/**
 * Removes nodes that change nothing, and makes one of consecutive ones that only rearrange.
 *
 *   f(x) = x                             Identity; Dropout; Cast to the same type; views, Expand, Tile, Slice, Pad, Concat, Split,
 *                                        Transpose and Resize that leave every element where it was; x + 0, x − 0, x · 1, x / 1
 *   Reshape(Squeeze(x)) = Reshape(x)     any two views
 *   transpose(transpose(x, p), q) = transpose(x, p[q])
 *
 * Declines for a Dropout that trains or whose mask is read.
 */
import { elementCount } from "../../host/tensor.ts";
import { numberAttribute, stringAttribute } from "../ir/attributes.ts";
import { type Graph, type Node, onlyOutput, requiredInput, typeOf, type Value } from "../ir/graph.ts";
import { affineOf, VIEWS } from "./affine.ts";
import { constantNumbers, constantScalar, type Factor, isClamped, reshapeAttributes, shapeTensor } from "./constant-operand.ts";
import { permutationOf } from "./permutation.ts";
import { bypass } from "./sole-reader.ts";

/** Removes and merges. Returns how many nodes it rewrote. */
export function removeNoOps(graph: Graph): number {
  let removed = 0;
  for (const node of [...graph.nodes]) {
    const same = unchangedOperand(graph, node);
    if (same) bypass(graph, node, same);
    if (same || mergeViews(graph, node) || mergeTransposes(graph, node) || dropEmptyParts(graph, node)) removed++;
  }
  return removed;
}

/** The operand that the node's first result equals, element by element; its other results must be unread. */
function unchangedOperand(graph: Graph, node: Node): Value | null {
  const operand = node.inputs[0];
  const [result, ...others] = node.outputs;
  if (!operand || !result || others.some((value) => value.readers.size > 0 || graph.outputs.includes(value))) return null;
  if (isNeutral(node)) return affineOf(node)!.operand;
  const from = typeOf(operand);
  const to = typeOf(result);
  if (from.dtype !== to.dtype || `${from.shape}` !== `${to.shape}`) return null;
  return keepsElements(node) ? operand : null;
}

function keepsElements(node: Node): boolean {
  const { shape } = typeOf(requiredInput(node, 0));
  if (VIEWS.has(node.op)) return true;
  switch (node.op) {
    case "Identity":
    case "Cast":
    case "CastLike":
    case "Expand":
    case "Tile":
      return true;
    case "Split":
    case "Concat":
      return (node.op === "Split" ? node.outputs : node.inputs).length === 1;
    case "Dropout":
      return node.inputs[2] === null || node.inputs[2] === undefined || constantScalar(node.inputs[2]) === 0;
    case "Transpose":
      return permutationOf(node).every((axis, i) => axis === i);
    case "Slice":
      return node.inputs[4] ? (constantNumbers(node.inputs[4])?.every((step) => step > 0) ?? false) : true;
    case "Pad":
      return constantNumbers(node.inputs[1])?.every((p) => p === 0) ?? false;
    case "Resize":
      return isUnscaled(node, shape);
    default:
      return false;
  }
}

/** Scales of exactly 1: every result lies on an element, whatever the interpolation. */
function isUnscaled(node: Node, shape: readonly number[]): boolean {
  if (
    stringAttribute(node, "coordinate_transformation_mode", "half_pixel") === "tf_crop_and_resize" ||
    numberAttribute(node, "antialias", 0) !== 0
  )
    return false;
  const scales = node.inputs[2] && elementCount(typeOf(node.inputs[2]).shape) > 0 ? constantNumbers(node.inputs[2]) : shape.map(() => 1);
  return scales?.every((s) => s === 1) ?? false;
}

function isNeutral(node: Node): boolean {
  const affine = affineOf(node);
  if (!affine || isClamped(node)) return false;
  const is = (factor: Factor | null, x: number): boolean => factor === null || factor.data.every((f) => f === x);
  return is(affine.scale, 1) && is(affine.shift, 0);
}

/** Lets a view of a view show what is behind both. Returns false, and does nothing, for other nodes. */
export function mergeViews(graph: Graph, node: Node): boolean {
  const inner = node.inputs[0]?.producer;
  if (!VIEWS.has(node.op) || !inner || !VIEWS.has(inner.op)) return false;
  const operand = requiredInput(inner, 0);
  const { shape } = typeOf(onlyOutput(node));
  if (`${typeOf(operand).shape}` === `${shape}`) {
    graph.addSources(node, inner.sources);
    bypass(graph, node, operand);
    return true;
  }
  const target = graph.addConstant(`${node.name}.shape`, shapeTensor(shape));
  graph.replace(node, {
    op: "Reshape",
    inputs: [operand, target],
    attributes: reshapeAttributes(shape),
    sources: [...new Set([...inner.sources, ...node.sources])],
  });
  return true;
}

function mergeTransposes(graph: Graph, node: Node): boolean {
  const inner = node.inputs[0]?.producer;
  if (node.op !== "Transpose" || inner?.op !== "Transpose" || node.channelsLast || inner.channelsLast) return false;
  const first = permutationOf(inner);
  const perm = permutationOf(node).map((axis) => first[axis]!);
  const operand = requiredInput(inner, 0);
  if (perm.every((axis, i) => axis === i)) {
    graph.addSources(node, inner.sources);
    bypass(graph, node, operand);
  } else
    graph.replace(node, {
      op: "Transpose",
      inputs: [operand],
      attributes: { perm },
      sources: [...new Set([...inner.sources, ...node.sources])],
    });
  return true;
}

/** Operands of a Concat that have no elements along its axis. */
function dropEmptyParts(graph: Graph, node: Node): boolean {
  if (node.op !== "Concat") return false;
  const parts = node.inputs.filter((value): value is Value => value !== null);
  const full = parts.filter((value) => elementCount(typeOf(value).shape) > 0);
  if (full.length === 0 || full.length === parts.length) return false;
  graph.replace(node, { op: "Concat", inputs: full, attributes: node.attributes, channelsLast: node.channelsLast });
  return true;
}
