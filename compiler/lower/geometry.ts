/** Windows that slide over images, as steps want them: three spatial axes, leading ones for images of lower rank. */
import { numberAttribute, numbersAttribute, stringAttribute } from "../ir/attributes.ts";
import { type Node, onlyOutput, requiredInput, typeOf } from "../ir/graph.ts";

/** A batch of images, N, D, H, W, C. */
export interface ImageShape {
  readonly batch: number;
  readonly depth: number;
  readonly height: number;
  readonly width: number;
  readonly channels: number;
}

/** One value for each of D, H, W. */
export type Triple = readonly [number, number, number];

/** How a window moves. */
export interface Window {
  readonly kernel: Triple;
  readonly strides: Triple;
  readonly dilations: Triple;
  readonly padsBegin: Triple;
  readonly padsEnd: Triple;
}

/** The shape of a channels-last image of rank 3 to 5. */
export function imageShape(shape: readonly number[]): ImageShape {
  const spatial = toTriple(shape.slice(1, -1), 1);
  return { batch: shape[0]!, depth: spatial[0], height: spatial[1], width: spatial[2], channels: shape[shape.length - 1]! };
}

/** Puts up to three values behind leading ones (or `fill`). */
export function toTriple(values: readonly number[], fill: number): Triple {
  const all = [...Array.from({ length: 3 - values.length }, () => fill), ...values];
  return [all[0]!, all[1]!, all[2]!];
}

/** The window of a channels-last Conv or pooling node; pads follow auto_pad. */
export function windowOf(node: Node, kernelShape: readonly number[]): Window {
  const rank = kernelShape.length;
  const ones = kernelShape.map(() => 1);
  const strides = numbersAttribute(node, "strides", ones);
  const dilations = numbersAttribute(node, "dilations", ones);
  const input = typeOf(requiredInput(node, 0)).shape.slice(1, -1);
  const output = typeOf(onlyOutput(node)).shape.slice(1, -1);
  const autoPad = stringAttribute(node, "auto_pad", "NOTSET");
  const pads = numbersAttribute(
    node,
    "pads",
    [...ones, ...ones].map(() => 0),
  );
  const begin: number[] = [];
  const end: number[] = [];
  for (let i = 0; i < rank; i++) {
    const reach = (output[i]! - 1) * strides[i]! + (kernelShape[i]! - 1) * dilations[i]! + 1;
    if (autoPad === "SAME_UPPER" || autoPad === "SAME_LOWER") {
      const total = Math.max(0, reach - input[i]!);
      begin.push(autoPad === "SAME_UPPER" ? Math.floor(total / 2) : Math.ceil(total / 2));
      end.push(total - begin[i]!);
    } else {
      begin.push(autoPad === "VALID" ? 0 : pads[i]!);
      end.push(autoPad === "VALID" ? 0 : pads[rank + i]!);
    }
  }
  return {
    kernel: toTriple(kernelShape, 1),
    strides: toTriple(strides, 1),
    dilations: toTriple(dilations, 1),
    padsBegin: toTriple(begin, 0),
    padsEnd: toTriple(end, 0),
  };
}

/** The clamp that fusing left on a node, in real numbers. */
export function clampOf(node: Node): { readonly low: number; readonly high: number } {
  return { low: numberAttribute(node, "clampMin", -Infinity), high: numberAttribute(node, "clampMax", Infinity) };
}
