/**
 * Elementwise functions of one operand. Functions of floats are computed in float64 and rounded once; those that integers have as well
 * keep their type and wrap.
 */
import { type DType, elementCount, newArray, type Tensor } from "../../host/tensor.ts";
import { badOperands } from "../errors.ts";
import { numberAttribute, stringAttribute } from "../ir/attributes.ts";
import type { Node } from "../ir/graph.ts";
import type { OpDefinition } from "./definition.ts";
import { acosh, asinh, atanh, cosh, erf, erfc, exp, expm1, log, log1p, sigmoid, sinh, tanh } from "./mathematics.ts";
import { floats, floatTensor, NUMERIC, operandType, requiredTensor, SIGNED } from "./operands.ts";
import { roundHalfEven } from "./rounding.ts";
import { acos, asin, atan, cos, sin } from "./trigonometry.ts";

type FloatFunction = (x: number) => number;

const f = Math.fround;

/** A function of floats whose parameters stand in the node's attributes. */
function float(name: string, make: (node: Node) => FloatFunction): OpDefinition {
  return {
    name,
    infer: (node) => [operandType(node, 0, ["float32"])],
    evaluate: (node, inputs) => {
      const apply = make(node);
      return [
        floatTensor(
          requiredTensor(inputs, 0).shape,
          Float32Array.from(floats(inputs, 0), (x) => apply(x)),
        ),
      ];
    },
  };
}

/** An attribute `alpha` or the like, float32 as ONNX has it. */
function parameter(name: string, otherwise: number): (node: Node) => number {
  return (node) => f(numberAttribute(node, name, otherwise));
}

const alpha = (otherwise: number): ((node: Node) => number) => parameter("alpha", otherwise);

const clamp01 = (x: number): number => (x < 0 ? 0 : x > 1 ? 1 : x);

/** log(1 + eˣ), without overflow. */
const softplus = (x: number): number => (x > 0 ? x + log1p(exp(-x)) : log1p(exp(x)));

const elu = (x: number, scale: number): number => (x < 0 ? scale * expm1(x) : x);

function gelu(node: Node): FloatFunction {
  const approximate = stringAttribute(node, "approximate", "none");
  if (approximate === "none") return (x) => 0.5 * x * erfc(-x * Math.SQRT1_2);
  if (approximate === "tanh") return (x) => 0.5 * x * (1 + tanh(0.7978845608028654 * (x + 0.044715 * x * x * x)));
  throw badOperands(node, `approximate is none or tanh, not ${approximate}.`);
}

const FLOAT: readonly OpDefinition[] = [
  float("LeakyRelu", (node) => {
    const a = alpha(0.01)(node);
    return (x) => (x < 0 ? a * x : x);
  }),
  float("Sigmoid", () => sigmoid),
  float("Tanh", () => tanh),
  float("HardSigmoid", (node) => {
    const [a, b] = [alpha(0.2)(node), parameter("beta", 0.5)(node)];
    return (x) => clamp01(a * x + b);
  }),
  float("HardSwish", () => (x) => x * clamp01(x / 6 + 0.5)),
  float("eqm:Silu", () => (x) => x * sigmoid(x)),
  float("Swish", (node) => {
    const a = alpha(1)(node);
    return (x) => x * sigmoid(a * x);
  }),
  float("Elu", (node) => {
    const a = alpha(1)(node);
    return (x) => elu(x, a);
  }),
  float("Selu", (node) => {
    const [a, g] = [alpha(1.6732631921768188)(node), parameter("gamma", 1.0507010221481323)(node)];
    return (x) => g * elu(x, a);
  }),
  float("Celu", (node) => {
    const a = alpha(1)(node);
    return (x) => (x < 0 ? a * expm1(x / a) : x);
  }),
  float("ThresholdedRelu", (node) => {
    const a = alpha(1)(node);
    return (x) => (x <= a ? 0 : x);
  }),
  float("Gelu", gelu),
  float("Softplus", () => softplus),
  float("Softsign", () => (x) => x / (1 + Math.abs(x))),
  float("Mish", () => (x) => x * tanh(softplus(x))),
  float("Erf", () => erf),
  float("Sqrt", () => Math.sqrt),
  float("Exp", () => exp),
  float("Log", () => log),
  float("Sin", () => sin),
  float("Cos", () => cos),
  float("Tan", () => (x) => (x === 0 ? x : sin(x) / cos(x))),
  float("Asin", () => asin),
  float("Acos", () => acos),
  float("Atan", () => atan),
  float("Sinh", () => sinh),
  float("Cosh", () => cosh),
  float("Asinh", () => asinh),
  float("Acosh", () => acosh),
  float("Atanh", () => atanh),
  float("Shrink", (node) => {
    const [lambda, bias] = [parameter("lambd", 0.5)(node), parameter("bias", 0)(node)];
    return (x) => (x < -lambda ? x + bias : x > lambda ? x - bias : 0);
  }),
  float("Reciprocal", () => (x) => 1 / x),
  float("Floor", () => Math.floor),
  float("Ceil", () => Math.ceil),
  float("Round", () => roundHalfEven),
];

