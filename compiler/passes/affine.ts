/**
 * Folds y = s·x + t, s and t constant for each channel, into the Conv or Gemm before or behind it. Arithmetic in float64, results
 * rounded once; constants are replaced, never changed, since others may read them.
 *
 *   s · (W ∗ x + b) + t = (s·W) ∗ x + (s·b + t)          s scales the rows of W, one for each output channel
 *   W ∗ (s·x + t) + b   = (W·s) ∗ x + (b + Σ W·t)        s scales W along its input channels
 *
 * The second holds in a Conv that pads with zeros only for t = 0, for its padding would have to be −t/s.
 *
 * Declines where the value between has another reader or is an output, where weights or bias are computed (or the bias is not one
 * number for each output), where a clamp stands between, and where a result would not be finite.
 */
import { elementCount, type Tensor } from "../../host/tensor.ts";
import { numberAttribute } from "../ir/attributes.ts";
import { type Graph, type Node, onlyOutput, requiredInput, typeOf, type Value } from "../ir/graph.ts";
import { alongAxis, alongTrailing, constantFactor, type Factor, isClamped, mapFactor } from "./constant-operand.ts";
import { bypass, soleReader } from "./sole-reader.ts";
import { padsNothing } from "./window-pads.ts";

/** `node` computes scale·operand + shift; null is 1 or 0. Factors broadcast to the result without enlarging it. */
export interface Affine {
  readonly node: Node;
  readonly operand: Value;
  readonly scale: Factor | null;
  readonly shift: Factor | null;
}

/** Ops that only change the shape; all elements stay in their order. */
export const VIEWS: ReadonlySet<string> = new Set(["Reshape", "Flatten", "Squeeze", "Unsqueeze"]);

/** What Add, Sub, Mul or Div with one float32 constant computes; null for others, and where the constant enlarges the result. */
export function affineOf(node: Node): Affine | null {
  if (!["Add", "Sub", "Mul", "Div"].includes(node.op)) return null;
  const [a, b] = [requiredInput(node, 0), requiredInput(node, 1)];
  const first = constantFactor(a);
  const factor = first ?? constantFactor(b);
  const operand = first ? b : a;
  if (!factor || operand.constant || `${typeOf(operand).shape}` !== `${typeOf(onlyOutput(node)).shape}`) return null;
  const minusOne = { shape: [], data: Float64Array.of(-1) };
  switch (node.op) {
    case "Add":
      return { node, operand, scale: null, shift: factor };
    case "Sub":
      return first
        ? { node, operand, scale: minusOne, shift: factor }
        : { node, operand, scale: null, shift: mapFactor(factor, (x) => -x) };
    case "Mul":
      return { node, operand, scale: factor, shift: null };
    default:
      return first ? null : { node, operand, scale: mapFactor(factor, (x) => 1 / x), shift: null };
  }
}

/** Folds into the Conv or Gemm before it, also across one view. The node goes; its clamp, if it has one, moves. */
export function foldIntoProducer(graph: Graph, { node, operand, scale, shift }: Affine): boolean {
  const found = producerOf(graph, operand);
  if (!found || isClamped(found.producer)) return false;
  const { producer, axis } = found;
  const { shape } = typeOf(operand);
  const s = scale && alongAxis(scale, shape, axis);
  const t = shift && alongAxis(shift, shape, axis);
  if ((scale && !s) || (shift && !t)) return false;
  const bias = biasOf(producer, shape[axis]!);
  const weights = constantFloats(producer.inputs[1]);
  if (!bias || (s && (!weights || producer.op === "ConvTranspose"))) return false;
  const isRow = producer.op === "Conv" || numberAttribute(producer, "transB", 0) !== 0;
  const scaled = s && scaleAxis(weights!, isRow ? 0 : 1, s);
  if (
    !setWeights(
      graph,
      producer,
      scaled,
      bias.map((b, i) => b * (s ? s[i]! : 1) + (t ? t[i]! : 0)),
    )
  )
    return false;
  graph.setAttributes(producer, { clampMin: node.attributes.clampMin, clampMax: node.attributes.clampMax });
  graph.addSources(producer, node.sources);
  bypass(graph, node, operand);
  return true;
}

/** Folds into the Conv or Gemm behind it; into a Gemm also across a view to its rows. The node goes. */
export function foldIntoConsumer(graph: Graph, { node, operand, scale, shift }: Affine): boolean {
  if (isClamped(node)) return false;
  const value = onlyOutput(node);
  const reader = soleReader(graph, value);
  const view = reader && VIEWS.has(reader.op) ? reader : null;
  const consumer = view ? soleReader(graph, onlyOutput(view)) : reader;
  const weights = constantFloats(consumer?.inputs[1]);
  if (!consumer || !weights || consumer.inputs[0] !== onlyOutput(view ?? node)) return false;
  const { shape } = typeOf(value);
  const layout =
    consumer.op === "Conv" && !view && (!shift || padsNothing(consumer))
      ? convInputs(consumer, weights, shape)
      : consumer.op === "Gemm"
        ? gemmInputs(consumer, weights, shape)
        : null;
  if (!layout) return false;
  const s = scale && layout.perInput(scale);
  const t = shift && layout.perInput(shift);
  const bias = biasOf(consumer, layout.outputs);
  if ((scale && !s) || (shift && !t) || !bias) return false;
  const source = weights.data as Float32Array;
  const scaled = s && Float32Array.from(source, (w, i) => w * s[layout.input(i)]!);
  const alpha = consumer.op === "Gemm" ? numberAttribute(consumer, "alpha", 1) : 1;
  const total = Float64Array.from(bias);
  if (t)
    for (let i = 0; i < source.length; i++) total[layout.output(i)] = total[layout.output(i)]! + alpha * source[i]! * t[layout.input(i)]!;
  if (!setWeights(graph, consumer, scaled && { ...weights, data: scaled }, total)) return false;
  graph.addSources(consumer, node.sources);
  graph.replaceUses(value, operand);
  graph.remove(node);
  return true;
}

