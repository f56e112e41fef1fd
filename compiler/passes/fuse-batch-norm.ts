/**
 * Folds BatchNormalization into the Conv or Gemm that feeds it.
 *
 *   y = γ · (conv(x, W) + b − μ) / √(σ² + ε) + β
 *     = conv(x, W · s) + (b − μ) · s + β,   s = γ / √(σ² + ε) per output channel
 *
 * Arithmetic in float64, results rounded once. Declines when the convolution has another reader, is already clamped, or when
 * weights or statistics are not constant. A BatchNormalization with no such producer becomes a 1×1 depthwise Conv (images) or
 * Mul and Add.
 */
import type { Tensor } from "../../host/tensor.ts";
import { numberAttribute } from "../ir/attributes.ts";
import { type Graph, type Node, onlyOutput, requiredInput, typeOf, type Value } from "../ir/graph.ts";

/** Per channel: y = scale·x + shift. */
interface Affine {
  readonly scale: Float64Array;
  readonly shift: Float64Array;
}

/** Folds every BatchNormalization in inference form with constant statistics. Returns how many. */
export function fuseBatchNorm(graph: Graph): number {
  let fused = 0;
  for (const node of [...graph.nodes]) {
    if (node.op !== "BatchNormalization" || node.outputs.length !== 1) continue;
    const affine = affineOf(node);
    if (!affine) continue;
    if (!foldBackward(graph, node, affine) && !foldForward(graph, node, affine)) standAlone(graph, node, affine);
    fused++;
  }
  return fused;
}

function affineOf(node: Node): Affine | null {
  if (numberAttribute(node, "training_mode", 0) !== 0) return null;
  const [gamma, beta, mean, variance] = [1, 2, 3, 4].map((i) => requiredInput(node, i).constant?.data as Float32Array | undefined);
  if (!gamma || !beta || !mean || !variance) return null;
  const epsilon = numberAttribute(node, "epsilon", 1e-5);
  const scale = Float64Array.from(gamma, (g, i) => g / Math.sqrt(variance[i]! + epsilon));
  const shift = Float64Array.from(beta, (b, i) => b - mean[i]! * scale[i]!);
  return { scale, shift };
}

function foldBackward(graph: Graph, node: Node, { scale, shift }: Affine): boolean {
  const value = requiredInput(node, 0);
  const producer = value.producer;
  if (!producer || value.readers.size !== 1 || graph.outputs.includes(value)) return false;
  if (producer.attributes.clampMin !== undefined || producer.attributes.clampMax !== undefined) return false;
  const weights = producer.inputs[1]?.constant;
  const bias = producer.inputs[2];
  if (!weights || (bias && !bias.constant)) return false;
  const channels = scale.length;
  let scaled: Tensor;
  if (producer.op === "Conv") {
    scaled = scaleAxis(weights, 0, scale);
  } else if (producer.op === "Gemm" && numberAttribute(producer, "alpha", 1) === 1 && numberAttribute(producer, "beta", 1) === 1) {
    if (bias && bias.constant!.data.length !== channels) return false;
    scaled = scaleAxis(weights, numberAttribute(producer, "transB", 0) ? 0 : 1, scale);
  } else {
    return false;
  }
  const oldBias = bias?.constant?.data as Float32Array | undefined;
  const newBias = Float32Array.from(shift, (t, i) => (oldBias ? oldBias[i]! * scale[i]! : 0) + t);
  graph.setInput(producer, 1, graph.addConstant(requiredInput(producer, 1).name, scaled));
  graph.setInput(producer, 2, graph.addConstant(bias?.name ?? `${producer.name}.bias`, { dtype: "float32", shape: [channels], data: newBias }));
  graph.addSources(producer, node.sources);
  graph.replaceUses(onlyOutput(node), value);
  graph.remove(node);
  return true;
}

/**
 * Folds into the Gemm behind it, across Flatten or Reshape: x·s + t before W is x before s·W, and t·W joins the bias. Into a
 * Conv only where it pads nothing, for the padding would have to be −t/s.
 */
