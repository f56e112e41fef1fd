/**
 * Takes the transpose away that flattening a channels-last image would need, by reordering the weights behind it once. Runs after
 * channels-last, on float and on quantized graphs.
 *
 *   Gemm(Reshape(transpose(x, p), [N, K]), W) = Gemm(Reshape(x, [N, K]), W'),   W' the columns of W in the order of x
 *
 * Functions of single elements may stand between, QuantizeLinear and DequantizeLinear of whole tensors among them. Declines when
 * weights are computed, when the transpose moves the batch, and when a value between has readers that are not such products.
 */
import { elementCount, type Tensor, type TypedArray } from "../../host/tensor.ts";
import { numberAttribute } from "../ir/attributes.ts";
import { type Graph, type Node, onlyOutput, requiredInput, typeOf, type Value } from "../ir/graph.ts";
import { VIEWS } from "./affine.ts";
import { reshapeAttributes, shapeTensor } from "./constant-operand.ts";
import { permutationOf } from "./permutation.ts";
import { mergeViews } from "./remove-no-ops.ts";
import { soleReader } from "./sole-reader.ts";

const UNARY = new Set(
  "Relu Clip LeakyRelu Sigmoid Tanh HardSwish HardSigmoid eqm:Silu Elu Gelu Softplus Erf Sqrt Exp Log Neg Abs".split(" "),
);

/** Rewrites every flattened transpose in front of constant weights, and makes one of views in a row. Returns how many nodes went. */
export function flattenWeights(graph: Graph): number {
  let rewritten = 0;
  for (const node of [...graph.nodes]) {
    const inner = node.inputs[0]?.producer;
    if (!inner || !VIEWS.has(node.op) || !soleReader(graph, onlyOutput(inner))) continue;
    if (VIEWS.has(inner.op) && mergeViews(graph, node)) {
      graph.remove(inner);
      rewritten++;
    } else if (inner.op === "Transpose" && reorder(graph, inner, node)) rewritten++;
  }
  return rewritten;
}

function reorder(graph: Graph, transpose: Node, view: Node): boolean {
  const x = requiredInput(transpose, 0);
  const perm = permutationOf(transpose);
  const { shape } = typeOf(onlyOutput(view));
  if (shape.length !== 2 || perm[0] !== 0 || shape[0] !== typeOf(x).shape[0]) return false;
  const products = productsBehind(graph, onlyOutput(view));
  if (!products) return false;
  const order = sourceOrder(
    typeOf(x).shape.slice(1),
    perm.slice(1).map((axis) => axis - 1),
  );
  for (const product of products) reorderWeights(graph, product, order);
  const target = graph.addConstant(`${view.name}.shape`, shapeTensor(shape));
  const sources = [...new Set([...transpose.sources, ...view.sources])];
  graph.replace(view, { op: "Reshape", inputs: [x, target], attributes: reshapeAttributes(shape), sources });
  graph.remove(transpose);
  return true;
}

/** The products that `value` reaches through functions of single elements; null where it reaches anything else. */
function productsBehind(graph: Graph, value: Value): readonly Node[] | null {
  if (graph.outputs.includes(value)) return null;
  const products: Node[] = [];
  for (const reader of value.readers) {
    if (reader.inputs.some((input, i) => input === value && i > 0)) return null;
    if (isElementwise(reader)) {
      const behind = productsBehind(graph, onlyOutput(reader));
      if (!behind) return null;
      products.push(...behind);
    } else if (isProduct(reader)) products.push(reader);
    else return null;
  }
  return products;
}

function isElementwise(node: Node): boolean {
  const isQuantizing = node.op === "QuantizeLinear" || node.op === "DequantizeLinear";
  return (isQuantizing && elementCount(typeOf(requiredInput(node, 1)).shape) === 1) || UNARY.has(node.op);
}

function isProduct(node: Node): boolean {
  if (node.op !== "MatMul" && (node.op !== "Gemm" || numberAttribute(node, "transA", 0) !== 0)) return false;
  const weights = requiredInput(node, 1);
  if (typeOf(weights).shape.length !== 2) return false;
  if (weights.constant) return true;
  const dequantize = weights.producer;
  if (dequantize?.op !== "DequantizeLinear" || dequantize.inputs.some((value) => value !== null && value.constant === null)) return false;
  if (elementCount(typeOf(requiredInput(dequantize, 1)).shape) === 1) return true;
  const axis = numberAttribute(dequantize, "axis", 1);
  return typeOf(requiredInput(dequantize, 1)).shape.length === 1 && (axis < 0 ? axis + 2 : axis) !== depthAxis(node);
}

/** The axis of the weights that is summed over. */
function depthAxis(node: Node): 0 | 1 {
  return node.op === "Gemm" && numberAttribute(node, "transB", 0) !== 0 ? 1 : 0;
}

function reorderWeights(graph: Graph, product: Node, order: Int32Array): void {
  const weights = requiredInput(product, 1);
  const reordered = (value: Value): Value => graph.addConstant(value.name, gathered(value.constant!, depthAxis(product), order));
  if (weights.constant) {
    graph.setInput(product, 1, reordered(weights));
    return;
  }
  const { op, name, inputs, attributes, sources } = weights.producer!;
  const dequantize = graph.add(
    {
      op,
      name,
      inputs: [reordered(inputs[0]!), ...inputs.slice(1)],
      attributes,
      sources,
      outputs: [{ name: weights.name, type: weights.type }],
    },
    product,
  );
  graph.setInput(product, 1, onlyOutput(dequantize));
  if (weights.readers.size === 0 && !graph.outputs.includes(weights)) graph.remove(weights.producer!);
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
function gathered({ dtype, shape, data: source }: Tensor, axis: 0 | 1, order: Int32Array): Tensor {
  const columns = shape[1]!;
  const data: TypedArray = source.slice();
  for (let i = 0; i < data.length; i++) {
    const [row, column] = [Math.floor(i / columns), i % columns];
    data[i] = source[axis === 0 ? order[row]! * columns + column : row * columns + order[column]!]!;
  }
  return { dtype, shape, data };
}
