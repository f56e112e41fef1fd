/** Lowering rules of Conv, Gemm and MatMul. */
import { FLOAT32, INT8 } from "../../format/dtypes.ts";
import * as Opcode from "../../format/opcodes.ts";
import * as Packing from "../../format/packings.ts";
import * as MatMulF32 from "../../format/steps/matmul-f32.ts";
import * as MatMulI8 from "../../format/steps/matmul-i8.ts";
import * as Pack from "../../format/steps/pack.ts";
import { elementCount, type Tensor } from "../../host/tensor.ts";
import { numberAttribute } from "../ir/attributes.ts";
import { type Node, onlyOutput, requiredInput, typeOf, type Value } from "../ir/graph.ts";
import { toLastPermutation } from "../passes/channels-last.ts";
import { type Builder, type QuantizedOperand, quantizedOperand, quantizedResult } from "./builder.ts";
import { type ConvolutionShape, emitConvF32, emitConvI8, fullyConnected, isDepthwise } from "./convolution.ts";
import { emitSlices, emitWeightRows, hasDepth, weightsWithoutDepth, withoutDepth } from "./depth.ts";
import { clampOf, imageShape, windowOf } from "./geometry.ts";
import { floatBits, type Reference } from "./lowered.ts";
import { emitBroadcastBinary, emitTranspose } from "./movement.ts";
import { integerBias, type QuantizedWeights, quantizedClamp, rescale } from "./rescale.ts";

/** Int8 Conv, Gemm and MatMul: int8 operands, and an int8 or a float32 result. Returns false where the node is not of that kind. */
export function lowerWeightedI8(builder: Builder, node: Node): boolean {
  const x = quantizedOperand(requiredInput(node, 0));
  if (!x) return false;
  const result = quantizedResult(onlyOutput(node));
  const weights = quantizedWeights(node);
  if (!weights) return node.op === "MatMul" && lowerMatMulI8(builder, node, x, result);
  const biasValue = node.inputs[2] ?? null;
  const bias = biasValue ? biasTensor(biasValue, x.scale, weights.scales) : null;
  if (biasValue && !bias) return false;
  const shape = weightedShape(node, weights.outputs);
  if (!shape || hasDepth(shape)) return false;
  const arithmetic = rescale(x, weights, integerBias(bias, x.scale, weights.scales), result);
  const src = builder.reference(x.value);
  const dst = builder.define(result ? result.value : onlyOutput(node));
  emitConvI8(builder, shape, src, dst, weights, arithmetic, x.zeroPoint, clampOf(node), result);
  return true;
}

/** Float32 Conv, Gemm and MatMul. */
export function lowerWeightedF32(builder: Builder, node: Node): void {
  if (node.op === "Conv") lowerConvF32(builder, node);
  else if (node.op === "Gemm") lowerGemmF32(builder, node);
  else lowerMatMulF32(builder, node);
}

function lowerConvF32(builder: Builder, node: Node): void {
  const weights = requiredInput(node, 1);
  const whole = convolutionShape(node, typeOf(weights).shape[0]!);
  const deep = hasDepth(whole);
  const shape = deep ? withoutDepth(whole) : whole;
  const image = builder.reference(requiredInput(node, 0));
  const src = deep ? emitSlices(builder, image, whole) : image;
  const bias = channelsReference(builder, node.inputs[2] ?? null, shape.output.channels);
  const packed = weights.constant
    ? (outputsLast(deep ? weightsWithoutDepth(weights.constant) : weights.constant) as Float32Array)
    : packAtRunTime(builder, weights, shape, deep);
  emitConvF32(builder, shape, src, builder.define(onlyOutput(node)), packed, bias, clampOf(node));
}

