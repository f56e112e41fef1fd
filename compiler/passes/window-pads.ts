/** The padding of Conv and pooling nodes in explicit form. */
import { numbersAttribute, stringAttribute } from "../ir/attributes.ts";
import { type Node, requiredInput, typeOf } from "../ir/graph.ts";

/** Padding before and behind each spatial axis. */
export interface WindowPads {
  readonly begin: readonly number[];
  readonly end: readonly number[];
}

/** Extents of a window along the spatial axes, its gaps included. */
export function windowExtents(node: Node): readonly number[] {
  const kernel = node.op === "Conv" ? typeOf(requiredInput(node, 1)).shape.slice(2) : numbersAttribute(node, "kernel_shape", []);
  const dilations = numbersAttribute(
    node,
    "dilations",
    kernel.map(() => 1),
  );
  return kernel.map((k, i) => (k - 1) * dilations[i]! + 1);
}

/** The padding of an N, C, spatial… node; `auto_pad` is resolved by the shapes. */
export function windowPads(node: Node): WindowPads {
  const extents = windowExtents(node);
  const zeros = extents.map(() => 0);
  const autoPad = stringAttribute(node, "auto_pad", "NOTSET");
  if (autoPad === "VALID") return { begin: zeros, end: zeros };
  if (autoPad === "NOTSET") {
    const pads = numbersAttribute(node, "pads", [...zeros, ...zeros]);
    return { begin: pads.slice(0, extents.length), end: pads.slice(extents.length) };
  }
  const strides = numbersAttribute(
    node,
    "strides",
    extents.map(() => 1),
  );
  const input = typeOf(requiredInput(node, 0)).shape.slice(2);
  const output = typeOf(node.outputs[0]!).shape.slice(2);
  const total = extents.map((extent, i) => Math.max(0, (output[i]! - 1) * strides[i]! + extent - input[i]!));
  const begin = total.map((t) => (autoPad === "SAME_UPPER" ? Math.floor(t / 2) : Math.ceil(t / 2)));
  return { begin, end: total.map((t, i) => t - begin[i]!) };
}

/** Whether the window never leaves the image. */
export function padsNothing(node: Node): boolean {
  const { begin, end } = windowPads(node);
  return [...begin, ...end].every((p) => p === 0);
}
