/** Lowering rules of elementwise operators: unary functions (a table of 256 in int8), and binary ones with broadcasting. */
import * as Opcode from "../../format/opcodes.ts";
import * as Packing from "../../format/packings.ts";
import * as Binary from "../../format/steps/binary.ts";
import * as BinaryI8 from "../../format/steps/binary-i8.ts";
import * as TableI8 from "../../format/steps/table-i8.ts";
import * as Unary from "../../format/steps/unary.ts";
import { elementCount, type Tensor } from "../../host/tensor.ts";
import { numberAttribute, stringAttribute } from "../ir/attributes.ts";
import { type Node, onlyOutput, requiredInput, typeOf, type ValueType } from "../ir/graph.ts";
import { evaluateNode } from "../ops/index.ts";
import { clampRange } from "../passes/value-range.ts";
import { type Builder, quantizedOperand, quantizedResult } from "./builder.ts";
import { clampOf } from "./geometry.ts";
import { floatBits, type Reference } from "./lowered.ts";
import { broadcastBlock, emitBroadcastBinary, type TypedReference, temporary } from "./movement.ts";
import { emitCast } from "./quantization.ts";
import { quantizedClamp, roundHalfEven } from "./rescale.ts";

type UnaryName = Exclude<keyof typeof Unary, "extents" | "WORDS">;

/** ONNX operator → UNARY operation, with its two parameters. */
const UNARY: Readonly<Record<string, (node: Node) => { readonly op: UnaryName; readonly alpha?: number; readonly beta?: number }>> = {
  LeakyRelu: (node) => ({ op: "LEAKY_RELU", alpha: numberAttribute(node, "alpha", 0.01) }),
  Sigmoid: () => ({ op: "SIGMOID" }),
  Tanh: () => ({ op: "TANH" }),
  Exp: () => ({ op: "EXP" }),
  Log: () => ({ op: "LOG" }),
  Sqrt: () => ({ op: "SQRT" }),
  Neg: () => ({ op: "NEG" }),
  Abs: () => ({ op: "ABS" }),
  Erf: () => ({ op: "ERF" }),
  HardSigmoid: (node) => ({ op: "HARD_SIGMOID", alpha: numberAttribute(node, "alpha", 0.2), beta: numberAttribute(node, "beta", 0.5) }),
  HardSwish: () => ({ op: "HARD_SWISH" }),
  "eqm:Silu": () => ({ op: "SILU" }),
  Gelu: (node) => ({ op: stringAttribute(node, "approximate", "none") === "tanh" ? "GELU_TANH" : "GELU" }),
  Reciprocal: () => ({ op: "RECIPROCAL" }),
  Floor: () => ({ op: "FLOOR" }),
  Ceil: () => ({ op: "CEIL" }),
  Round: () => ({ op: "ROUND" }),
  Elu: (node) => ({ op: "ELU", alpha: numberAttribute(node, "alpha", 1), beta: 1 }),
  Selu: (node) => ({
    op: "ELU",
    alpha: numberAttribute(node, "alpha", 1.6732631921768188),
    beta: numberAttribute(node, "gamma", 1.0507010221481323),
  }),
  Softplus: () => ({ op: "SOFTPLUS" }),
  Mish: () => ({ op: "MISH" }),
  Swish: (node) => ({ op: "SWISH", alpha: numberAttribute(node, "alpha", 1) }),
  Softsign: () => ({ op: "SOFTSIGN" }),
  ThresholdedRelu: (node) => ({ op: "THRESHOLDED_RELU", alpha: numberAttribute(node, "alpha", 1) }),
  Shrink: (node) => ({ op: "SHRINK", alpha: numberAttribute(node, "lambd", 0.5), beta: numberAttribute(node, "bias", 0) }),
  Sign: () => ({ op: "SIGN" }),
  Sinh: () => ({ op: "SINH" }),
  Cosh: () => ({ op: "COSH" }),
  Asinh: () => ({ op: "ASINH" }),
  Acosh: () => ({ op: "ACOSH" }),
  Atanh: () => ({ op: "ATANH" }),
  Sin: () => ({ op: "SIN" }),
  Cos: () => ({ op: "COS" }),
  Tan: () => ({ op: "TAN" }),
  Asin: () => ({ op: "ASIN" }),
  Acos: () => ({ op: "ACOS" }),
  Atan: () => ({ op: "ATAN" }),
};

