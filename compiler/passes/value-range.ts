/** Bounds on the elements of a value that hold whatever the inputs are (NaN apart). */

import { numberAttribute, stringAttribute } from "../ir/attributes.ts";
import { type Node, requiredInput, type Value } from "../ir/graph.ts";
import { constantNumbers, constantScalar } from "./constant-operand.ts";

/** low ≤ every element ≤ high. */
export interface Range {
  readonly low: number;
  readonly high: number;
}

const ANYTHING: Range = { low: -Infinity, high: Infinity };
const ZERO: Range = { low: 0, high: 0 };
const DEPTH = 16;

const FIXED: Readonly<Record<string, Range>> = {
  Sigmoid: { low: 0, high: 1 },
  HardSigmoid: { low: 0, high: 1 },
  Softmax: { low: 0, high: 1 },
  Tanh: { low: -1, high: 1 },
  Erf: { low: -1, high: 1 },
  Exp: { low: 0, high: Infinity },
  Abs: { low: 0, high: Infinity },
  Sqrt: { low: 0, high: Infinity },
  Softplus: { low: 0, high: Infinity },
  LogSoftmax: { low: -Infinity, high: 0 },
};

/** Results are among the elements of the first operand, or means of them. */
const SELECTING = new Set(
  "Identity Dropout Reshape Flatten Squeeze Unsqueeze Transpose Slice Split Gather Expand Tile DepthToSpace SpaceToDepth GlobalMaxPool GlobalAveragePool ReduceMax ReduceMin ReduceMean".split(
    " ",
  ),
);

/** A range of `value`, from its constant or from what computes it, at most a few nodes back. */
export function rangeOf(value: Value, depth = DEPTH): Range {
  if (value.constant) return hull(constantNumbers(value)!);
  const node = value.producer;
  return node && depth > 0 ? clampedTo(computedRange(node, depth), clampOf(node)) : ANYTHING;
}

function computedRange(node: Node, depth: number): Range {
  const operand = (index: number): Range => rangeOf(requiredInput(node, index), depth - 1);
  if (SELECTING.has(node.op)) return operand(0);
  switch (node.op) {
    case "MaxPool":
      // A second result holds positions.
      return node.outputs.length === 1 ? operand(0) : ANYTHING;
    case "AveragePool":
      return numberAttribute(node, "count_include_pad", 0) ? union(operand(0), ZERO) : operand(0);
    case "Relu":
      return clampedTo(operand(0), { low: 0, high: Infinity });
    case "Clip": {
      const range = clampRange(node);
      return range ? clampedTo(operand(0), range) : ANYTHING;
    }
    case "Concat":
      return node.inputs.map((_, i) => operand(i)).reduce(union);
    case "Pad": {
      if (stringAttribute(node, "mode", "constant") !== "constant") return operand(0);
      const fill = node.inputs[2] ? constantScalar(node.inputs[2]) : 0;
      return fill === null ? ANYTHING : union(operand(0), { low: fill, high: fill });
    }
    case "Resize":
      return stringAttribute(node, "mode", "nearest") !== "cubic" &&
        stringAttribute(node, "coordinate_transformation_mode", "half_pixel") !== "tf_crop_and_resize"
        ? operand(0)
        : ANYTHING;
    default:
      return FIXED[node.op] ?? ANYTHING;
  }
}

/** The range that Relu, or Clip with constant bounds, clamps to; null for other nodes and computed bounds. */
export function clampRange(node: Node): Range | null {
  if (node.op === "Relu") return { low: 0, high: Infinity };
  if (node.op !== "Clip") return null;
  const low = node.inputs[1] ? constantScalar(node.inputs[1]) : -Infinity;
  const high = node.inputs[2] ? constantScalar(node.inputs[2]) : Infinity;
  if (low === null || high === null || Number.isNaN(low) || Number.isNaN(high)) return null;
  // ONNX: where the bounds cross, the upper one wins.
  return { low: Math.min(low, high), high };
}

/** The clamp that fusing left on a node. */
export function clampOf({ attributes }: Node): Range {
  return { low: (attributes.clampMin as number | undefined) ?? -Infinity, high: (attributes.clampMax as number | undefined) ?? Infinity };
}

/** The range of clip(x, outer) for x in `inner`; as clamps, inner and then outer are the result. */
export function clampedTo(inner: Range, outer: Range): Range {
  const clip = (x: number): number => Math.min(Math.max(x, outer.low), outer.high);
  return { low: clip(inner.low), high: clip(inner.high) };
}

/** Whether every number of `inner` lies in `outer`. */
export function isWithin(inner: Range, outer: Range): boolean {
  return inner.low >= outer.low && inner.high <= outer.high;
}

function union(a: Range, b: Range): Range {
  return { low: Math.min(a.low, b.low), high: Math.max(a.high, b.high) };
}

function hull(numbers: readonly number[]): Range {
  let range: Range = { low: Infinity, high: -Infinity };
  for (const x of numbers) {
    if (Number.isNaN(x)) return ANYTHING;
    range = union(range, { low: x, high: x });
  }
  return numbers.length === 0 ? ANYTHING : range;
}