function lowerGemmF32(builder: Builder, node: Node): void {
  const [a, b, c] = [requiredInput(node, 0), requiredInput(node, 1), node.inputs[2] ?? null];
  const alpha = numberAttribute(node, "alpha", 1);
  const beta = numberAttribute(node, "beta", 1);
  const transA = numberAttribute(node, "transA", 0) !== 0;
  const [m, n] = typeOf(onlyOutput(node)).shape as [number, number];
  const k = typeOf(a).shape[transA ? 0 : 1]!;
  const src = transA ? emitTranspose(builder, builder.reference(a), typeOf(a), [1, 0]) : builder.reference(a);
  const bias = c?.constant && isRow(typeOf(c).shape, n) ? c.constant : null;
  if (b.constant && (!c || bias) && k > 0) {
    const scaled = Float32Array.from(gemmRows(node, b.constant), (x) => x * alpha);
    const data = new Float32Array(n);
    if (bias) for (let i = 0; i < n; i++) data[i] = Number(bias.data[bias.data.length === 1 ? 0 : i]) * beta;
    const place = builder.constant(Packing.CHANNELS_32, { dtype: "float32", shape: [n], data }, n);
    emitConvF32(builder, fullyConnected(m, k, n), src, builder.define(onlyOutput(node)), scaled, place, clampOf(node));
    return;
  }
  const clamp = clampOf(node);
  const product = c ? { region: builder.region(m * n * 4), offsetBytes: 0 } : builder.define(onlyOutput(node));
  emitMatMulF32(builder, src, builder.reference(b), product, {
    batches: [1, 1],
    sizes: [m, n, k],
    a: [0, 0],
    b: [0, 0],
    isTransposed: numberAttribute(node, "transB", 0) !== 0,
    alpha,
    clamp: c ? { low: -Infinity, high: Infinity } : clamp,
  });
  if (!c) return;
  const type = { dtype: "float32", shape: [m, n] } as const;
  let addend = builder.reference(c);
  if (beta !== 1) {
    const scaled = { region: builder.region(elementCount(typeOf(c).shape) * 4), offsetBytes: 0 };
    const factor = builder.constant(Packing.COPY, { dtype: "float32", shape: [], data: Float32Array.of(beta) });
    emitBroadcastBinary(
      builder,
      "MUL",
      { reference: addend, type: typeOf(c) },
      { reference: factor, type: { dtype: "float32", shape: [] } },
      scaled,
      typeOf(c),
      { low: -Infinity, high: Infinity },
    );
    addend = scaled;
  }
  emitBroadcastBinary(
    builder,
    "ADD",
    { reference: product, type },
    { reference: addend, type: typeOf(c) },
    builder.define(onlyOutput(node)),
    type,
    clamp,
  );
}

function lowerMatMulF32(builder: Builder, node: Node): void {
  const [a, b] = [requiredInput(node, 0), requiredInput(node, 1)];
  const sizes = matMulSizes(node);
  const src = builder.reference(a);
  if (b.constant && typeOf(b).shape.length <= 2) {
    const zeros = builder.constant(Packing.CHANNELS_32, { dtype: "float32", shape: [sizes.n], data: new Float32Array(sizes.n) }, sizes.n);
    const rows = elementCount(typeOf(a).shape) / sizes.k;
    emitConvF32(
      builder,
      fullyConnected(rows, sizes.k, sizes.n),
      src,
      builder.define(onlyOutput(node)),
      transposedRows(b.constant, sizes.k, sizes.n),
      zeros,
      clampOf(node),
    );
    return;
  }
  emitMatMulF32(builder, src, builder.reference(b), builder.define(onlyOutput(node)), {
    batches: sizes.batches,
    sizes: [sizes.m, sizes.n, sizes.k],
    a: sizes.a,
    b: sizes.b,
    isTransposed: false,
    alpha: 1,
    clamp: clampOf(node),
  });
}

interface MatMulShape {
  readonly batches: readonly [number, number];
  readonly sizes: readonly [number, number, number];
  readonly a: readonly [number, number];
  readonly b: readonly [number, number];
  readonly isTransposed: boolean;
  readonly alpha: number;
  readonly clamp: { readonly low: number; readonly high: number };
}

function emitMatMulF32(builder: Builder, a: Reference, b: Reference, dst: Reference, shape: MatMulShape): void {
  const [m, n, k] = shape.sizes;
  builder.step(
    Opcode.MATMUL_F32,
    MatMulF32,
    {
      A: a,
      B: b,
      DST: dst,
      BATCH_OUTER: shape.batches[0],
      BATCH_INNER: shape.batches[1],
      M: m,
      N: n,
      K: k,
      A_OUTER: shape.a[0],
      A_INNER: shape.a[1],
      B_OUTER: shape.b[0],
      B_INNER: shape.b[1],
      B_TRANSPOSED: shape.isTransposed ? 1 : 0,
      ALPHA: floatBits(shape.alpha),
      MIN: floatBits(shape.clamp.low),
      MAX: floatBits(shape.clamp.high),
    },
    ["DST"],
    MatMulF32.scratchBytes(m, n, k),
  );
}