/** The Conv or Gemm whose result, perhaps seen through a view, nobody but the caller reads; `axis` of `value` is its output channel. */
function producerOf(graph: Graph, value: Value): { readonly producer: Node; readonly axis: number } | null {
  if (!soleReader(graph, value) || !value.producer) return null;
  const view = VIEWS.has(value.producer.op) ? value.producer : null;
  const result = view ? requiredInput(view, 0) : value;
  const producer = result.producer;
  if (
    !producer ||
    !["Conv", "ConvTranspose", "Gemm"].includes(producer.op) ||
    producer.channelsLast ||
    (view && !soleReader(graph, result))
  )
    return null;
  const from = typeOf(result).shape;
  const { shape } = typeOf(value);
  const inner = elementCount(from.slice(2));
  const axis = view ? shape.findIndex((d, i) => d === from[1] && elementCount(shape.slice(i + 1)) === inner) : 1;
  return axis < 0 || typeOf(result).dtype !== "float32" ? null : { producer, axis };
}

interface InputLayout {
  readonly outputs: number;
  /** A factor's value for each input channel of the node. */
  readonly perInput: (factor: Factor) => Float64Array | null;
  /** Input and output channel of an element of the weights. */
  readonly input: (element: number) => number;
  readonly output: (element: number) => number;
}

/** [O][I of a group][taps]. */
function convInputs(node: Node, { shape: [outputs, inputs], data }: Tensor, shape: readonly number[]): InputLayout | null {
  if (node.channelsLast || !outputs || !inputs) return null;
  const taps = data.length / (outputs * inputs);
  const perGroup = outputs / numberAttribute(node, "group", 1);
  const output = (i: number): number => Math.floor(i / (taps * inputs));
  return {
    outputs,
    perInput: (factor) => alongAxis(factor, shape, 1),
    output,
    input: (i) => Math.floor(output(i) / perGroup) * inputs + (Math.floor(i / taps) % inputs),
  };
}

/** [K][N], or [N][K] with transB. The rows are the trailing axes of `shape`. */
function gemmInputs(node: Node, { shape: dims }: Tensor, shape: readonly number[]): InputLayout | null {
  if (numberAttribute(node, "transA", 0) !== 0) return null;
  const isTransposed = numberAttribute(node, "transB", 0) !== 0;
  const [depth, outputs] = (isTransposed ? [dims[1], dims[0]] : dims) as readonly [number, number];
  let first = shape.length;
  while (first > 0 && elementCount(shape.slice(first)) < depth) first--;
  if (elementCount(shape.slice(first)) !== depth) return null;
  return {
    outputs,
    perInput: (factor) => alongTrailing(factor, shape, first),
    input: (i) => (isTransposed ? i % depth : Math.floor(i / outputs)),
    output: (i) => (isTransposed ? Math.floor(i / depth) : i % outputs),
  };
}

/** The bias for each of `outputs`, Gemm's beta included; zeros where there is none, null where it is computed or varies by row. */
export function biasOf(node: Node, outputs: number): Float64Array | null {
  const value = node.inputs[2];
  if (!value) return new Float64Array(outputs);
  const factor = constantFactor(value);
  const beta = node.op === "Gemm" ? numberAttribute(node, "beta", 1) : 1;
  return factor && (alongAxis(factor, [1, outputs], 1)?.map((b) => b * beta) ?? null);
}

/**
 * Gives a Conv or Gemm new weights (null: as they are) and a bias with beta 1, which is left out where it is 0 and there was none.
 * Returns false, and does nothing, where they are not finite.
 */
export function setWeights(graph: Graph, node: Node, weights: Tensor | null, bias: Float64Array): boolean {
  const data = Float32Array.from(bias);
  if (!data.every(Number.isFinite) || (weights && !(weights.data as Float32Array).every(Number.isFinite))) return false;
  if (weights) graph.setInput(node, 1, graph.addConstant(requiredInput(node, 1).name, weights));
  if (node.inputs[2] || data.some((b) => b !== 0)) {
    graph.setInput(
      node,
      2,
      graph.addConstant(node.inputs[2]?.name ?? `${node.name}.bias`, { dtype: "float32", shape: [data.length], data }),
    );
  }
  graph.setAttributes(node, { beta: undefined });
  return true;
}

function constantFloats(value: Value | null | undefined): Tensor | null {
  return value?.constant?.dtype === "float32" ? value.constant : null;
}

/** `tensor` with every slice along `axis` multiplied by its factor. */
function scaleAxis(tensor: Tensor, axis: number, factors: Float64Array): Tensor {
  const inner = elementCount(tensor.shape.slice(axis + 1));
  const data = Float32Array.from(tensor.data as Float32Array, (w, i) => w * factors[Math.floor(i / inner) % factors.length]!);
  return { ...tensor, data };
}