function foldForward(graph: Graph, node: Node, { scale, shift }: Affine): boolean {
  const shape = typeOf(onlyOutput(node)).shape;
  const path = soleReader(graph, onlyOutput(node));
  const flatten = path && (path.op === "Flatten" || path.op === "Reshape") ? path : null;
  const consumer = flatten ? soleReader(graph, onlyOutput(flatten)) : path;
  if (!consumer || requiredInput(consumer, 0) !== onlyOutput(flatten ?? node)) return false;
  const weights = consumer.inputs[1]?.constant;
  const bias = consumer.inputs[2];
  if (!weights || (bias && !bias.constant)) return false;
  const inner = flatten ? shape.slice(2).reduce((a, b) => a * b, 1) : 1;
  const depth = scale.length * inner;
  if (consumer.op === "Gemm") {
    if (numberAttribute(consumer, "transA", 0) || numberAttribute(consumer, "alpha", 1) !== 1 || numberAttribute(consumer, "beta", 1) !== 1) return false;
    const flat = typeOf(requiredInput(consumer, 0)).shape;
    if (flat.length !== 2 || flat[1] !== depth || flat[0] !== shape[0]) return false;
    const transposed = numberAttribute(consumer, "transB", 0) !== 0;
    const outputs = weights.shape[transposed ? 0 : 1]!;
    if (bias && bias.constant!.data.length !== outputs) return false;
    const w = weights.data as Float32Array;
    const scaled = new Float32Array(w.length);
    const extra = new Float64Array(outputs);
    for (let k = 0; k < depth; k++) {
      const c = Math.floor(k / inner);
      for (let n = 0; n < outputs; n++) {
        const at = transposed ? n * depth + k : k * outputs + n;
        scaled[at] = w[at]! * scale[c]!;
        extra[n] = extra[n]! + w[at]! * shift[c]!;
      }
    }
    return rewire(graph, node, consumer, { dtype: "float32", shape: weights.shape, data: scaled }, extra);
  }
  const pads = consumer.attributes.pads as readonly number[] | undefined;
  const noPads = (!pads || pads.every((p) => p === 0)) && (consumer.attributes.auto_pad ?? "NOTSET") === "NOTSET";
  if (consumer.op !== "Conv" || flatten || !noPads || numberAttribute(consumer, "group", 1) !== 1) return false;
  const scaled = scaleAxis(weights, 1, scale);
  const outputs = weights.shape[0]!;
  const taps = weights.data.length / (outputs * scale.length);
  const extra = new Float64Array(outputs);
  const w = weights.data as Float32Array;
  for (let i = 0; i < w.length; i++) {
    const n = Math.floor(i / (taps * scale.length));
    extra[n] = extra[n]! + w[i]! * shift[Math.floor(i / taps) % scale.length]!;
  }
  return rewire(graph, node, consumer, scaled, extra);
}

function rewire(graph: Graph, node: Node, consumer: Node, weights: Tensor, extra: Float64Array): boolean {
  const bias = consumer.inputs[2]?.constant?.data as Float32Array | undefined;
  const data = Float32Array.from(extra, (e, i) => (bias ? bias[i]! : 0) + e);
  graph.setInput(consumer, 1, graph.addConstant(requiredInput(consumer, 1).name, weights));
  graph.setInput(consumer, 2, graph.addConstant(consumer.inputs[2]?.name ?? `${consumer.name}.bias`, { dtype: "float32", shape: [data.length], data }));
  graph.addSources(consumer, node.sources);
  graph.replaceUses(onlyOutput(node), requiredInput(node, 0));
  graph.remove(node);
  return true;
}

function standAlone(graph: Graph, node: Node, { scale, shift }: Affine): void {
  const x = requiredInput(node, 0);
  const { shape } = typeOf(x);
  const channels = scale.length;
  const constant = (name: string, data: Float64Array, dims: readonly number[]): Value =>
    graph.addConstant(`${node.name}.${name}`, { dtype: "float32", shape: dims, data: Float32Array.from(data) });
  if (shape.length === 3 || shape.length === 4) {
    const kernel = shape.slice(2).map(() => 1);
    graph.replace(node, {
      op: "Conv",
      inputs: [x, constant("scale", scale, [channels, 1, ...kernel]), constant("shift", shift, [channels])],
      attributes: { group: channels, kernel_shape: kernel },
    });
    return;
  }
  const dims = [channels, ...shape.slice(2).map(() => 1)];
  const product = graph.add(
    {
      op: "Mul",
      name: `${node.name}.scale`,
      inputs: [x, constant("scale", scale, dims)],
      sources: node.sources,
      outputs: [{ name: `${onlyOutput(node).name}.scaled`, type: typeOf(x) }],
    },
    node,
  );
  graph.replace(node, { op: "Add", inputs: [onlyOutput(product), constant("shift", shift, dims)] });
}

function soleReader(graph: Graph, value: Value): Node | null {
  if (value.readers.size !== 1 || graph.outputs.includes(value)) return null;
  return [...value.readers][0]!;
}

/** `tensor` with every slice along `axis` multiplied by its factor. */
function scaleAxis(tensor: Tensor, axis: number, factors: Float64Array): Tensor {
  const inner = tensor.shape.slice(axis + 1).reduce((a, b) => a * b, 1);
  const source = tensor.data as Float32Array;
  const data = new Float32Array(source.length);
  for (let i = 0; i < source.length; i++) data[i] = source[i]! * factors[Math.floor(i / inner) % factors.length]!;
  return { dtype: "float32", shape: tensor.shape, data };
}
