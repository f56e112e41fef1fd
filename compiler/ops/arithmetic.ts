/**
 * Elementwise operators of two or more operands that broadcast: arithmetic, extremes, comparisons, logic, Where.
 *
 * Float results are rounded once. Integers wrap; division truncates, x/0 = 0; powers with a negative exponent truncate.
 */
import { DTYPES, type DType, type DTypeArrays, elementCount, newArray, type Tensor } from "../../host/tensor.ts";
import { numberAttribute, stringAttribute } from "../ir/attributes.ts";
import type { Node } from "../ir/graph.ts";
import { broadcastIndices, broadcastShape } from "./axes.ts";
import type { OpDefinition } from "./definition.ts";
import { pow } from "./mathematics.ts";
import { commonType, NUMERIC, operandType, requiredTensor } from "./operands.ts";

type FloatFunction = (a: number, b: number) => number;
type IntegerFunction = (a: bigint, b: bigint) => bigint;

/** An operator on floats and on integers. */
interface Functions {
  readonly float: FloatFunction;
  readonly integer: IntegerFunction;
}

function operandShapes(node: Node): readonly (readonly number[])[] {
  return node.inputs.map((_, i) => operandType(node, i).shape);
}

/** Reads elements of `tensor` as they broadcast to `shape`. */
function reader(tensor: Tensor, shape: readonly number[]): (i: number) => number | bigint {
  const indices = broadcastIndices(tensor.shape, shape);
  const { data } = tensor;
  return indices ? (i) => data[indices[i]!]! : (i) => data[i]!;
}

/** A tensor of `dtype` from the functions' values; integers wrap. */
function fill(dtype: DType, shape: readonly number[], at: (i: number) => number | bigint): Tensor {
  const data = newArray(dtype, elementCount(shape));
  if (data instanceof BigInt64Array) for (let i = 0; i < data.length; i++) data[i] = at(i) as bigint;
  else for (let i = 0; i < data.length; i++) data[i] = at(i) as number;
  return { dtype, shape, data };
}

/** Applies a function to two operands of one type. */
function applyBinary(dtype: DType, shape: readonly number[], a: Tensor, b: Tensor, { float, integer }: Functions): Tensor {
  const [x, y] = [reader(a, shape), reader(b, shape)];
  if (dtype === "float32") return fill(dtype, shape, (i) => float(x(i) as number, y(i) as number));
  if (dtype === "int64") return fill(dtype, shape, (i) => integer(x(i) as bigint, y(i) as bigint));
  return fill(dtype, shape, (i) => Number(BigInt.asIntN(32, integer(BigInt(x(i)), BigInt(y(i))))));
}

function binary(name: string, functions: (node: Node) => Functions): OpDefinition {
  return {
    name,
    infer: (node) => [{ dtype: commonType(node, NUMERIC), shape: broadcastShape(node, operandShapes(node)) }],
    evaluate: (node, inputs) => {
      const [a, b] = [requiredTensor(inputs, 0), requiredTensor(inputs, 1)];
      return [applyBinary(a.dtype, broadcastShape(node, [a.shape, b.shape]), a, b, functions(node))];
    },
  };
}

const divide: IntegerFunction = (a, b) => (b === 0n ? 0n : a / b);

/** The sign of the divisor, as Python's %. */
const floorModulo: IntegerFunction = (a, b) => (b === 0n ? 0n : ((a % b) + b) % b);
const truncatedModulo: IntegerFunction = (a, b) => (b === 0n ? 0n : a % b);
const floatFloorModulo: FloatFunction = (a, b) => (a % b === 0 || a % b < 0 === b < 0 ? a % b : (a % b) + b);

const ADD: Functions = { float: (a, b) => a + b, integer: (a, b) => a + b };
const MAX: Functions = { float: (a, b) => (a > b || Number.isNaN(a) ? a : b), integer: (a, b) => (a > b ? a : b) };
const MIN: Functions = { float: (a, b) => (a < b || Number.isNaN(a) ? a : b), integer: (a, b) => (a < b ? a : b) };

