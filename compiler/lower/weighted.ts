/** Lowering rules of Conv, Gemm and MatMul. */
import * as Packing from "../../format/packings.ts";
import { elementCount } from "../../host/tensor.ts";
import { numberAttribute } from "../ir/attributes.ts";
import { type Node, onlyOutput, requiredInput, typeOf } from "../ir/graph.ts";
import { type Builder, quantizedOperand, quantizedResult } from "./builder.ts";
import { type ConvolutionShape, emitConvF32, emitConvI8, fullyConnected } from "./convolution.ts";
import { emitSlices, hasDepth, weightsWithoutDepth, withoutDepth } from "./depth.ts";
import { clampOf, imageShape, windowOf } from "./geometry.ts";
import { emitMatMulF32, lowerMatMulF32, lowerMatMulI8 } from "./matmul.ts";
import { emitBroadcastBinary, emitTranspose } from "./movement.ts";
import { integerBias, rescale } from "./rescale.ts";
import { biasTensor, channelsReference, gemmRows, isRow, outputsLast, packAtRunTime, quantizedWeights } from "./weights.ts";

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
  if (!shape) return false;
  const arithmetic = rescale(x, weights, integerBias(bias, x.scale, weights.scales), result);
  if (!arithmetic) return false;
  const image = builder.reference(x.value);
  const deep = hasDepth(shape);
  const src = deep ? emitSlices(builder, image, shape, { bytes: 1, value: x.zeroPoint }) : image;
  const dst = builder.define(result ? result.value : onlyOutput(node));
  emitConvI8(builder, deep ? withoutDepth(shape) : shape, src, dst, weights, arithmetic, x.zeroPoint, clampOf(node), result);
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
