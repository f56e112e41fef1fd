/** Windows that slide over the spatial axes of an image: convolution and pooling. */
import { badOperands } from "../errors.ts";
import { numberAttribute, numbersAttribute, stringAttribute } from "../ir/attributes.ts";
import type { Node } from "../ir/graph.ts";

/** How a window moves: one value for each spatial axis. */
export interface Window {
  readonly kernel: readonly number[];
  readonly strides: readonly number[];
  readonly dilations: readonly number[];
  readonly padsBegin: readonly number[];
  readonly padsEnd: readonly number[];
  /** Sizes of the result. */
  readonly output: readonly number[];
}

const AUTO_PADS = ["NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID"];

/**
 * The window of a node over an image of the spatial sizes `input`, after the formulas of AveragePool-22 and Conv-22.
 * Errors: `bad-operands` where attributes do not fit the image, `bad-attribute`.
 */
export function slidingWindow(node: Node, input: readonly number[], kernel: readonly number[]): Window {
  const rank = input.length;
  const strides = positive(node, "strides", rank);
  const dilations = positive(node, "dilations", rank);
  if (kernel.length !== rank || kernel.some((k) => k < 1))
    throw badOperands(node, `a kernel of [${kernel.join(", ")}] does not fit ${rank} spatial axes.`);
  const pads = numbersAttribute(
    node,
    "pads",
    Array.from({ length: 2 * rank }, () => 0),
  );
  if (pads.length !== 2 * rank || pads.some((p) => p < 0))
    throw badOperands(node, `pads must be ${2 * rank} sizes, not [${pads.join(", ")}].`);
  const autoPad = stringAttribute(node, "auto_pad", "NOTSET");
  if (!AUTO_PADS.includes(autoPad)) throw badOperands(node, `auto_pad ${autoPad} is not one of ${AUTO_PADS.join(", ")}.`);
  const ceil = numberAttribute(node, "ceil_mode", 0) !== 0;
  const padsBegin: number[] = [];
  const padsEnd: number[] = [];
  const output = input.map((size, i) => {
    const reach = (kernel[i]! - 1) * dilations[i]! + 1;
    const stride = strides[i]!;
    if (autoPad.startsWith("SAME")) {
      const count = Math.ceil(size / stride);
      const total = Math.max(0, (count - 1) * stride + reach - size);
      padsBegin.push(autoPad === "SAME_UPPER" ? Math.floor(total / 2) : Math.ceil(total / 2));
      padsEnd.push(total - padsBegin[i]!);
      return count;
    }
    padsBegin.push(autoPad === "VALID" ? 0 : pads[i]!);
    padsEnd.push(autoPad === "VALID" ? 0 : pads[rank + i]!);
    const steps = (size + padsBegin[i]! + padsEnd[i]! - reach) / stride;
    if (!ceil || autoPad === "VALID") return Math.floor(steps) + 1;
    // A window that would begin in the padding at the end is left out.
    const count = Math.ceil(steps) + 1;
    return (count - 1) * stride >= size + padsBegin[i]! ? count - 1 : count;
  });
  if (output.some((size) => size < 1))
    throw badOperands(node, `a kernel of [${kernel.join(", ")}] is larger than the padded image of [${input.join(", ")}].`);
  return { kernel, strides, dilations, padsBegin, padsEnd, output };
}

function positive(node: Node, name: string, rank: number): readonly number[] {
  const values = numbersAttribute(
    node,
    name,
    Array.from({ length: rank }, () => 1),
  );
  if (values.length !== rank || values.some((v) => v < 1))
    throw badOperands(node, `${name} must be ${rank} positive numbers, not [${values.join(", ")}].`);
  return values;
}

/** A window and its image with exactly three spatial axes, leading ones put before. */
export interface Volume extends Window {
  readonly input: readonly number[];
}

/** `window` over `input`, in three axes. */
export function inThreeAxes(window: Window, input: readonly number[]): Volume {
  const fill = (values: readonly number[], filler: number): readonly number[] => [
    ...Array.from({ length: 3 - values.length }, () => filler),
    ...values,
  ];
  return {
    input: fill(input, 1),
    kernel: fill(window.kernel, 1),
    strides: fill(window.strides, 1),
    dilations: fill(window.dilations, 1),
    padsBegin: fill(window.padsBegin, 0),
    padsEnd: fill(window.padsEnd, 0),
    output: fill(window.output, 1),
  };
}

/** The outputs [low, high) along one axis whose tap `k` lies inside the image. */
export function insideRange(volume: Volume, axis: number, k: number): readonly [number, number] {
  const at = k * volume.dilations[axis]! - volume.padsBegin[axis]!;
  const stride = volume.strides[axis]!;
  const low = Math.max(0, Math.ceil(-at / stride));
  const high = Math.min(volume.output[axis]!, Math.floor((volume.input[axis]! - 1 - at) / stride) + 1);
  return [low, Math.max(low, high)];
}
