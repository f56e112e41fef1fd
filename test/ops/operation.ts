/** One operator applied to tensors, as shape inference and evaluation see it. */
import type { Attribute, Node, Value, ValueType } from "../../compiler/ir/graph.ts";
import { evaluateNode, inferNode } from "../../compiler/ops/index.ts";
import type { DType, Tensor } from "../../host/tensor.ts";

const ARRAYS = { float32: Float32Array, int8: Int8Array, uint8: Uint8Array, int32: Int32Array, bool: Uint8Array } as const;

/** A tensor of the given elements. */
export function tensor(dtype: DType, shape: readonly number[], values: readonly number[]): Tensor {
  return { dtype, shape, data: dtype === "int64" ? BigInt64Array.from(values, BigInt) : ARRAYS[dtype].from(values) };
}

/** An int64 vector. */
export function integers(...values: readonly number[]): Tensor {
  return tensor("int64", [values.length], values);
}

/** A float32 vector. */
export function floats(...values: readonly number[]): Tensor {
  return tensor("float32", [values.length], values);
}

/** How a node differs from one of constant operands and a single result. */
export interface NodeOptions {
  readonly outputs?: number;
  readonly channelsLast?: boolean;
  /** Operands that are known while compiling; all unless given. */
  readonly isConstant?: (index: number) => boolean;
}

/** A node with `operands`, for the functions of compiler/ops. */
export function nodeOf(
  op: string,
  operands: readonly (Tensor | null)[],
  attributes: Readonly<Record<string, Attribute>> = {},
  options: NodeOptions = {},
): Node {
  const { outputs = 1, channelsLast = false, isConstant = () => true } = options;
  const value = (name: string, type: ValueType | null, constant: Tensor | null): Value => ({
    name,
    type,
    constant,
    producer: null,
    readers: new Set(),
  });
  return {
    op,
    name: "n",
    inputs: operands.map(
      (operand, i) => operand && value(`x${i}`, { dtype: operand.dtype, shape: operand.shape }, isConstant(i) ? operand : null),
    ),
    outputs: Array.from({ length: outputs }, (_, i) => value(`y${i}`, null, null)),
    attributes,
    sources: [],
    channelsLast,
  };
}

/** The operator's results; throws where their types are not those inferred. */
export function apply(
  op: string,
  operands: readonly (Tensor | null)[],
  attributes: Readonly<Record<string, Attribute>> = {},
  options: NodeOptions = {},
): readonly Tensor[] {
  const node = nodeOf(op, operands, attributes, options);
  const types = inferNode(node);
  const results = evaluateNode(node, operands);
  const text = ({ dtype, shape }: ValueType): string => `${dtype} [${shape}]`;
  if (types.map(text).join() !== results.map(text).join())
    throw new Error(`${op} infers ${types.map(text).join()} and gives ${results.map(text).join()}`);
  return results;
}

/** The elements of the operator's first result, as numbers. */
export function values(
  op: string,
  operands: readonly (Tensor | null)[],
  attributes: Readonly<Record<string, Attribute>> = {},
  options: NodeOptions = {},
): readonly number[] {
  return Array.from(apply(op, operands, attributes, options)[0]!.data as ArrayLike<number | bigint>, Number);
}

/** A generator of numbers in [0, 1) (mulberry32). */
export function randomNumbers(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}