const BINARY: readonly OpDefinition[] = [
  binary("Add", () => ADD),
  binary("Sub", () => ({ float: (a, b) => a - b, integer: (a, b) => a - b })),
  binary("Mul", () => ({ float: (a, b) => a * b, integer: (a, b) => a * b })),
  binary("Div", () => ({ float: (a, b) => a / b, integer: divide })),
  binary("PRelu", () => ({ float: (a, b) => (a < 0 ? a * b : a), integer: (a, b) => (a < 0n ? a * b : a) })),
  binary("Mod", (node) =>
    numberAttribute(node, "fmod", 0) !== 0
      ? { float: (a, b) => a % b, integer: truncatedModulo }
      : { float: floatFloorModulo, integer: floorModulo },
  ),
];

const NO_FLOATS: FloatFunction = () => {
  throw new Error("unreachable: operations on bits are of integers");
};

const INTEGERS: readonly DType[] = NUMERIC.filter((dtype) => dtype !== "float32");

function bitwise(name: string, functions: (node: Node) => (a: bigint, b: bigint, dtype: DType) => bigint): OpDefinition {
  return {
    name,
    infer: (node) => [{ dtype: commonType(node, INTEGERS), shape: broadcastShape(node, operandShapes(node)) }],
    evaluate: (node, inputs) => {
      const [a, b] = [requiredTensor(inputs, 0), requiredTensor(inputs, 1)];
      const apply = functions(node);
      const integer: IntegerFunction = (x, y) => apply(x, y, a.dtype);
      return [applyBinary(a.dtype, broadcastShape(node, [a.shape, b.shape]), a, b, { float: NO_FLOATS, integer })];
    },
  };
}

const WIDTHS: Readonly<Partial<Record<DType, bigint>>> = { int8: 8n, uint8: 8n, int32: 32n, int64: 64n };

/** A shift by b modulo the width; to the right without the sign. */
function shift(x: bigint, by: bigint, dtype: DType, isRight: boolean): bigint {
  const width = WIDTHS[dtype]!;
  const places = ((by % width) + width) % width;
  const bits = BigInt.asUintN(Number(width), x);
  return BigInt.asIntN(64, isRight ? bits >> places : bits << places);
}

const BITWISE: readonly OpDefinition[] = [
  bitwise("BitwiseAnd", () => (a, b) => a & b),
  bitwise("BitwiseOr", () => (a, b) => a | b),
  bitwise("BitwiseXor", () => (a, b) => a ^ b),
  bitwise("BitShift", (node) => {
    const isRight = stringAttribute(node, "direction", "LEFT") === "RIGHT";
    return (a, b, dtype) => shift(a, b, dtype, isRight);
  }),
];

/** aᵇ modulo 2⁶⁴; a negative exponent truncates the fraction. */
function integerPower(a: bigint, b: bigint): bigint {
  if (b < 0n) return a === 1n ? 1n : a === -1n ? (b % 2n === 0n ? 1n : -1n) : 0n;
  let [result, square, rest] = [1n, a, b];
  while (rest > 0n) {
    if (rest & 1n) result = BigInt.asIntN(64, result * square);
    square = BigInt.asIntN(64, square * square);
    rest >>= 1n;
  }
  return result;
}

/** Pow: base and exponent may be of different types, the result is of the base's. */
const POW: OpDefinition = {
  name: "Pow",
  infer: (node) => {
    const { dtype } = operandType(node, 0, NUMERIC);
    operandType(node, 1, NUMERIC);
    return [{ dtype, shape: broadcastShape(node, operandShapes(node)) }];
  },
  evaluate: (node, inputs) => {
    const [a, b] = [requiredTensor(inputs, 0), requiredTensor(inputs, 1)];
    const { dtype } = a;
    const shape = broadcastShape(node, [a.shape, b.shape]);
    const [x, y] = [reader(a, shape), reader(b, shape)];
    if (dtype === "float32") return [fill(dtype, shape, (i) => pow(x(i) as number, Number(y(i))))];
    if (b.dtype !== "float32") {
      const power = (i: number): bigint => integerPower(BigInt(x(i)), BigInt(y(i)));
      return [fill(dtype, shape, dtype === "int64" ? power : (i) => Number(BigInt.asIntN(32, power(i))))];
    }
    const truncated = (i: number): number => {
      const value = Math.trunc(pow(Number(x(i)), y(i) as number));
      return Number.isFinite(value) ? value : 0;
    };
    return [fill(dtype, shape, dtype === "int64" ? (i) => BigInt(truncated(i)) : truncated)];
  },
};

