/**
 * Weights to int8: symmetric, one scale an output channel, zero point 0, values in [−127, 127], or of fewer bits in [−7, 7] and less;
 * biases to int32 in units of input scale · weight scale.
 *
 * Of eight bits the scale is that of the largest weight. Of fewer it is the one, between LEAST_RANGE of that and all of it, with the
 * least squared error: what is clipped costs less than coarse steps do.
 */
import type { Tensor } from "../../host/tensor.ts";
import { numberAttribute } from "../ir/attributes.ts";
import type { Node } from "../ir/graph.ts";
import { roundHalfEven } from "../lower/rescale.ts";
import { type WeightBits, weightLevels } from "./weight-bits.ts";

/** Steps in which a scale is searched, from the largest weight's down to LEAST_RANGE of it. */
const RANGE_STEPS = 40;
const LEAST_RANGE = 0.2;
/** A bias in its units stays below this, so that accumulators cannot overflow. */
const BIAS_LIMIT = 2 ** 29;
/** So do the magnitudes of a channel's weights before they are rounded: an input is at most 255 steps from its zero point. */
const WEIGHTS_LIMIT = 2 ** 22;

/** Weights with one scale for each index of `axis`. */
export interface QuantizedTensor {
  readonly values: Tensor;
  readonly scales: Float32Array;
}

/** The axis of a layer's weights that its outputs are on. */
export function outputAxis(node: Node): number {
  return node.op === "Conv" || numberAttribute(node, "transB", 0) !== 0 ? 0 : 1;
}

/**
 * Quantizes weights along `axis` to `bits`. A scale is at least what keeps bias and sums of its channel in
 * int32.
 */
export function quantizeWeights(
  weights: Tensor,
  axis: number,
  inputScale: number,
  bias: Float32Array | null,
  bits: WeightBits = 8,
): QuantizedTensor {
  const data = weights.data as Float32Array;
  const levels = weightLevels(bits);
  const channels = weights.shape[axis]!;
  const inner = weights.shape.slice(axis + 1).reduce((a, b) => a * b, 1);
  const channelOf = (i: number): number => Math.floor(i / inner) % channels;
  const largest = new Float64Array(channels);
  const sums = new Float64Array(channels);
  for (let i = 0; i < data.length; i++) {
    const c = channelOf(i);
    const magnitude = Math.abs(data[i]!);
    largest[c] = Math.max(largest[c]!, magnitude);
    sums[c] = sums[c]! + magnitude;
  }
  const best = bits === 8 ? largest.map((m) => m / levels) : leastSquares(data, channelOf, largest, levels);
  const scales = Float32Array.from(best, (own, c) => {
    const forBias = bias ? Math.abs(bias[c]!) / (inputScale * BIAS_LIMIT) : 0;
    const scale = Math.max(own, forBias, sums[c]! / WEIGHTS_LIMIT);
    return scale > 0 ? scale : 2 ** -20;
  });
  const values = new Int8Array(data.length);
  for (let i = 0; i < data.length; i++) values[i] = Math.max(-levels, Math.min(levels, roundHalfEven(data[i]! / scales[channelOf(i)]!)));
  return { values: { dtype: "int8", shape: weights.shape, data: values }, scales };
}

/** For each channel the scale of least squared error among those that end at a part of its largest weight. */
function leastSquares(data: Float32Array, channelOf: (i: number) => number, largest: Float64Array, levels: number): Float64Array {
  const best = largest.map((m) => m / levels);
  const least = new Float64Array(largest.length).fill(Number.POSITIVE_INFINITY);
  for (let step = 0; step <= RANGE_STEPS; step++) {
    const part = 1 - ((1 - LEAST_RANGE) * step) / RANGE_STEPS;
    const scales = largest.map((m) => (m * part) / levels);
    const errors = new Float64Array(largest.length);
    for (let i = 0; i < data.length; i++) {
      const c = channelOf(i);
      const scale = scales[c]!;
      if (scale === 0) continue;
      const error = data[i]! - Math.max(-levels, Math.min(levels, roundHalfEven(data[i]! / scale))) * scale;
      errors[c] = errors[c]! + error * error;
    }
    for (let c = 0; c < largest.length; c++) {
      if (!(errors[c]! < least[c]!)) continue;
      least[c] = errors[c]!;
      best[c] = scales[c]!;
    }
  }
  return best;
}

/**
 * The least scale of each output that keeps its bias and its sums in int32; `weights` are rows of outputs. A bias may move by a tenth.
 */
export function leastScales(weights: Float32Array, outputs: number, inputScale: number, bias: Float32Array | null): Float64Array {
  const depth = weights.length / outputs;
  return Float64Array.from({ length: outputs }, (_, o) => {
    let sum = 0;
    for (let k = o * depth; k < (o + 1) * depth; k++) sum += Math.abs(weights[k]!);
    return Math.max(sum / WEIGHTS_LIMIT, bias ? (1.1 * Math.abs(bias[o]!)) / (inputScale * BIAS_LIMIT) : 0);
  });
}

/** Quantizes a bias to int32 in units of inputScale · scales[c]. */
export function quantizeBias(bias: Float32Array, inputScale: number, scales: Float32Array): Tensor {
  const data = Int32Array.from(bias, (b, c) =>
    Math.max(-BIAS_LIMIT * 2, Math.min(BIAS_LIMIT * 2, roundHalfEven(b / (inputScale * scales[c]!)))),
  );
  return { dtype: "int32", shape: [data.length], data };
}

/** The scales of a quantized bias. */
export function biasScales(inputScale: number, scales: Float32Array): Tensor {
  return { dtype: "float32", shape: [scales.length], data: Float32Array.from(scales, (s) => Math.fround(Math.fround(inputScale) * s)) };
}