function lowerMatMulI8(builder: Builder, node: Node, a: QuantizedOperand, result: QuantizedOperand | null): boolean {
  const b = quantizedOperand(requiredInput(node, 1));
  if (!b || b.value.constant) return false;
  const { m, n, k, batches, a: aStrides, b: bStrides } = matMulSizes(node);
  const clamp = clampOf(node);
  const product = Math.fround(a.scale * b.scale);
  const scale = result ? Math.fround(product / Math.fround(result.scale)) : product;
  const bounds = result ? quantizedClamp(clamp.low, clamp.high, result.scale, result.zeroPoint) : null;
  const reach = (zero: number): number => Math.max(127 - zero, zero + 128);
  const left = builder.reference(a.value);
  const right = builder.reference(b.value);
  builder.step(
    Opcode.MATMUL_I8,
    MatMulI8,
    {
      A: left,
      B: right,
      DST: builder.define(result ? result.value : onlyOutput(node)),
      BATCH_OUTER: batches[0],
      BATCH_INNER: batches[1],
      M: m,
      N: n,
      K: k,
      A_OUTER: aStrides[0],
      A_INNER: aStrides[1],
      B_OUTER: bStrides[0],
      B_INNER: bStrides[1],
      B_TRANSPOSED: 0,
      A_ZERO: a.zeroPoint,
      B_ZERO: b.zeroPoint,
      SCALE: floatBits(scale),
      OUT_ZERO: result?.zeroPoint ?? 0,
      MIN: bounds ? bounds.min : floatBits(clamp.low),
      MAX: bounds ? bounds.max : floatBits(clamp.high),
      OUT_DTYPE: result ? INT8 : FLOAT32,
      BOUNDED: reach(a.zeroPoint) * reach(b.zeroPoint) * k * scale < 2 ** 22 ? 1 : 0,
    },
    ["DST"],
    MatMulI8.scratchBytes(m, n, k),
  );
  return true;
}

/** Sizes of a MatMul, its batch axes folded into at most two with a constant stride each; 1-D operands are rows or columns. */
function matMulSizes(node: Node): {
  readonly m: number;
  readonly n: number;
  readonly k: number;
  readonly batches: readonly [number, number];
  readonly a: readonly [number, number];
  readonly b: readonly [number, number];
} {
  const aShape = typeOf(requiredInput(node, 0)).shape;
  const bShape = typeOf(requiredInput(node, 1)).shape;
  const m = aShape.length === 1 ? 1 : aShape[aShape.length - 2]!;
  const k = aShape[aShape.length - 1]!;
  const n = bShape.length === 1 ? 1 : bShape[bShape.length - 1]!;
  const rank = Math.max(aShape.length, bShape.length, 2) - 2;
  const axes: { size: number; a: number; b: number }[] = [];
  const stridesOf = (shape: readonly number[], matrix: number): number[] => {
    const dims = shape.slice(0, Math.max(0, shape.length - 2));
    const padded = [...Array.from({ length: rank - dims.length }, () => 1), ...dims];
    let stride = matrix;
    return padded
      .reverse()
      .map((d) => {
        const s = d === 1 ? 0 : stride;
        stride *= d;
        return s;
      })
      .reverse();
  };
  const aStrides = stridesOf(aShape, m * k);
  const bStrides = stridesOf(bShape, k * n);
  const batchShape = typeOf(onlyOutput(node)).shape.slice(0, rank);
  for (let i = 0; i < rank; i++) {
    const axis = { size: batchShape[i]!, a: aStrides[i]!, b: bStrides[i]! };
    const last = axes[axes.length - 1];
    if (axis.size === 1) continue;
    if (last && last.a === axis.a * axis.size && last.b === axis.b * axis.size) {
      axes[axes.length - 1] = { size: last.size * axis.size, a: axis.a, b: axis.b };
    } else axes.push(axis);
  }
  if (axes.length > 2) throw new Error(`unreachable: ${node.name} broadcasts over ${axes.length} groups of batch axes`);
  while (axes.length < 2) axes.unshift({ size: 1, a: 0, b: 0 });
  return { m, n, k, batches: [axes[0]!.size, axes[1]!.size], a: [axes[0]!.a, axes[1]!.a], b: [axes[0]!.b, axes[1]!.b] };
}

function convolutionShape(node: Node, outputs: number): ConvolutionShape {
  const input = imageShape(typeOf(requiredInput(node, 0)).shape);
  const output = imageShape(typeOf(onlyOutput(node)).shape);
  const kernel = typeOf(requiredInput(node, 1)).shape.slice(2);
  if (output.channels !== outputs) throw new Error(`unreachable: ${node.name} has ${output.channels} output channels, not ${outputs}`);
  return { input, output, window: windowOf(node, kernel), groups: numberAttribute(node, "group", 1) };
}

