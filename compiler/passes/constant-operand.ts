/** Constants as passes read them: integers of axes and pads, scalars, and factors that broadcast against another shape. */
import { elementCount, type Tensor } from "../../host/tensor.ts";
import type { Node, Value } from "../ir/graph.ts";

/** Elements that broadcast against a shape, in float64. */
export interface Factor {
  readonly shape: readonly number[];
  readonly data: Float64Array;
}

/** The elements of a constant operand as numbers; null where it is computed, or omitted. */
export function constantNumbers(value: Value | null | undefined): readonly number[] | null {
  return value?.constant ? Array.from(value.constant.data as ArrayLike<number | bigint>, Number) : null;
}

/** The number in a constant of one element, whatever its rank; null for others. */
export function constantScalar(value: Value | null | undefined): number | null {
  return value?.constant?.data.length === 1 ? Number(value.constant.data[0]) : null;
}

/** A float32 constant as a factor; null for computed values and other types. */
export function constantFactor(value: Value | null | undefined): Factor | null {
  const tensor = value?.constant;
  return tensor?.dtype === "float32" ? { shape: tensor.shape, data: Float64Array.from(tensor.data as Float32Array) } : null;
}

/** `factor` with each element through `change`. */
export function mapFactor({ shape, data }: Factor, change: (x: number) => number): Factor {
  return { shape, data: data.map(change) };
}

/** What `factor` is at each position of `axis` of `shape`; null where it varies along another axis, too, or does not fit. */
export function alongAxis(factor: Factor, shape: readonly number[], axis: number): Float64Array | null {
  const lead = shape.length - factor.shape.length;
  if (lead < 0 || factor.shape.some((d, i) => d !== 1 && (lead + i !== axis || d !== shape[axis]))) return null;
  return factor.data.length === shape[axis]
    ? factor.data
    : factor.data.length === 1
      ? new Float64Array(shape[axis]!).fill(factor.data[0]!)
      : null;
}

/** What `factor` is at each element of the axes of `shape` from `first` on; null where it varies along an earlier axis, or does not fit. */
export function alongTrailing(factor: Factor, shape: readonly number[], first: number): Float64Array | null {
  const lead = shape.length - factor.shape.length;
  if (lead < 0 || factor.shape.some((d, i) => d !== 1 && (lead + i < first || d !== shape[lead + i]))) return null;
  const dims = shape.slice(first);
  const own = dims.map((_, i) => factor.shape[first + i - lead] ?? 1);
  const result = new Float64Array(elementCount(dims));
  for (let i = 0; i < result.length; i++) {
    let rest = i;
    let at = 0;
    let stride = 1;
    for (let axis = dims.length - 1; axis >= 0; axis--) {
      if (own[axis] !== 1) at += (rest % dims[axis]!) * stride;
      stride *= own[axis]!;
      rest = Math.floor(rest / dims[axis]!);
    }
    result[i] = factor.data[at]!;
  }
  return result;
}

/** A shape as Reshape's second operand. */
export function shapeTensor(shape: readonly number[]): Tensor {
  return { dtype: "int64", shape: [shape.length], data: BigInt64Array.from(shape, BigInt) };
}

/** Attributes of a Reshape to `shape`: a 0 in it means 0, and not the operand's dimension. */
export function reshapeAttributes(shape: readonly number[]): Readonly<Record<string, number>> {
  return shape.includes(0) ? { allowzero: 1 } : {};
}

/** Whether a node carries a clamp. */
export function isClamped({ attributes }: Node): boolean {
  return attributes.clampMin !== undefined || attributes.clampMax !== undefined;
}
