/** BatchNormalization, InstanceNormalization, LayerNormalization and RMSNormalization. Statistics and arithmetic in float64, results rounded once. */
import { elementCount, type Tensor } from "../../host/tensor.ts";
import { badOperands } from "../errors.ts";
import { numberAttribute } from "../ir/attributes.ts";
import type { Node, ValueType } from "../ir/graph.ts";
import { broadcastIndices, broadcastShape, frontAxis } from "./axes.ts";
import type { OpDefinition } from "./definition.ts";
import { checkRank, floats, floatTensor, operandType, requiredTensor } from "./operands.ts";

/** The epsilon of ONNX's normalizations that do not state one. */
export const EPSILON: number = Math.fround(1e-5);

/** Number of channels; an operand of rank 1 has one. */
function channelCount(shape: readonly number[]): number {
  return shape.length > 1 ? shape[1]! : 1;
}

function checkChannels(node: Node, index: number, channels: number): void {
  const { shape } = operandType(node, index, ["float32"]);
  if (shape.length !== 1 || shape[0] !== channels)
    throw badOperands(node, `input ${index} is [${shape.join(", ")}]; the image has ${channels} channels.`);
}

/** Mean and population variance of `count` values. */
function statistics(count: number, at: (i: number) => number): { readonly mean: number; readonly variance: number } {
  let sum = 0;
  for (let i = 0; i < count; i++) sum += at(i);
  const mean = sum / count;
  let squares = 0;
  for (let i = 0; i < count; i++) squares += (at(i) - mean) * (at(i) - mean);
  return { mean, variance: squares / count };
}

/**
 * BatchNormalization: (x − mean) / √(variance + epsilon) · scale + bias per channel. With training_mode the statistics are the batch's own,
 * and further outputs are the running ones: running·momentum + batch·(1 − momentum).
 */
export const batchNormalization: OpDefinition = {
  name: "BatchNormalization",
  infer: (node) => {
    const x = operandType(node, 0, ["float32"]);
    checkRank(node, "the image", x.shape, 1, Infinity);
    const channels = channelCount(x.shape);
    for (let i = 1; i <= 4; i++) checkChannels(node, i, channels);
    if (node.outputs.length > 1 && !isTraining(node))
      throw badOperands(node, "it has running statistics as outputs without training_mode.");
    return node.outputs.map((_, i): ValueType => (i === 0 ? x : { dtype: "float32", shape: [channels] }));
  },
  evaluate: (node, inputs) => {
    const { shape } = requiredTensor(inputs, 0);
    const [x, scale, bias, mean, variance] = [0, 1, 2, 3, 4].map((i) => floats(inputs, i)) as [
      Float32Array,
      Float32Array,
      Float32Array,
      Float32Array,
      Float32Array,
    ];
    const channels = channelCount(shape);
    const inner = elementCount(shape.slice(2));
    const batch = shape[0]!;
    const y = new Float32Array(x.length);
    const running = [Float32Array.from(mean), Float32Array.from(variance)] as const;
    const momentum = numberAttribute(node, "momentum", Math.fround(0.9));
    for (let c = 0; c < channels; c++) {
      const place = (i: number): number => (Math.floor(i / inner) * channels + c) * inner + (i % inner);
      const count = batch * inner;
      const own = isTraining(node) ? statistics(count, (i) => x[place(i)]!) : { mean: mean[c]!, variance: variance[c]! };
      const factor = scale[c]! / Math.sqrt(own.variance + numberAttribute(node, "epsilon", EPSILON));
      for (let i = 0; i < count; i++) y[place(i)] = (x[place(i)]! - own.mean) * factor + bias[c]!;
      running[0][c] = mean[c]! * momentum + own.mean * (1 - momentum);
      running[1][c] = variance[c]! * momentum + own.variance * (1 - momentum);
    }
    return node.outputs.map((_, i) => (i === 0 ? floatTensor(shape, y) : floatTensor([channels], running[i - 1]!)));
  },
};

function isTraining(node: Node): boolean {
  return numberAttribute(node, "training_mode", 0) !== 0;
}