type BinaryName =
  | "ADD"
  | "SUB"
  | "MUL"
  | "DIV"
  | "PRELU"
  | "POW"
  | "FLOOR_MOD"
  | "REMAINDER"
  | "BIT_AND"
  | "BIT_OR"
  | "BIT_XOR"
  | "SHIFT_LEFT"
  | "SHIFT_RIGHT";

const BINARY: Readonly<Record<string, BinaryName>> = {
  Add: "ADD",
  Sub: "SUB",
  Mul: "MUL",
  Div: "DIV",
  PRelu: "PRELU",
  Pow: "POW",
  Mod: "FLOOR_MOD",
  BitwiseAnd: "BIT_AND",
  BitwiseOr: "BIT_OR",
  BitwiseXor: "BIT_XOR",
  BitShift: "SHIFT_LEFT",
};

/** The operation of a node: some depend on its attributes. */
function binaryName(node: Node): BinaryName {
  if (node.op === "Mod" && numberAttribute(node, "fmod", 0) !== 0) return "REMAINDER";
  if (node.op === "BitShift" && stringAttribute(node, "direction", "LEFT") === "RIGHT") return "SHIFT_RIGHT";
  return BINARY[node.op]!;
}

/** Operators that `lowerUnaryF32` takes: functions of one operand, and clamps. */
export const UNARY_OPS: readonly string[] = [...Object.keys(UNARY), "Relu", "Clip"];

/** Operators that `lowerBinaryF32` takes. */
export const BINARY_OPS: readonly string[] = Object.keys(BINARY);

/** A float32 function of each element. */
export function lowerUnaryF32(builder: Builder, node: Node): void {
  const x = requiredInput(node, 0);
  if (typeOf(x).dtype !== "float32" || (node.op === "Clip" && !clampRange(node))) {
    lowerClipByBinary(builder, node);
    return;
  }
  const range = clampRange(node);
  const { op, alpha = 0, beta = 0 } = range ? { op: "CLAMP" as const, alpha: range.low, beta: range.high } : UNARY[node.op]!(node);
  const src = builder.reference(x);
  emitUnary(builder, op, src, builder.define(onlyOutput(node)), elementCount(typeOf(x).shape), alpha, beta);
}

/** Emits one UNARY step. */
export function emitUnary(builder: Builder, op: UnaryName, src: Reference, dst: Reference, count: number, alpha = 0, beta = 0): void {
  if (count === 0) return;
  builder.step(Opcode.UNARY, Unary, {
    SRC: src,
    DST: dst,
    OP: Unary[op] as number,
    COUNT: count,
    ALPHA: floatBits(alpha),
    BETA: floatBits(beta),
  });
}

