/**
 * The arithmetic of int8 steps that is done while compiling, in float32 as ONNX's QLinear operators do it, so that results
 * agree with theirs bit for bit.
 */
import type { Tensor } from "../../host/tensor.ts";
import type { QuantizedOperand } from "./builder.ts";

const f = Math.fround;

/** |accumulator · scale| below this lets a kernel round by adding 1.5·2²³. */
const ROUNDING_LIMIT = 2 ** 22;

/** Rounds half to even. Exact for |x| < 2⁵². */
export function roundHalfEven(x: number): number {
  const floor = Math.floor(x);
  const rest = x - floor;
  if (rest !== 0.5) return Math.round(x);
  return floor % 2 === 0 ? floor : floor + 1;
}

/** The int8 bounds of a clamp in real numbers. */
export function quantizedClamp(
  low: number,
  high: number,
  scale: number,
  zeroPoint: number,
): { readonly min: number; readonly max: number } {
  const bound = (x: number): number => Math.max(-128, Math.min(127, roundHalfEven(f(x / scale)) + zeroPoint));
  return { min: low === -Infinity ? -128 : bound(low), max: high === Infinity ? 127 : bound(high) };
}

/** Weights of a layer in int8: [outputs][depth] row-major, one scale an output, zero points 0. */
export interface QuantizedWeights {
  readonly values: Int8Array;
  readonly outputs: number;
  readonly scales: Float32Array;
}

/** What an int8 layer adds to its accumulators and multiplies them by. */
export interface Rescale {
  /** bias − zero point · Σ weights */
  readonly bias: Int32Array;
  /** input scale · weight scale / output scale */
  readonly scale: Float32Array;
  /** |accumulator · scale| < 2²² for every input. */
  readonly isBounded: boolean;
}

/**
 * Folds the input's zero point into the bias, and the three scales into one. `result` null: real outputs, no rounding. Null where an
 * input could make a sum that int32 does not hold; on the way to a sum that it holds, overflow does no harm.
 */
export function rescale(
  input: QuantizedOperand,
  weights: QuantizedWeights,
  bias: Int32Array,
  result: QuantizedOperand | null,
): Rescale | null {
  const depth = weights.values.length / weights.outputs;
  const folded = new Int32Array(weights.outputs);
  const scale = new Float32Array(weights.outputs);
  const reach = Math.max(127 - input.zeroPoint, input.zeroPoint + 128);
  let isBounded = true;
  for (let o = 0; o < weights.outputs; o++) {
    let sum = 0;
    let magnitude = 0;
    for (let k = o * depth; k < (o + 1) * depth; k++) {
      sum += weights.values[k]!;
      magnitude += Math.abs(weights.values[k]!);
    }
    if (Math.abs(bias[o]!) + magnitude * reach >= 2 ** 31) return null;
    folded[o] = bias[o]! - input.zeroPoint * sum;
    const product = f(f(input.scale) * weights.scales[o]!);
    scale[o] = result ? f(product / f(result.scale)) : product;
    if ((magnitude * reach + Math.abs(bias[o]!)) * scale[o]! >= ROUNDING_LIMIT) isBounded = false;
  }
  return { bias: folded, scale, isBounded };
}

/** A bias in units of input scale · weight scale: already so (int32), or rounded from float32. */
export function integerBias(bias: Tensor | null, inputScale: number, scales: Float32Array): Int32Array {
  if (!bias) return new Int32Array(scales.length);
  if (bias.dtype === "int32") return bias.data as Int32Array;
  return Int32Array.from(scales, (s, o) => {
    const units = roundHalfEven(Number(bias.data[o]) / (inputScale * s));
    return Math.max(-(2 ** 30), Math.min(2 ** 30, units));
  });
}
