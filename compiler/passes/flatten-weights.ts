/**
 * Takes the transpose away that flattening a channels-last image would need, by reordering the weights behind it once. Runs after
 * channels-last.
 *
 *   Gemm(Reshape(transpose(x, p), [N, K]), W) = Gemm(Reshape(x, [N, K]), W'),   W' the columns of W in the order of x
 *
 * Declines when weights are computed, when the transpose moves the batch, and when a value between has readers that are not such
 * products.
 */
import { elementCount, type Tensor } from "../../host/tensor.ts";
import { numberAttribute } from "../ir/attributes.ts";
import { type Graph, type Node, onlyOutput, requiredInput, typeOf, type Value } from "../ir/graph.ts";
import { VIEWS } from "./affine.ts";
import { reshapeAttributes, shapeTensor } from "./constant-operand.ts";
import { permutationOf } from "./remove-no-ops.ts";
import { soleReader } from "./sole-reader.ts";

/** Rewrites every flattened transpose in front of constant weights. Returns how many transposes went. */
export function flattenWeights(graph: Graph): number {
  let rewritten = 0;
  for (const node of [...graph.nodes]) {
    if (node.op !== "Transpose") continue;
    const view = soleReader(graph, onlyOutput(node));
    if (view && VIEWS.has(view.op) && reorder(graph, node, view)) rewritten++;
  }
  return rewritten;
}

function reorder(graph: Graph, transpose: Node, view: Node): boolean {
  const x = requiredInput(transpose, 0);
  const perm = permutationOf(transpose);
  const flat = onlyOutput(view);
  const { shape } = typeOf(flat);
  const readers = [...flat.readers];
  if (shape.length !== 2 || perm[0] !== 0 || shape[0] !== typeOf(x).shape[0]) return false;
  if (graph.outputs.includes(flat) || !readers.every((reader) => isProduct(reader, flat))) return false;
  const order = sourceOrder(typeOf(x).shape.slice(1), perm.slice(1).map((axis) => axis - 1));
  for (const reader of readers) {
    const weights = requiredInput(reader, 1);
    const depthAxis = reader.op === "Gemm" && numberAttribute(reader, "transB", 0) !== 0 ? 1 : 0;
    graph.setInput(reader, 1, graph.addConstant(weights.name, gathered(weights.constant!, depthAxis, order)));
  }
  const target = graph.addConstant(`${view.name}.shape`, shapeTensor(shape));
  const sources = [...new Set([...transpose.sources, ...view.sources])];
  graph.replace(view, { op: "Reshape", inputs: [x, target], attributes: reshapeAttributes(shape), sources });
  graph.remove(transpose);
  return true;
}

function isProduct(node: Node, flat: Value): boolean {
  const weights = node.inputs[1]?.constant;
  if (weights?.dtype !== "float32" || weights.shape.length !== 2) return false;
  if (node.inputs.filter((input) => input === flat).length !== 1 || node.inputs[0] !== flat) return false;
  return node.op === "MatMul" || (node.op === "Gemm" && numberAttribute(node, "transA", 0) === 0);
}

/** For each element of an array of `shape`, its place in the array with axes permuted by `perm`. */
function sourceOrder(shape: readonly number[], perm: readonly number[]): Int32Array {
  const permuted = perm.map((axis) => shape[axis]!);
  const strides = shape.map((_, axis) => elementCount(permuted.slice(perm.indexOf(axis) + 1)));
  return Int32Array.from({ length: elementCount(shape) }, (_, i) => {
    let rest = i;
    let place = 0;
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      place += (rest % shape[axis]!) * strides[axis]!;
      rest = Math.floor(rest / shape[axis]!);
    }
    return place;
  });
}

/** A matrix whose slices along `axis` are those of `tensor` at `order`. */
function gathered(tensor: Tensor, axis: number, order: Int32Array): Tensor {
  const [rows, columns] = tensor.shape as readonly [number, number];
  const source = tensor.data as Float32Array;
  const data = new Float32Array(source.length);
  for (let r = 0; r < rows; r++) {
    for (let c = 0; c < columns; c++) data[r * columns + c] = axis === 0 ? source[order[r]! * columns + c]! : source[r * columns + order[c]!]!;
  }
  return { ...tensor, data };
}