function weightedShape(node: Node, outputs: number): ConvolutionShape | null {
  if (node.op === "Conv") return convolutionShape(node, outputs);
  const a = typeOf(requiredInput(node, 0)).shape;
  if (node.op === "Gemm") {
    if (numberAttribute(node, "transA", 0) !== 0 || numberAttribute(node, "alpha", 1) !== 1 || numberAttribute(node, "beta", 1) !== 1)
      return null;
    return fullyConnected(a[0]!, a[1]!, outputs);
  }
  const depth = a[a.length - 1]!;
  return fullyConnected(elementCount(a) / depth, depth, outputs);
}

/** Constant int8 weights behind a DequantizeLinear with zero points 0, as rows of outputs; scales per output or per tensor. */
function quantizedWeights(node: Node): QuantizedWeights | null {
  const dequantize = requiredInput(node, 1).producer;
  if (dequantize?.op !== "DequantizeLinear") return null;
  const [q, scale, zero] = dequantize.inputs;
  if (!q?.constant || q.constant.dtype !== "int8" || !scale?.constant) return null;
  if (zero && !zero.constant?.data.every((z) => Number(z) === 0)) return null;
  const { shape } = q.constant;
  if (node.op !== "Conv" && shape.length !== 2) return null;
  const transposed = node.op === "Gemm" && numberAttribute(node, "transB", 0) !== 0;
  const axis = node.op === "Conv" || transposed ? 0 : 1;
  const outputs = shape[axis]!;
  const scales = scale.constant.data as Float32Array;
  if (scales.length !== 1 && (scales.length !== outputs || shapeAxis(dequantize, shape.length) !== axis)) return null;
  const values = (
    node.op === "Conv" ? outputsLast(q.constant) : transposed ? q.constant.data : transposedRows(q.constant, shape[0]!, outputs)
  ) as Int8Array;
  return { values, outputs, scales: scales.length === 1 ? new Float32Array(outputs).fill(scales[0]!) : scales };
}

function shapeAxis(dequantize: Node, rank: number): number {
  const axis = numberAttribute(dequantize, "axis", 1);
  return axis < 0 ? axis + rank : axis;
}

/** A constant bias: float32, or int32 behind a DequantizeLinear whose scale is input scale · weight scale. */
function biasTensor(value: Value, inputScale: number, scales: Float32Array): Tensor | null {
  if (value.constant) return value.constant;
  const dequantize = value.producer;
  if (dequantize?.op !== "DequantizeLinear" || !dequantize.inputs[0]?.constant || !dequantize.inputs[1]?.constant) return null;
  const q = dequantize.inputs[0].constant;
  const given = dequantize.inputs[1].constant.data as Float32Array;
  const own = Array.from(scales, (s, i) => Math.abs(given[given.length === 1 ? 0 : i]! / (inputScale * s) - 1) < 1e-5).every(Boolean);
  if (q.dtype === "int32" && own) return q;
  return {
    dtype: "float32",
    shape: q.shape,
    data: Float32Array.from(q.data as Int32Array, (x, i) => Number(x) * given[given.length === 1 ? 0 : i]!),
  };
}

/** [O][I][spatial…] → [O][spatial…][I]. */
function outputsLast({ data, shape }: Tensor): Float32Array | Int8Array {
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
function transposedRows({ data }: Tensor, k: number, n: number): Float32Array & Int8Array {
  const source = data as Float32Array | Int8Array;
  const result = source instanceof Int8Array ? new Int8Array(source.length) : new Float32Array(source.length);
  for (let i = 0; i < k; i++) for (let j = 0; j < n; j++) result[j * k + i] = source[i * n + j]!;
  return result as Float32Array & Int8Array;
}

function gemmRows(node: Node, b: Tensor): Float32Array {
  if (numberAttribute(node, "transB", 0) !== 0) return b.data as Float32Array;
  return transposedRows(b, b.shape[0]!, b.shape[1]!);
}

function isRow(shape: readonly number[], n: number): boolean {
  return elementCount(shape) === 1 || (elementCount(shape) === n && shape[shape.length - 1] === n);
}

function channelsReference(builder: Builder, value: Value | null, channels: number): Reference {
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
function packAtRunTime(builder: Builder, weights: Value, shape: ConvolutionShape, deep: boolean): Reference {
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