/** Relu and Clip of integers, and Clip with computed bounds: max, then min. */
function lowerClipByBinary(builder: Builder, node: Node): void {
  const type = typeOf(onlyOutput(node));
  const open = { low: -Infinity, high: Infinity };
  const zero: Tensor = {
    dtype: type.dtype,
    shape: [],
    data: type.dtype === "int64" ? new BigInt64Array(1) : type.dtype === "int32" ? new Int32Array(1) : new Uint8Array(1),
  };
  const bound = (index: number): TypedReference | null => {
    const value = node.inputs[index];
    return value ? { reference: builder.reference(value), type: { dtype: type.dtype, shape: [] } } : null;
  };
  const bounds: readonly (readonly ["MAXIMUM" | "MINIMUM", TypedReference | null])[] =
    node.op === "Relu"
      ? [["MAXIMUM", { reference: builder.constant(Packing.COPY, zero), type: { dtype: type.dtype, shape: [] } }]]
      : [
          ["MAXIMUM", bound(1)],
          ["MINIMUM", bound(2)],
        ];
  const present = bounds.filter(([, value]) => value !== null);
  let operand: TypedReference = { reference: builder.reference(requiredInput(node, 0)), type };
  if (present.length === 0) {
    builder.place(onlyOutput(node), operand.reference);
    return;
  }
  present.forEach(([op, value], i) => {
    const bytes = builder.byteSize(type);
    const dst = i === present.length - 1 ? builder.define(onlyOutput(node)) : temporary(builder, bytes);
    emitBroadcastBinary(builder, op, operand, value!, dst, type, open);
    operand = { reference: dst, type };
  });
}

/** Any function of one int8 operand to int8, as a table made with the operator's reference. */
export function lowerTableI8(builder: Builder, node: Node): boolean {
  const x = quantizedOperand(requiredInput(node, 0));
  const result = quantizedResult(onlyOutput(node));
  if (!x || !result || node.inputs.slice(1).some((value) => value !== null && value.constant === null)) return false;
  const count = elementCount(typeOf(x.value).shape);
  if (x.scale === result.scale && x.zeroPoint === result.zeroPoint && node.op === "Identity") return false;
  const real = Float32Array.from({ length: 256 }, (_, i) => Math.fround(i - 128 - x.zeroPoint) * Math.fround(x.scale));
  const inputs = node.inputs.map((value, i) =>
    i === 0 ? ({ dtype: "float32", shape: [256], data: real } as const) : (value?.constant ?? null),
  );
  const values = evaluateNode({ ...node, channelsLast: false }, inputs)[0]!.data as Float32Array;
  const table = Int8Array.from(values, (y) => quantize(y, result.scale, result.zeroPoint));
  const src = builder.reference(x.value);
  builder.step(Opcode.TABLE_I8, TableI8, {
    SRC: src,
    DST: builder.define(result.value),
    TABLE: builder.constant(Packing.COPY, { dtype: "int8", shape: [256], data: table }),
    ROWS: 1,
    COLUMNS: count,
    SRC_PITCH: count,
    DST_PITCH: count,
  });
  return true;
}

function quantize(y: number, scale: number, zeroPoint: number): number {
  if (Number.isNaN(y)) return zeroPoint;
  return Math.max(-128, Math.min(127, roundHalfEven(Math.max(-1e6, Math.min(1e6, Math.fround(y / Math.fround(scale))))) + zeroPoint));
}

/** A binary operator on float32 or integers. */
export function lowerBinaryF32(builder: Builder, node: Node): void {
  const type = typeOf(onlyOutput(node));
  const [a, b] = [requiredInput(node, 0), requiredInput(node, 1)];
  if (node.op === "Pow" && isSquare(node)) {
    // The commonest power, of every layer normalization that is written out, is one multiplication.
    const base = { reference: builder.reference(a), type: typeOf(a) };
    emitBroadcastBinary(builder, "MUL", base, base, builder.define(onlyOutput(node)), type, clampOf(node));
    return;
  }
  const left = { reference: builder.reference(a), type: typeOf(a) };
  const right = { reference: builder.reference(b), type: typeOf(b) };
  if (right.type.dtype === left.type.dtype && (node.op !== "Pow" || left.type.dtype === "float32")) {
    emitBroadcastBinary(builder, binaryName(node), left, right, builder.define(onlyOutput(node)), type, clampOf(node));
    return;
  }
  // Pow takes an exponent of any type; integers are raised in float32, as far as that is exact.
  const power = (operand: TypedReference): TypedReference => ({
    reference: emitCast(builder, operand, "float32"),
    type: { ...operand.type, dtype: "float32" },
  });
  const real: ValueType = { dtype: "float32", shape: type.shape };
  const result = type.dtype === "float32" ? builder.define(onlyOutput(node)) : temporary(builder, builder.byteSize(real));
  emitBroadcastBinary(builder, binaryName(node), power(left), power(right), result, real, clampOf(node));
  if (type.dtype !== "float32") emitCast(builder, { reference: result, type: real }, type.dtype, builder.define(onlyOutput(node)));
}

