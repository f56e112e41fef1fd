/** Weights and biases in the form that steps take: rows of outputs, constants packed at load time or computed ones packed while the model runs. */
import * as Opcode from "../../format/opcodes.ts";
import * as Packing from "../../format/packings.ts";
import * as Pack from "../../format/steps/pack.ts";
import { elementCount, type Tensor } from "../../host/tensor.ts";
import { numberAttribute } from "../ir/attributes.ts";
import { type Node, requiredInput, typeOf, type Value } from "../ir/graph.ts";
import { toLastPermutation } from "../passes/channels-last.ts";
import type { Builder } from "./builder.ts";
import { type ConvolutionShape, isDepthwise } from "./convolution.ts";
import { emitWeightRows, weightsWithoutDepth } from "./depth.ts";
import type { Reference } from "./lowered.ts";
import { emitTranspose } from "./movement.ts";
import type { QuantizedWeights } from "./rescale.ts";

/** Constant int8 weights behind a DequantizeLinear with zero points 0, as rows of outputs; scales per output or per tensor. */
export function quantizedWeights(node: Node): QuantizedWeights | null {
  const dequantize = requiredInput(node, 1).producer;
  if (dequantize?.op !== "DequantizeLinear") return null;
  const [q, scale, zero] = dequantize.inputs;
  const integers = q?.constant;
  if (integers?.dtype !== "int8" || !scale?.constant || isBlocked(dequantize)) return null;
  if (zero && !zero.constant?.data.every((z) => Number(z) === 0)) return null;
  const { shape } = integers;
  if (node.op !== "Conv" && shape.length !== 2) return null;
  const transposed = node.op === "Gemm" && numberAttribute(node, "transB", 0) !== 0;
  const axis = node.op === "Conv" || transposed ? 0 : 1;
  const outputs = shape[axis]!;
  const scales = scale.constant.data as Float32Array;
  if (scales.length !== 1 && (scales.length !== outputs || shapeAxis(dequantize, shape.length) !== axis)) return null;
  const values = (
    node.op === "Conv"
      ? outputsLast(shape.length === 5 ? weightsWithoutDepth(integers) : integers)
      : transposed
        ? integers.data
        : transposedRows(integers, shape[0]!, outputs)
  ) as Int8Array;
  return { values, outputs, scales: scales.length === 1 ? new Float32Array(outputs).fill(scales[0]!) : scales };
}

function isBlocked(dequantize: Node): boolean {
  return numberAttribute(dequantize, "block_size", 0) !== 0;
}

function shapeAxis(dequantize: Node, rank: number): number {
  const axis = numberAttribute(dequantize, "axis", 1);
  return axis < 0 ? axis + rank : axis;
}

/**
 * A constant bias of one element an output: float32, or int32 in units of input scale · weight scale. Null where it is computed, or not
 * the same for all rows.
 */
export function biasTensor(value: Value, inputScale: number, scales: Float32Array): Tensor | null {
  const outputs = scales.length;
  const shape = [outputs];
  if (!isRow(typeOf(value).shape, outputs)) return null;
  const at = (data: ArrayLike<number | bigint>, o: number): number => Number(data[data.length === 1 ? 0 : o]);
  if (value.constant) {
    const { data } = value.constant;
    return { dtype: "float32", shape, data: Float32Array.from(scales, (_, o) => at(data, o)) };
  }
  const dequantize = value.producer;
  if (dequantize?.op !== "DequantizeLinear" || isBlocked(dequantize) || dequantize.inputs.some((x) => x?.constant === null)) return null;
  const [q, units, zero] = dequantize.inputs.map((x) => x?.constant ?? null) as [Tensor, Tensor, Tensor | null];
  const zeroPoint = (o: number): number => (zero ? at(zero.data, o) : 0);
  const isOwn = Array.from(scales, (s, o) => Math.abs(at(units.data, o) / (inputScale * s) - 1) < 1e-5 && zeroPoint(o) === 0).every(
    Boolean,
  );
  return isOwn && q.dtype === "int32"
    ? { dtype: "int32", shape, data: Int32Array.from(scales, (_, o) => at(q.data, o)) }
    : { dtype: "float32", shape, data: Float32Array.from(scales, (_, o) => (at(q.data, o) - zeroPoint(o)) * at(units.data, o)) };
}

/** [O][I][spatial…] → [O][spatial…][I]. */
export function outputsLast({ data, shape }: Tensor): Float32Array | Int8Array {
  const [outputs, inputs] = shape as readonly [number, number];
  const taps = elementCount(shape) / (outputs * inputs);
  const source = data as Float32Array | Int8Array;
  const result = source instanceof Int8Array ? new Int8Array(source.length) : new Float32Array(source.length);
  for (let o = 0; o < outputs; o++) {
    for (let i = 0; i < inputs; i++) {
      for (let t = 0; t < taps; t++) result[(o * taps + t) * inputs + i] = source[(o * inputs + i) * taps + t]!;
    }
  }
  return result;
}

/** [K][N] → [N][K]. */
export function transposedRows({ data }: Tensor, k: number, n: number): Float32Array & Int8Array {
  const source = data as Float32Array | Int8Array;
  const result = source instanceof Int8Array ? new Int8Array(source.length) : new Float32Array(source.length);
  for (let i = 0; i < k; i++) for (let j = 0; j < n; j++) result[j * k + i] = source[i * n + j]!;
  return result as Float32Array & Int8Array;
}

export function gemmRows(node: Node, b: Tensor): Float32Array {
  if (numberAttribute(node, "transB", 0) !== 0) return b.data as Float32Array;
  return transposedRows(b, b.shape[0]!, b.shape[1]!);
}

export function isRow(shape: readonly number[], n: number): boolean {
  return elementCount(shape) === 1 || (elementCount(shape) === n && shape[shape.length - 1] === n);
}

export function channelsReference(builder: Builder, value: Value | null, channels: number): Reference {
  if (value && !value.constant) {
    const dst = { region: builder.region(((channels + 7) & ~7) * 4), offsetBytes: 0 };
    const src = builder.reference(value);
    builder.step(Opcode.PACK, Pack, {
      SRC: src,
      DST: dst,
      PACKING: Packing.CHANNELS_32,
      SRC_BYTES: channels * 4,
      P0: channels,
      P1: 0,
      P2: 0,
    });
    return dst;
  }
  const tensor = value?.constant ?? { dtype: "float32", shape: [channels], data: new Float32Array(channels) };
  return builder.constant(Packing.CHANNELS_32, tensor, channels);
}

/** Weights that the model computes: brought into canonical order, then packed, while it runs. */
export function packAtRunTime(builder: Builder, weights: Value, shape: ConvolutionShape, deep: boolean): Reference {
  const type = typeOf(weights);
  const given = builder.reference(weights);
  const canonical = deep ? emitWeightRows(builder, given, type) : emitTranspose(builder, given, type, toLastPermutation(type.shape.length));
  const outputs = shape.output.channels;
  const taps = shape.window.kernel[1] * shape.window.kernel[2];
  const bytes = elementCount(type.shape) * 4;
  const [packing, p0, p1] = isDepthwise(shape)
    ? [Packing.DEPTHWISE_F32, outputs, taps]
    : [Packing.GEMM_F32, outputs / shape.groups, (taps * shape.input.channels) / shape.groups];
  const dst = { region: builder.region(Packing.packedBytes(packing, bytes, p0, p1, 0)), offsetBytes: 0 };
  builder.step(Opcode.PACK, Pack, { SRC: canonical, DST: dst, PACKING: packing, SRC_BYTES: bytes, P0: p0, P1: p1, P2: 0 });
  return dst;
}
