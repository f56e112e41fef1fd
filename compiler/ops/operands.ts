/** Operands and results of an operator: their checked types, their constant values, and new tensors. */
import { DTYPES, type DType, type DTypeArrays, elementCount, newArray, type Tensor } from "../../host/tensor.ts";
import { badOperands, notConstant } from "../errors.ts";
import { type Node, requiredInput, typeOf, type ValueType } from "../ir/graph.ts";

/** A float32 tensor. */
export type FloatTensor = Tensor & { readonly data: Float32Array };

/** Element types that have an order and arithmetic. */
export const NUMERIC: readonly DType[] = DTYPES.filter((dtype) => dtype !== "bool");

/** Element types of numbers with a sign. */
export const SIGNED: readonly DType[] = ["float32", "int8", "int32", "int64"];

/** Element types of indices, axes and sizes. */
export const INDICES: readonly DType[] = ["int32", "int64"];

/** The type of a required operand; its element type has to be one of `dtypes`. Errors: `bad-operands`. */
export function operandType(node: Node, index: number, dtypes: readonly DType[] = DTYPES): ValueType {
  const type = typeOf(requiredInput(node, index));
  if (!dtypes.includes(type.dtype)) throw badOperands(node, `input ${index} is ${type.dtype}; the operator takes ${dtypes.join(", ")}.`);
  return type;
}

/** The common element type of the operands at `indices` (all by default). Errors: `bad-operands`. */
export function commonType(
  node: Node,
  dtypes: readonly DType[] = DTYPES,
  indices: readonly number[] = node.inputs.map((_, i) => i),
): DType {
  const { dtype } = operandType(node, indices[0]!, dtypes);
  for (const index of indices) {
    const other = operandType(node, index).dtype;
    if (other !== dtype) throw badOperands(node, `its operands are ${dtype} and ${other}; they must be of one type.`);
  }
  return dtype;
}

/** Checks the rank of a shape against a range. Errors: `bad-operands`. */
export function checkRank(node: Node, what: string, shape: readonly number[], least: number, most: number): void {
  if (shape.length >= least && shape.length <= most) return;
  const range = least === most ? `${least}` : most === Infinity ? `at least ${least}` : `${least} to ${most}`;
  throw badOperands(node, `${what} has rank ${shape.length} ([${shape.join(", ")}]); the operator takes rank ${range}.`);
}

/** The integers that an optional operand holds, or null where it is left out. Errors: `not-constant`, `bad-operands`. */
export function constantIntegers(node: Node, index: number, name: string): readonly number[] | null {
  const value = node.inputs[index];
  if (!value) return null;
  operandType(node, index, INDICES);
  if (!value.constant) throw notConstant(node, name);
  return Array.from(value.constant.data as ArrayLike<number | bigint>, Number);
}

/** The numbers that an optional float32 operand holds, or null where it is left out or empty. Errors: `not-constant`, `bad-operands`. */
export function constantFloats(node: Node, index: number, name: string): readonly number[] | null {
  const value = node.inputs[index];
  if (!value || elementCount(typeOf(value).shape) === 0) return null;
  operandType(node, index, ["float32"]);
  if (!value.constant) throw notConstant(node, name);
  return Array.from(value.constant.data as Float32Array);
}

/** The integers that a required operand holds. Errors: `not-constant`, `bad-operands`. */
export function requiredIntegers(node: Node, index: number, name: string): readonly number[] {
  requiredInput(node, index);
  return constantIntegers(node, index, name)!;
}

/** A tensor that an operator cannot do without. */
export function requiredTensor(inputs: readonly (Tensor | null)[], index: number): Tensor {
  const tensor = inputs[index];
  if (!tensor) throw new Error(`unreachable: operand ${index} is missing`);
  return tensor;
}

/** The float32 elements of a required operand. */
export function floats(inputs: readonly (Tensor | null)[], index: number): Float32Array {
  return requiredTensor(inputs, index).data as Float32Array;
}

/** A float32 tensor; other number arrays are rounded once. */
export function floatTensor(shape: readonly number[], data: Float32Array | Float64Array): FloatTensor {
  return { dtype: "float32", shape, data: data instanceof Float32Array ? data : Float32Array.from(data) };
}

/** An int64 tensor of rank 1. */
export function integerTensor(values: readonly number[]): Tensor {
  return { dtype: "int64", shape: [values.length], data: BigInt64Array.from(values, BigInt) };
}

/** A new tensor whose element i is element `indices[i]` of `source`, or `filler` where the index is −1. */
export function pick(source: Tensor, shape: readonly number[], indices: Int32Array, filler: number | bigint = 0): Tensor {
  const data = newArray(source.dtype, indices.length) as DTypeArrays["float32"];
  const from = source.data as Float32Array;
  const other = (source.dtype === "int64" ? BigInt(filler) : filler) as number;
  for (let i = 0; i < indices.length; i++) {
    const index = indices[i]!;
    data[i] = index < 0 ? other : from[index]!;
  }
  return { dtype: source.dtype, shape, data };
}