/** Any number of operands, folded from the left; `finish` sees the fold of float operands and their number. */
function variadic(
  name: string,
  dtypes: readonly DType[],
  functions: Functions,
  finish: (sum: number, count: number) => number = (sum) => sum,
): OpDefinition {
  return {
    name,
    infer: (node) => [{ dtype: commonType(node, dtypes), shape: broadcastShape(node, operandShapes(node)) }],
    evaluate: (node, inputs) => {
      const tensors = inputs.map((_, i) => requiredTensor(inputs, i));
      const { dtype } = tensors[0]!;
      const shape = broadcastShape(
        node,
        tensors.map((tensor) => tensor.shape),
      );
      const readers = tensors.map((tensor) => reader(tensor, shape));
      if (dtype === "float32")
        return [fill(dtype, shape, (i) => finish(readers.map((read) => read(i) as number).reduce(functions.float), readers.length))];
      const fold = (i: number): bigint => readers.map((read) => BigInt(read(i))).reduce(functions.integer);
      return [fill(dtype, shape, dtype === "int64" ? fold : (i) => Number(BigInt.asIntN(32, fold(i))))];
    },
  };
}

const VARIADIC: readonly OpDefinition[] = [
  variadic("Max", NUMERIC, MAX),
  variadic("Min", NUMERIC, MIN),
  variadic("Sum", ["float32"], ADD),
  variadic("Mean", ["float32"], ADD, (sum, count) => sum / count),
];

/** A predicate of two operands of one of `dtypes`. */
function comparison(name: string, dtypes: readonly DType[], holds: (a: number | bigint, b: number | bigint) => boolean): OpDefinition {
  return {
    name,
    infer: (node) => {
      commonType(node, dtypes);
      return [{ dtype: "bool", shape: broadcastShape(node, operandShapes(node)) }];
    },
    evaluate: (node, inputs) => {
      const [a, b] = [requiredTensor(inputs, 0), requiredTensor(inputs, 1)];
      const shape = broadcastShape(node, [a.shape, b.shape]);
      const [x, y] = [reader(a, shape), reader(b, shape)];
      return [fill("bool", shape, (i) => (holds(x(i), y(i)) ? 1 : 0))];
    },
  };
}

const COMPARISONS: readonly OpDefinition[] = [
  comparison("Equal", DTYPES, (a, b) => a === b),
  comparison("Less", NUMERIC, (a, b) => a < b),
  comparison("Greater", NUMERIC, (a, b) => a > b),
  comparison("LessOrEqual", NUMERIC, (a, b) => a <= b),
  comparison("GreaterOrEqual", NUMERIC, (a, b) => a >= b),
  comparison("And", ["bool"], (a, b) => a !== 0 && b !== 0),
  comparison("Or", ["bool"], (a, b) => a !== 0 || b !== 0),
  comparison("Xor", ["bool"], (a, b) => (a !== 0) !== (b !== 0)),
];

/** Where: the second operand where the first is true, else the third. */
const WHERE: OpDefinition = {
  name: "Where",
  infer: (node) => {
    operandType(node, 0, ["bool"]);
    return [{ dtype: commonType(node, DTYPES, [1, 2]), shape: broadcastShape(node, operandShapes(node)) }];
  },
  evaluate: (node, inputs) => {
    const [condition, a, b] = [requiredTensor(inputs, 0), requiredTensor(inputs, 1), requiredTensor(inputs, 2)];
    const shape = broadcastShape(node, [condition.shape, a.shape, b.shape]);
    const [holds, x, y] = [reader(condition, shape), reader(a, shape), reader(b, shape)];
    return [fill(a.dtype, shape, (i) => (holds(i) ? x(i) : y(i)) as DTypeArrays["float32"][number])];
  },
};

/** Every operator of this file. */
export const ARITHMETIC: readonly OpDefinition[] = [...BINARY, ...BITWISE, POW, ...VARIADIC, ...COMPARISONS, WHERE];
