/**
 * Dequantized constants as a decomposition may take them: operators that rearrange weights work on the integers, so that what they give is
 * still an int8 constant behind one DequantizeLinear.
 */
import { elementCount, type Tensor } from "../../host/tensor.ts";
import { numberAttribute } from "../ir/attributes.ts";
import type { Node, Value } from "../ir/graph.ts";

/** Integers without a zero point, and their scales: one, or one for each place of `axis`. */
export interface KnownIntegers {
  readonly integers: Tensor;
  readonly scales: readonly number[];
  readonly axis: number;
}

/** What `value` is dequantized from, where that is constant and fits int8 once its zero points are taken off; else null. */
export function knownIntegers(value: Value): KnownIntegers | null {
  const known = constantsOf(value.producer);
  if (!known || known.q.dtype === "int32") return null;
  const { q, scales, zeroAt, axis } = known;
  const differences = Int32Array.from(q.data as Int8Array, (x, i) => x - zeroAt(i));
  if (differences.some((d) => d < -128 || d > 127)) return null;
  return { integers: { dtype: "int8", shape: q.shape, data: Int8Array.from(differences) }, scales, axis };
}

/** The real numbers that a dequantized constant is, or null where `value` is none. */
export function knownReals(value: Value): Tensor | null {
  const known = constantsOf(value.producer);
  if (!known) return null;
  const { q, scaleAt, zeroAt } = known;
  const data = Float32Array.from(q.data as Int32Array, (x, i) => Math.fround(Math.fround(x - zeroAt(i)) * scaleAt(i)));
  return { dtype: "float32", shape: q.shape, data };
}

function constantsOf(node: Node | null): {
  readonly q: Tensor;
  readonly scales: readonly number[];
  readonly axis: number;
  readonly scaleAt: (element: number) => number;
  readonly zeroAt: (element: number) => number;
} | null {
  if (node?.op !== "DequantizeLinear" || numberAttribute(node, "block_size", 0) !== 0) return null;
  const [q, scale, zero] = node.inputs.map((value) => value?.constant ?? null);
  if (!q || !scale || (node.inputs[2] && !zero)) return null;
  const given = numberAttribute(node, "axis", 1);
  const axis = given < 0 ? given + q.shape.length : given;
  const inner = elementCount(q.shape.slice(axis + 1));
  const place = (i: number): number => (scale.data.length === 1 ? 0 : Math.floor(i / inner) % scale.data.length);
  return {
    q,
    scales: Array.from(scale.data as Float32Array),
    axis,
    scaleAt: (i) => Number(scale.data[place(i)]),
    zeroAt: (i) => (zero ? Number(zero.data[zero.data.length === 1 ? 0 : place(i)]) : 0),
  };
}
