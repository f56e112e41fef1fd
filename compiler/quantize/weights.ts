/**
 * Weights to int8: symmetric, one scale an output channel, zero point 0, values in [−127, 127]; biases to int32 in units of
 * input scale · weight scale.
 *
 * Pair-safe weights have a larger scale: for each output, the larger of max|w|/127 and max(|w0| + |w1|)/127.5 over its pairs, in which
 * rounding adds at most a half to each of two weights.
 */
import { PAIR_LIMIT } from "../../format/packings.ts";
import type { Tensor } from "../../host/tensor.ts";
import { numberAttribute } from "../ir/attributes.ts";
import type { Node } from "../ir/graph.ts";
import { roundHalfEven } from "../lower/rescale.ts";
import type { PackedOrder } from "./packed-order.ts";

const LEVELS = 127;
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
 * Quantizes weights along `axis`. A scale is at least what keeps bias and sums of its channel in int32, and with `pairs` what makes
 * the pairs of that order pair-safe (format/packings.ts).
 */
export function quantizeWeights(
  weights: Tensor,
  axis: number,
  inputScale: number,
  bias: Float32Array | null,
  pairs: PackedOrder | null = null,
): QuantizedTensor {
  const data = weights.data as Float32Array;
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
  const scales = Float32Array.from(largest, (m, c) => {
    const forBias = bias ? Math.abs(bias[c]!) / (inputScale * BIAS_LIMIT) : 0;
    const scale = Math.max(m / LEVELS, forBias, sums[c]! / WEIGHTS_LIMIT, pairs ? largestPair(data, c, pairs) / (PAIR_LIMIT - 0.5) : 0);
    return scale > 0 ? scale : 2 ** -20;
  });
  if (pairs)
    for (let c = 0; c < channels; c++) while (roundedPair(data, c, pairs, scales[c]!) > PAIR_LIMIT) scales[c] = scales[c]! * (1 + 2 ** -20);
  const values = new Int8Array(data.length);
  for (let i = 0; i < data.length; i++) values[i] = Math.max(-LEVELS, Math.min(LEVELS, roundHalfEven(data[i]! / scales[channelOf(i)]!)));
  return { values: { dtype: "int8", shape: weights.shape, data: values }, scales };
}

function largestPair(data: Float32Array, output: number, pairs: PackedOrder): number {
  return overPairs(output, pairs, (i) => Math.abs(data[i]!));
}

function roundedPair(data: Float32Array, output: number, pairs: PackedOrder, scale: number): number {
  return overPairs(output, pairs, (i) => Math.abs(roundHalfEven(data[i]! / scale)));
}

/** The largest sum of `magnitude` over the pairs of an output. */
function overPairs(output: number, { depth, segmentLength, index }: PackedOrder, magnitude: (index: number) => number): number {
  let largest = 0;
  for (let segment = 0; segment < depth; segment += segmentLength) {
    for (let k = segment; k + 1 < segment + segmentLength; k += 2) {
      largest = Math.max(largest, magnitude(index(output, k)) + magnitude(index(output, k + 1)));
    }
  }
  return largest;
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
