/**
 * The order in which the runtime packs a layer's weights, which decides what its pairs are (format/packings.ts): the weights of each
 * output by kernel row, column and input channel, in the segments of CONV_I8.
 *
 * A fully connected layer behind a flattened image is packed in another order than this where the image has several pixels. Lowering
 * proves every layer, so such a layer is merely not multiplied by pairs.
 */
import { pairsFit } from "../../format/packings.ts";
import * as ConvI8 from "../../format/steps/conv-i8.ts";
import { numberAttribute, numbersAttribute } from "../ir/attributes.ts";
import { type Node, requiredInput, typeOf } from "../ir/graph.ts";

/** Where the weights of an output stand. */
export interface PackedOrder {
  /** Weights of one output. */
  readonly depth: number;
  /** Values of one segment; a pair are two values at 2i and 2i + 1 of it. */
  readonly segmentLength: number;
  /** Index, in the tensor, of weight `k` in packed order (less the padding) of an output. */
  index(output: number, k: number): number;
}

/** The order of a Conv, Gemm or MatMul whose weights may be pair-safe, or null: depthwise layers, and few channels at a time. */
export function packedOrder(node: Node): PackedOrder | null {
  const { shape } = typeOf(requiredInput(node, 1));
  if (node.op !== "Conv") {
    if (shape.length !== 2) return null;
    const [rows, columns] = shape as readonly [number, number];
    if (node.op === "Gemm" && numberAttribute(node, "transB", 0) !== 0)
      return { depth: columns, segmentLength: columns, index: (o, k) => o * columns + k };
    return { depth: rows, segmentLength: rows, index: (o, k) => k * columns + o };
  }
  if (shape.length < 3 || shape.length > 4) return null;
  const [outputs, inputs, ...kernel] = shape as readonly [number, number, ...number[]];
  const groups = numberAttribute(node, "group", 1);
  if (groups > 1 && inputs === 1 && groups === outputs) return null;
  const kernelW = kernel[kernel.length - 1]!;
  const taps = kernel.reduce((a, b) => a * b, 1);
  const dilations = numbersAttribute(
    node,
    "dilations",
    kernel.map(() => 1),
  );
  const patch = [taps / kernelW, kernelW, inputs * groups, groups, dilations[dilations.length - 1]!, inputs * groups] as const;
  const segmentLength = ConvI8.segmentLength(...patch);
  if (!pairsFit(ConvI8.segments(...patch), segmentLength)) return null;
  return { depth: taps * inputs, segmentLength, index: (o, k) => (o * inputs + (k % inputs)) * taps + Math.floor(k / inputs) };
}
