/** Axes and strides: negative axes, row-major order, broadcasting. */
import { elementCount } from "../../host/tensor.ts";
import { badOperands } from "../errors.ts";
import type { Node } from "../ir/graph.ts";

/** `axis` counted from the front; `limit` axes exist. Errors: `bad-operands`. */
export function frontAxis(node: Node, axis: number, limit: number): number {
  const front = axis < 0 ? axis + limit : axis;
  if (!Number.isInteger(axis) || front < 0 || front >= limit) throw badOperands(node, `axis ${axis} is outside of rank ${limit}.`);
  return front;
}

/** `axes` counted from the front, each once. Errors: `bad-operands`. */
export function frontAxes(node: Node, axes: readonly number[], limit: number): readonly number[] {
  const front = axes.map((axis) => frontAxis(node, axis, limit));
  if (new Set(front).size !== front.length) throw badOperands(node, `its axes [${axes.join(", ")}] name one axis twice.`);
  return front;
}

/** Elements between neighbours along each axis of a dense row-major tensor. */
export function rowMajorStrides(shape: readonly number[]): readonly number[] {
  const strides = shape.map(() => 1);
  for (let i = shape.length - 2; i >= 0; i--) strides[i] = strides[i + 1]! * shape[i + 1]!;
  return strides;
}

/** The shape to which shapes broadcast by NumPy's rule. Errors: `bad-operands`. */
export function broadcastShape(node: Node, shapes: readonly (readonly number[])[]): readonly number[] {
  const rank = Math.max(...shapes.map(({ length }) => length));
  return Array.from({ length: rank }, (_, i) => {
    let size = 1;
    for (const shape of shapes) {
      const d = shape[i - rank + shape.length] ?? 1;
      if (d === 1 || d === size) continue;
      if (size !== 1) throw badOperands(node, `the shapes ${shapes.map((s) => `[${s.join(", ")}]`).join(" and ")} do not broadcast.`);
      size = d;
    }
    return size;
  });
}

/** Strides that walk `from` along the axes of `to`: 0 where it broadcasts. */
export function broadcastStrides(from: readonly number[], to: readonly number[]): readonly number[] {
  const own = rowMajorStrides(from);
  return to.map((_, i) => {
    const axis = i - to.length + from.length;
    return axis < 0 || from[axis] === 1 ? 0 : own[axis]!;
  });
}

/** offset + Σ index·strides of every element of `shape`, in row-major order. */
export function stridedIndices(shape: readonly number[], strides: readonly number[], offset = 0): Int32Array {
  const count = elementCount(shape);
  const indices = new Int32Array(count);
  if (count === 0) return indices;
  indices[0] = offset;
  // Built from the last axis: the block done so far is repeated along the next one.
  let block = 1;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    for (let i = 1; i < shape[axis]!; i++) {
      const step = i * strides[axis]!;
      for (let j = 0; j < block; j++) indices[i * block + j] = indices[j]! + step;
    }
    block *= shape[axis]!;
  }
  return indices;
}

/** For each element of `to` the element of `from` that broadcasts there; null where that is the same one. */
export function broadcastIndices(from: readonly number[], to: readonly number[]): Int32Array | null {
  if (from.length === to.length && from.every((d, i) => d === to[i])) return null;
  return stridedIndices(to, broadcastStrides(from, to));
}
