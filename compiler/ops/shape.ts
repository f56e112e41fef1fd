/** Operators that ask for a shape or make a tensor from one: Shape, Size, Constant, ConstantOfShape, Range. */
import { type DType, elementCount, newArray, type Tensor } from "../../host/tensor.ts";
import { badAttribute, badOperands, notConstant } from "../errors.ts";
import { numberAttribute, tensorAttribute } from "../ir/attributes.ts";
import { type Node, requiredInput } from "../ir/graph.ts";
import type { OpDefinition } from "./definition.ts";
import { commonType, integerTensor, operandType, requiredIntegers, requiredTensor } from "./operands.ts";

function typesOf(evaluate: (node: Node) => Tensor): OpDefinition["infer"] {
  return (node) => {
    const { dtype, shape } = evaluate(node);
    return [{ dtype, shape }];
  };
}

/** The sizes from `start` to `end`, which count from the back where negative and stop at the ends. */
function sizes(node: Node, shape: readonly number[]): Tensor {
  const bound = (value: number): number => Math.max(0, Math.min(shape.length, value < 0 ? value + shape.length : value));
  return integerTensor(shape.slice(bound(numberAttribute(node, "start", 0)), bound(numberAttribute(node, "end", shape.length))));
}

const SHAPE: OpDefinition = {
  name: "Shape",
  infer: typesOf((node) => sizes(node, operandType(node, 0).shape)),
  evaluate: (node, inputs) => [sizes(node, requiredTensor(inputs, 0).shape)],
};

const SIZE: OpDefinition = {
  name: "Size",
  infer: (node) => {
    requiredInput(node, 0);
    return [{ dtype: "int64", shape: [] }];
  },
  evaluate: (_node, inputs) => [
    { dtype: "int64", shape: [], data: BigInt64Array.of(BigInt(elementCount(requiredTensor(inputs, 0).shape))) },
  ],
};

function constantValue(node: Node): Tensor {
  const value = tensorAttribute(node, "value");
  if (!value) throw badAttribute(node, "value", "a tensor");
  return value;
}

const CONSTANT: OpDefinition = { name: "Constant", infer: typesOf(constantValue), evaluate: (node) => [constantValue(node)] };

function filler(node: Node): Tensor {
  const value = tensorAttribute(node, "value") ?? { dtype: "float32", shape: [1], data: new Float32Array(1) };
  if (value.data.length !== 1) throw badAttribute(node, "value", "a tensor of one element");
  return value;
}

function askedShape(node: Node): readonly number[] {
  const shape = requiredIntegers(node, 0, "the shape");
  if (shape.some((d) => d < 0)) throw badOperands(node, `the shape [${shape.join(", ")}] has a negative size.`);
  return shape;
}

const CONSTANT_OF_SHAPE: OpDefinition = {
  name: "ConstantOfShape",
  infer: (node) => [{ dtype: filler(node).dtype, shape: askedShape(node) }],
  evaluate: (node) => {
    const { dtype, data: value } = filler(node);
    const shape = askedShape(node);
    const data = newArray(dtype, elementCount(shape));
    (data as Float32Array).fill(value[0] as number);
    return [{ dtype, shape, data }];
  },
};

const COUNTED: readonly DType[] = ["float32", "int32", "int64"];

/** Start, step and how many numbers: max(0, ⌈(limit − start)/delta⌉). */
function progression(node: Node): { readonly dtype: DType; readonly start: number; readonly delta: number; readonly count: number } {
  const dtype = commonType(node, COUNTED);
  const [start, limit, delta] = [0, 1, 2].map((i) => {
    const { constant } = requiredInput(node, i);
    if (!constant) throw notConstant(node, ["start", "limit", "delta"][i]!);
    if (constant.data.length !== 1) throw badOperands(node, "start, limit and delta must be one number each.");
    return Number(constant.data[0]!);
  }) as [number, number, number];
  const count = Math.max(0, Math.ceil((limit - start) / delta));
  if (delta === 0 || !Number.isFinite(count)) throw badOperands(node, `from ${start} to ${limit} in steps of ${delta} is no range.`);
  return { dtype, start, delta, count };
}

const RANGE: OpDefinition = {
  name: "Range",
  infer: (node) => {
    const { dtype, count } = progression(node);
    return [{ dtype, shape: [count] }];
  },
  evaluate: (node) => {
    const { dtype, start, delta, count } = progression(node);
    const data = newArray(dtype, count);
    if (data instanceof BigInt64Array) for (let i = 0; i < count; i++) data[i] = BigInt(start) + BigInt(i) * BigInt(delta);
    else for (let i = 0; i < count; i++) data[i] = start + i * delta;
    return [{ dtype, shape: [count], data }];
  },
};

/** Every operator of this file. */
export const SHAPES: readonly OpDefinition[] = [SHAPE, SIZE, CONSTANT, CONSTANT_OF_SHAPE, RANGE];