/** Applies a function to numbers, or to int64 one of bigint. */
function map(x: Tensor, number: FloatFunction, integer: (x: bigint) => bigint): Tensor {
  const data = newArray(x.dtype, x.data.length);
  if (x.data instanceof BigInt64Array) for (let i = 0; i < data.length; i++) data[i] = integer(x.data[i]!);
  else for (let i = 0; i < data.length; i++) data[i] = number(x.data[i]!);
  return { dtype: x.dtype, shape: x.shape, data };
}

function numeric(name: string, dtypes: readonly DType[], number: FloatFunction, integer: (x: bigint) => bigint): OpDefinition {
  return {
    name,
    infer: (node) => [operandType(node, 0, dtypes)],
    evaluate: (_node, inputs) => [map(requiredTensor(inputs, 0), number, integer)],
  };
}

const NUMBERS: readonly OpDefinition[] = [
  numeric(
    "Relu",
    SIGNED,
    (x) => (x <= 0 ? 0 : x),
    (x) => (x < 0n ? 0n : x),
  ),
  numeric(
    "Neg",
    SIGNED,
    (x) => -x,
    (x) => -x,
  ),
  numeric("Abs", NUMERIC, Math.abs, (x) => (x < 0n ? -x : x)),
  numeric("Sign", NUMERIC, Math.sign, (x) => (x < 0n ? -1n : x > 0n ? 1n : 0n)),
  numeric(
    "Not",
    ["bool"],
    (x) => (x === 0 ? 1 : 0),
    (x) => x,
  ),
];

/** Clip: max with the lower bound, then min with the upper one; a NaN stays. */
const CLIP: OpDefinition = {
  name: "Clip",
  infer: (node) => {
    const x = operandType(node, 0, NUMERIC);
    for (const index of [1, 2]) {
      if (!node.inputs[index]) continue;
      const bound = operandType(node, index);
      if (bound.dtype !== x.dtype || elementCount(bound.shape) !== 1)
        throw badOperands(node, `its bound is ${bound.dtype} [${bound.shape.join(", ")}]; it must be one ${x.dtype}.`);
    }
    return [x];
  },
  evaluate: (_node, inputs) => {
    const bounds = [inputs[1]?.data[0] ?? -Infinity, inputs[2]?.data[0] ?? Infinity] as const;
    const within = <T extends number | bigint>(x: T): T => {
      const raised = x < bounds[0] ? (bounds[0] as T) : x;
      return raised > bounds[1] ? (bounds[1] as T) : raised;
    };
    return [map(requiredTensor(inputs, 0), within, within)];
  },
};

function floatPredicate(name: string, make: (node: Node) => (x: number) => boolean): OpDefinition {
  return {
    name,
    infer: (node) => [{ dtype: "bool", shape: operandType(node, 0, ["float32"]).shape }],
    evaluate: (node, inputs) => {
      const holds = make(node);
      return [
        { dtype: "bool", shape: requiredTensor(inputs, 0).shape, data: Uint8Array.from(floats(inputs, 0), (x) => (holds(x) ? 1 : 0)) },
      ];
    },
  };
}

const PREDICATES: readonly OpDefinition[] = [
  floatPredicate("IsNaN", () => Number.isNaN),
  floatPredicate("IsInf", (node) => {
    const [negative, positive] = [numberAttribute(node, "detect_negative", 1) !== 0, numberAttribute(node, "detect_positive", 1) !== 0];
    return (x) => (x === Infinity && positive) || (x === -Infinity && negative);
  }),
];

/** Every operator of this file. */
export const FUNCTIONS: readonly OpDefinition[] = [...FLOAT, ...NUMBERS, CLIP, ...PREDICATES];