/** Whether a Pow of float32 has the constant exponent 2 and the shape of its base. */
function isSquare(node: Node): boolean {
  const exponent = requiredInput(node, 1).constant;
  if (exponent?.data.length !== 1 || Number(exponent.data[0]) !== 2) return false;
  const base = typeOf(requiredInput(node, 0));
  return base.dtype === "float32" && `${base.shape}` === `${typeOf(onlyOutput(node)).shape}`;
}

/** Max, Min and Sum of any number of operands, folded from the left. */
export function lowerVariadic(builder: Builder, node: Node): void {
  const op = ({ Max: "MAXIMUM", Min: "MINIMUM", Sum: "ADD" } as const)[node.op as "Max" | "Min" | "Sum"];
  const type = typeOf(onlyOutput(node));
  const operands = node.inputs.map((value) => ({ reference: builder.reference(value!), type: typeOf(value!) }));
  let folded: TypedReference = operands[0]!;
  if (operands.length === 1) {
    builder.place(onlyOutput(node), folded.reference);
    return;
  }
  operands.slice(1).forEach((operand, i) => {
    const dst = i === operands.length - 2 ? builder.define(onlyOutput(node)) : temporary(builder, builder.byteSize(type));
    emitBroadcastBinary(builder, op, folded, operand, dst, type, { low: -Infinity, high: Infinity });
    folded = { reference: dst, type };
  });
}

/** Binary operators that have a form on int8 that stands for real numbers. */
const INT8_BINARY: readonly string[] = ["Add", "Sub", "Mul", "Div", "PRelu"];

/** A binary operator on two int8 operands, with an int8 result. */
export function lowerBinaryI8(builder: Builder, node: Node): boolean {
  const a = quantizedOperand(requiredInput(node, 0));
  const b = quantizedOperand(requiredInput(node, 1));
  const result = quantizedResult(onlyOutput(node));
  if (!a || !b || !result || !INT8_BINARY.includes(node.op)) return false;
  const f = Math.fround;
  const out = f(result.scale);
  const [sa, sb] = [f(a.scale), f(b.scale)];
  const scales = {
    Add: [f(sa / out), f(sb / out), 1],
    Sub: [f(sa / out), f(sb / out), 1],
    Mul: [1, 1, f(f(sa * sb) / out)],
    Div: [1, 1, f(f(sa / sb) / out)],
    PRelu: [f(sa / out), 1, f(f(sa * sb) / out)],
  }[node.op as "Add" | "Sub" | "Mul" | "Div" | "PRelu"];
  const clamp = clampOf(node);
  const { min, max } = quantizedClamp(clamp.low, clamp.high, result.scale, result.zeroPoint);
  const left = builder.reference(a.value);
  const right = builder.reference(b.value);
  builder.step(Opcode.BINARY_I8, BinaryI8, {
    A: left,
    B: right,
    DST: builder.define(result.value),
    OP: Binary[BINARY[node.op]!],
    ...broadcastBlock(typeOf(a.value).shape, typeOf(b.value).shape, typeOf(result.value).shape),
    A_ZERO: a.zeroPoint,
    A_SCALE: floatBits(scales[0]!),
    B_ZERO: b.zeroPoint,
    B_SCALE: floatBits(scales[1]!),
    OUT_SCALE: floatBits(scales[2]!),
    OUT_ZERO: result.zeroPoint,
    MIN: min,
    MAX: max,
  });
  return true;
}
