/**
 * Cast and CastLike between the element types that eqm computes with: floats truncate toward zero and saturate, a NaN becomes 0;
 * integers wrap; bool is x ≠ 0.
 */
import { type DType, newArray, type Tensor } from "../../host/tensor.ts";
import { badOperands } from "../errors.ts";
import { numberAttribute } from "../ir/attributes.ts";
import type { Node } from "../ir/graph.ts";
import { dataType, dataTypeName, onnxCode } from "../onnx/data-types.ts";
import type { OpDefinition } from "./definition.ts";
import { operandType, requiredTensor } from "./operands.ts";

function targetType(node: Node): DType {
  const to = numberAttribute(node, "to", 0);
  const dtype = dataType(to)?.dtype;
  if (!dtype || onnxCode(dtype) !== to) throw badOperands(node, `it casts to ${dataTypeName(to)}, which eqm does not compute with.`);
  return dtype;
}

const RANGES = {
  int8: [-128, 127],
  uint8: [0, 255],
  int32: [-(2 ** 31), 2 ** 31 - 1],
} as const;

/** `x` as elements of `dtype`. */
export function castTensor(x: Tensor, dtype: DType): Tensor {
  if (x.dtype === dtype) return x;
  const data = newArray(dtype, x.data.length);
  const convert = conversion(x.dtype, dtype);
  if (data instanceof BigInt64Array) for (let i = 0; i < data.length; i++) data[i] = convert(x.data[i]!) as bigint;
  else for (let i = 0; i < data.length; i++) data[i] = convert(x.data[i]!) as number;
  return { dtype, shape: x.shape, data };
}

type Element = number | bigint;

function conversion(from: DType, to: DType): (x: Element) => Element {
  if (to === "bool") return (x) => (Number(x) !== 0 ? 1 : 0);
  if (to === "float32") return from === "int64" ? (x) => roundedToFloat(x as bigint) : (x) => x;
  if (from !== "float32") return to === "int64" ? BigInt : from === "int64" ? (x) => Number(BigInt.asIntN(32, x as bigint)) : (x) => x;
  if (to === "int64") return (x) => truncated64(x as number);
  const [low, high] = RANGES[to];
  return (x) => (Number.isNaN(x) ? 0 : Math.max(low, Math.min(high, Math.trunc(x as number))));
}

function truncated64(x: number): bigint {
  if (Number.isNaN(x)) return 0n;
  if (x >= 2 ** 63) return 2n ** 63n - 1n;
  return x <= -(2 ** 63) ? -(2n ** 63n) : BigInt(Math.trunc(x));
}

/** The float32 nearest to x. Through float64 large values would be rounded twice: cut-off bits are kept as one. */
function roundedToFloat(x: bigint): number {
  const size = x < 0n ? -x : x;
  if (size < 2n ** 53n) return Number(x);
  const kept = (size >> 20n) | (size & 0xfffffn ? 1n : 0n);
  return (x < 0n ? -1 : 1) * Number(kept) * 2 ** 20;
}

const CAST: OpDefinition = {
  name: "Cast",
  infer: (node) => [{ dtype: targetType(node), shape: operandType(node, 0).shape }],
  evaluate: (node, inputs) => [castTensor(requiredTensor(inputs, 0), targetType(node))],
};

const CAST_LIKE: OpDefinition = {
  name: "CastLike",
  infer: (node) => [{ dtype: operandType(node, 1).dtype, shape: operandType(node, 0).shape }],
  evaluate: (_node, inputs) => [castTensor(requiredTensor(inputs, 0), requiredTensor(inputs, 1).dtype)],
};

/** Every operator of this file. */
export const CASTS: readonly OpDefinition[] = [CAST, CAST_LIKE];
