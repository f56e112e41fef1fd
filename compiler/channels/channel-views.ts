/**
 * How the axis of channels comes through a reshape.
 *
 *   kept    [1, C, 1] → [C], [H, T, D] → [1, H, T, D]        the channels have an axis of their own again
 *   spread  [C, 4, 4] → [C·16], [T, H, D] → [T, H·D]         what stands behind a channel becomes more positions of it
 *   cut     [T, H·D] → [T, H, D], [T, 3·H·D] → [T, 3, H, D]  several channels become one position: an attention head
 *
 * An axis may be cut into several; the one along which channels go on is that of heads, which only the attention behind shows: there the heads
 * are multiplied side by side. Without an attention behind it no cut is followed.
 */
import { numberAttribute, numbersAttribute } from "../ir/attributes.ts";
import { type Node, onlyOutput, typeOf, type Value } from "../ir/graph.ts";

/** Channels behind a reshape: their axis, and for each position along it the positions before that it stands for. */
export interface ChannelView {
  readonly axis: number;
  readonly positions: readonly (readonly number[])[];
}

/** Follows `axis` of the operand of a Reshape, Squeeze, Unsqueeze or Flatten; null where that cannot be. */
export function viewOf(node: Node, operand: Value, axis: number): ChannelView | null {
  const from = typeOf(operand).shape;
  const to = typeOf(onlyOutput(node)).shape;
  const count = from[axis]!;
  const at = sameStart(from, axis, to);
  const width = to[at];
  if (width === undefined) return null;
  if (width < count) return cut(onlyOutput(node), at, count);
  const each = width / count;
  // The positions that one channel becomes are those of the axes behind it, whole.
  let behind = 1;
  for (let i = axis + 1; i < from.length && behind < each; i++) behind *= from[i]!;
  if (behind !== each) return null;
  return { axis: at, positions: Array.from({ length: width }, (_, i) => [Math.floor(i / each)]) };
}

/** The axis of `to` before which there is as much as before `axis` of `from`, ones passed over; beyond all axes where there is none. */
function sameStart(from: readonly number[], axis: number, to: readonly number[]): number {
  const before = product(from.slice(0, axis));
  let at = 0;
  for (let leading = 1; at < to.length && !(leading === before && to[at] !== 1); at++) leading *= to[at]!;
  return product(to.slice(0, at)) === before ? at : to.length;
}

function cut(output: Value, first: number, count: number): ChannelView | null {
  const { shape } = typeOf(output);
  const axes = cutAxes(shape, first, count);
  if (!axes) return null;
  const roles = axes.map((axis) => (shape[axis] === 1 ? null : roleInProduct(output, axis, new Set())));
  const chosen = roles.includes("side by side") ? roles.indexOf("side by side") : roles.indexOf("within");
  if (chosen < 0) return null;
  const axis = axes[chosen]!;
  const inner = product(axes.slice(chosen + 1).map((a) => shape[a]!));
  const positions = Array.from({ length: shape[axis]! }, () => [] as number[]);
  for (let i = 0; i < count; i++) positions[Math.floor(i / inner) % shape[axis]!]!.push(i);
  return { axis, positions };
}

/** The axes from `first` on that have `count` elements together. */
function cutAxes(shape: readonly number[], first: number, count: number): readonly number[] | null {
  const axes: number[] = [];
  let elements = 1;
  for (let axis = first; axis < shape.length && elements < count; axis++) {
    axes.push(axis);
    elements *= shape[axis]!;
  }
  return elements === count ? axes : null;
}

/** What an axis is to the first product of two computed values that it reaches: one of its stacked matrices, or one of a matrix's axes. */
type Role = "side by side" | "within";

function roleInProduct(value: Value, axis: number, seen: Set<Value>): Role | null {
  if (seen.has(value)) return null;
  seen.add(value);
  let found: Role | null = null;
  for (const node of value.readers) {
    if (node.op === "MatMul" && node.inputs.every((input) => !input?.constant)) {
      found ??= axis < typeOf(value).shape.length - 2 ? "side by side" : "within";
      continue;
    }
    for (const output of node.outputs) {
      for (const next of axesBehind(node, value, axis, output)) {
        const role = roleInProduct(output, next, seen);
        if (role === "side by side") return role;
        found ??= role;
      }
    }
  }
  return found;
}

const ELEMENTWISE = new Set("Add Sub Mul Div Where Neg Relu Sigmoid Tanh Cast Identity Softmax Concat Slice Split".split(" "));

/** The axes of a result that an axis of an operand becomes, where that is plain to see. */
function axesBehind(node: Node, value: Value, axis: number, output: Value): readonly number[] {
  const [from, to] = [typeOf(value).shape, typeOf(output).shape];
  switch (node.op) {
    case "Transpose": {
      const order = numbersAttribute(node, "perm", null) ?? from.map((_, i) => from.length - 1 - i);
      return [order.indexOf(axis)];
    }
    case "Gather": {
      const along = gatheredAxis(node, from.length);
      if (value !== node.inputs[0] || along === axis) return [];
      return [axis < along ? axis : axis + to.length - from.length];
    }
    case "Reshape":
    case "Squeeze":
    case "Unsqueeze": {
      const at = sameStart(from, axis, to);
      if (to[at] === from[axis]) return [at];
      return (to[at] ?? from[axis]!) < from[axis]! ? (cutAxes(to, at, from[axis]!) ?? []).filter((a) => to[a] !== 1) : [];
    }
    default: {
      const at = axis + to.length - from.length;
      return ELEMENTWISE.has(node.op) && to[at] === from[axis] ? [at] : [];
    }
  }
}

/** The axis that a Gather takes positions of, counted from the front. */
export function gatheredAxis(node: Node, rank: number): number {
  const axis = numberAttribute(node, "axis", 0);
  return axis < 0 ? axis + rank : axis;
}

function product(numbers: readonly number[]): number {
  return numbers.reduce((total, x) => total * x, 1);
}