/** InstanceNormalization: each channel of each image by its own statistics. */
export const instanceNormalization: OpDefinition = {
  name: "InstanceNormalization",
  infer: (node) => {
    const x = operandType(node, 0, ["float32"]);
    checkRank(node, "the image", x.shape, 3, Infinity);
    checkChannels(node, 1, x.shape[1]!);
    checkChannels(node, 2, x.shape[1]!);
    return [x];
  },
  evaluate: (node, inputs) => {
    const { shape } = requiredTensor(inputs, 0);
    const [x, scale, bias] = [floats(inputs, 0), floats(inputs, 1), floats(inputs, 2)];
    const inner = elementCount(shape.slice(2));
    const y = new Float32Array(x.length);
    for (let plane = 0; plane < shape[0]! * shape[1]!; plane++) {
      const { mean, variance } = statistics(inner, (i) => x[plane * inner + i]!);
      const c = plane % shape[1]!;
      const factor = scale[c]! / Math.sqrt(variance + numberAttribute(node, "epsilon", EPSILON));
      for (let i = plane * inner; i < (plane + 1) * inner; i++) y[i] = (x[i]! - mean) * factor + bias[c]!;
    }
    return [floatTensor(shape, y)];
  },
};

/** LayerNormalization over the axes from `axis` on; further outputs are mean and 1/√(variance + epsilon). */
export const layerNormalization: OpDefinition = {
  name: "LayerNormalization",
  infer: (node) => {
    const x = operandType(node, 0, ["float32"]);
    const axis = frontAxis(node, numberAttribute(node, "axis", -1), x.shape.length);
    for (const index of node.inputs[2] ? [1, 2] : [1]) {
      const { shape } = operandType(node, index, ["float32"]);
      const common = broadcastShape(node, [shape, x.shape]);
      if (common.length !== x.shape.length || common.some((d, i) => d !== x.shape[i]))
        throw badOperands(node, `input ${index} of [${shape.join(", ")}] does not broadcast to [${x.shape.join(", ")}].`);
    }
    const reduced = x.shape.map((d, i) => (i < axis ? d : 1));
    return node.outputs.map((_, i): ValueType => (i === 0 ? x : { dtype: "float32", shape: reduced }));
  },
  evaluate: (node, inputs) => {
    const { shape } = requiredTensor(inputs, 0);
    const x = floats(inputs, 0);
    const axis = frontAxis(node, numberAttribute(node, "axis", -1), shape.length);
    const inner = elementCount(shape.slice(axis));
    const outer = elementCount(shape.slice(0, axis));
    const [scale, bias] = [places(requiredTensor(inputs, 1), shape), inputs[2] ? places(inputs[2], shape) : null];
    const y = new Float32Array(x.length);
    const means = new Float32Array(outer);
    const inverses = new Float32Array(outer);
    for (let o = 0; o < outer; o++) {
      const { mean, variance } = statistics(inner, (i) => x[o * inner + i]!);
      const inverse = 1 / Math.sqrt(variance + numberAttribute(node, "epsilon", EPSILON));
      means[o] = mean;
      inverses[o] = inverse;
      for (let i = o * inner; i < (o + 1) * inner; i++) y[i] = (x[i]! - mean) * inverse * scale(i) + (bias ? bias(i) : 0);
    }
    const reduced = shape.map((d, i) => (i < axis ? d : 1));
    return node.outputs.map((_, i) => (i === 0 ? floatTensor(shape, y) : floatTensor(reduced, i === 1 ? means : inverses)));
  },
};

/** RMSNormalization: x / √(mean x² + epsilon) · scale, over the axes from `axis` on. */
export const rmsNormalization: OpDefinition = {
  name: "RMSNormalization",
  infer: (node) => [layerNormalization.infer({ ...node, inputs: node.inputs.slice(0, 2), outputs: node.outputs.slice(0, 1) })[0]!],
  evaluate: (node, inputs) => {
    const { shape } = requiredTensor(inputs, 0);
    const x = floats(inputs, 0);
    const axis = frontAxis(node, numberAttribute(node, "axis", -1), shape.length);
    const inner = elementCount(shape.slice(axis));
    const scale = places(requiredTensor(inputs, 1), shape);
    const y = new Float32Array(x.length);
    for (let start = 0; start < x.length; start += inner) {
      let squares = 0;
      for (let i = start; i < start + inner; i++) squares += x[i]! * x[i]!;
      const inverse = 1 / Math.sqrt(squares / inner + numberAttribute(node, "epsilon", EPSILON));
      for (let i = start; i < start + inner; i++) y[i] = x[i]! * inverse * scale(i);
    }
    return [floatTensor(shape, y)];
  },
};

function places(tensor: Tensor, shape: readonly number[]): (i: number) => number {
  const indices = broadcastIndices(tensor.shape, shape);
  const data = tensor.data as Float32Array;
  return (i) => data[indices ? indices[i]! : i]!;
}
