/** Lowering rules of pooling, reductions over axes, and softmax. */
import * as Opcode from "../../format/opcodes.ts";
import * as Pool from "../../format/steps/pool.ts";
import * as Reduce from "../../format/steps/reduce.ts";
import * as Softmax from "../../format/steps/softmax.ts";
import { dtypeCode, elementCount } from "../../host/tensor.ts";
import { numberAttribute, numbersAttribute } from "../ir/attributes.ts";
import { type Node, onlyOutput, requiredInput, typeOf, type Value } from "../ir/graph.ts";
import { type Builder, type QuantizedOperand, quantizedOperand, quantizedResult } from "./builder.ts";
import { emitUnary } from "./elementwise.ts";
import { clampOf, imageShape, windowOf } from "./geometry.ts";
import { floatBits, type Reference } from "./lowered.ts";
import { emitBroadcastBinary, emitTranspose, temporary } from "./movement.ts";
import { emitCast } from "./quantization.ts";
import { quantizedClamp } from "./rescale.ts";

/** Int8 operand and result, or the float32 ones, of a node that can do both. */
interface Ends {
  readonly src: Value;
  readonly dst: Value;
  readonly x: QuantizedOperand | null;
  readonly result: QuantizedOperand | null;
}

function int8Ends(node: Node): Ends | null {
  const x = quantizedOperand(requiredInput(node, 0));
  const result = quantizedResult(node.outputs[0]!);
  return x && result ? { src: x.value, dst: result.value, x, result } : null;
}

function floatEnds(node: Node): Ends {
  return { src: requiredInput(node, 0), dst: node.outputs[0]!, x: null, result: null };
}

/** MaxPool and AveragePool on int8. A maximum keeps scale and zero point, so it asks for equal ones. */
export function lowerPoolI8(builder: Builder, node: Node): boolean {
  const ends = int8Ends(node);
  if (!ends || node.outputs.length > 1) return false;
  const keeps = ends.x!.scale === ends.result!.scale && ends.x!.zeroPoint === ends.result!.zeroPoint;
  if (node.op === "MaxPool" && !keeps) return false;
  emitPool(builder, node, ends);
  return true;
}

/** MaxPool and AveragePool on float32, int8 or uint8 tensors. */
export function lowerPool(builder: Builder, node: Node): void {
  emitPool(builder, node, floatEnds(node));
}

function emitPool(builder: Builder, node: Node, { src, dst, x, result }: Ends): void {
  const input = imageShape(typeOf(src).shape);
  const output = imageShape(typeOf(dst).shape);
  const kernelShape = numbersAttribute(node, "kernel_shape", []);
  const { kernel, strides, dilations, padsBegin, padsEnd } = windowOf(node, kernelShape);
  const three = (name: string, [d, h, w]: readonly [number, number, number]): Record<string, number> => ({
    [`${name}_D`]: d,
    [`${name}_H`]: h,
    [`${name}_W`]: w,
  });
  const clamp = clampOf(node);
  const { dtype } = typeOf(src);
  const bounds = result ? quantizedClamp(clamp.low, clamp.high, result.scale, result.zeroPoint) : integerRange(dtype);
  const indices = node.outputs[1];
  const source = builder.reference(src);
  const place = builder.define(dst);
  builder.step(
    Opcode.POOL,
    Pool,
    {
      SRC: source,
      DST: place,
      INDICES: indices ? builder.define(indices) : -1,
      KIND: node.op === "MaxPool" ? Pool.MAXIMUM : Pool.AVERAGE,
      DTYPE: dtypeCode(dtype),
      BATCH: input.batch,
      IN_D: input.depth,
      IN_H: input.height,
      IN_W: input.width,
      CHANNELS: input.channels,
      OUT_D: output.depth,
      OUT_H: output.height,
      OUT_W: output.width,
      ...three("KERNEL", kernel),
      ...three("STRIDE", strides),
      ...three("DILATION", dilations),
      PAD_FRONT: padsBegin[0],
      PAD_TOP: padsBegin[1],
      PAD_LEFT: padsBegin[2],
      PAD_BACK: padsEnd[0],
      PAD_BOTTOM: padsEnd[1],
      PAD_RIGHT: padsEnd[2],
      COUNT_INCLUDE_PAD: numberAttribute(node, "count_include_pad", 0),
      COLUMN_MAJOR: numberAttribute(node, "storage_order", 0),
      SCALE: floatBits(x && result ? Math.fround(Math.fround(x.scale) / Math.fround(result.scale)) : 1),
      IN_ZERO: x?.zeroPoint ?? 0,
      OUT_ZERO: result?.zeroPoint ?? 0,
      MIN: bounds ? bounds.min : floatBits(clamp.low),
      MAX: bounds ? bounds.max : floatBits(clamp.high),
    },
    indices ? ["DST", "INDICES"] : ["DST"],
  );
}

function integerRange(dtype: string): { readonly min: number; readonly max: number } | null {
  if (dtype === "int8") return { min: -128, max: 127 };
  return dtype === "uint8" ? { min: 0, max: 255 } : null;
}

type Kind = "SUM" | "MEAN" | "MAXIMUM" | "MINIMUM" | "PRODUCT";

const REDUCTIONS: Readonly<Record<string, Kind>> = {
  ReduceSum: "SUM",
  ReduceMean: "MEAN",
  ReduceMax: "MAXIMUM",
  ReduceMin: "MINIMUM",
  ReduceProd: "PRODUCT",
  GlobalAveragePool: "MEAN",
  GlobalMaxPool: "MAXIMUM",
};

/** Operators that `lowerReduce` takes. */
export const REDUCE_OPS: readonly string[] = Object.keys(REDUCTIONS);

/** The axes a node reduces, ascending. */
function reducedAxes(node: Node, rank: number): readonly number[] {
  if (node.op.startsWith("Global")) return Array.from({ length: rank - 2 }, (_, i) => i + (node.channelsLast ? 1 : 2));
  const given = node.inputs[1]?.constant;
  if (!given || given.data.length === 0)
    return numberAttribute(node, "noop_with_empty_axes", 0) ? [] : Array.from({ length: rank }, (_, i) => i);
  return [...new Set(Array.from(given.data as BigInt64Array, (axis) => (Number(axis) < 0 ? Number(axis) + rank : Number(axis))))].sort(
    (a, b) => a - b,
  );
}

/** Mean over adjacent axes on int8. */
export function lowerReduceI8(builder: Builder, node: Node): boolean {
  const ends = int8Ends(node);
  if (!ends || REDUCTIONS[node.op] !== "MEAN") return false;
  const { shape } = typeOf(ends.src);
  const axes = reducedAxes(node, shape.length);
  if (axes.length === 0 || axes.some((axis, i) => i > 0 && axis !== axes[i - 1]! + 1)) return false;
  const count = axes.reduce((n, axis) => n * shape[axis]!, 1);
  const { x, result } = ends;
  const clamp = clampOf(node);
  const { min, max } = quantizedClamp(clamp.low, clamp.high, result!.scale, result!.zeroPoint);
  const src = builder.reference(ends.src);
  emitReduce(builder, "MEAN", src, builder.define(ends.dst), shape, axes, "int8", {
    SCALE: floatBits(Math.fround(x!.scale / (result!.scale * count))),
    IN_ZERO: x!.zeroPoint,
    OUT_ZERO: result!.zeroPoint,
    MIN: min,
    MAX: max,
  });
  return true;
}

/** Reductions over any axes: adjacent ones at once, others after a transpose that brings them together. Bytes are reduced as int32. */
export function lowerReduce(builder: Builder, node: Node): void {
  const x = requiredInput(node, 0);
  const y = onlyOutput(node);
  const { dtype, shape } = typeOf(x);
  const axes = reducedAxes(node, shape.length);
  const given = builder.reference(x);
  if (axes.length === 0 || elementCount(shape) === 0) {
    builder.place(y, given);
    return;
  }
  const clamp = clampOf(node);
  const words = { SCALE: 0, IN_ZERO: 0, OUT_ZERO: 0, MIN: floatBits(clamp.low), MAX: floatBits(clamp.high) };
  const isAdjacent = axes.every((axis, i) => i === 0 || axis === axes[i - 1]! + 1);
  const kept = shape.map((_, i) => i).filter((i) => !axes.includes(i));
  const perm = isAdjacent ? shape.map((_, i) => i) : [...kept, ...axes];
  const type = dtype === "float32" || dtype === "int64" ? dtype : "int32";
  const wide = emitCast(builder, { reference: given, type: { dtype, shape } }, type);
  const src = isAdjacent ? wide : emitTranspose(builder, wide, { dtype: type, shape }, perm);
  const dst = type === dtype ? builder.define(y) : temporary(builder, builder.byteSize({ dtype: type, shape: typeOf(y).shape }));
  const places = isAdjacent ? axes : axes.map((_, i) => kept.length + i);
  emitReduce(
    builder,
    REDUCTIONS[node.op]!,
    src,
    dst,
    perm.map((axis) => shape[axis]!),
    places,
    type,
    words,
  );
  if (type !== dtype) emitCast(builder, { reference: dst, type: { dtype: type, shape: typeOf(y).shape } }, dtype, builder.define(y));
}

function emitReduce(
  builder: Builder,
  kind: Kind,
  src: Reference,
  dst: Reference,
  shape: readonly number[],
  axes: readonly number[],
  dtype: "float32" | "int8" | "uint8" | "int32" | "int64" | "bool",
  words: Readonly<Record<string, number>>,
): void {
  builder.step(Opcode.REDUCE, Reduce, {
    SRC: src,
    DST: dst,
    KIND: Reduce[kind],
    DTYPE: dtypeCode(dtype),
    OUTER: elementCount(shape.slice(0, axes[0]!)),
    COUNT: axes.reduce((n, axis) => n * shape[axis]!, 1),
    INNER: elementCount(shape.slice(axes[axes.length - 1]! + 1)),
    ...words,
  });
}

/** Softmax and LogSoftmax; an int8 operand is taken as it is, an int8 result written at once. */
export function lowerSoftmax(builder: Builder, node: Node): void {
  const x = quantizedOperand(requiredInput(node, 0));
  const result = x ? quantizedResult(onlyOutput(node)) : null;
  const value = x ? x.value : requiredInput(node, 0);
  const { dtype, shape } = typeOf(value);
  const axis = numberAttribute(node, "axis", -1);
  const at = axis < 0 ? axis + shape.length : axis;
  const count = shape[at]!;
  const src = builder.reference(value);
  const dst = builder.define(result ? result.value : onlyOutput(node));
  if (elementCount(shape) === 0) return;
  builder.step(
    Opcode.SOFTMAX,
    Softmax,
    {
      SRC: src,
      DST: dst,
      DTYPE: dtypeCode(dtype),
      OUTER: elementCount(shape.slice(0, at)),
      COUNT: count,
      INNER: elementCount(shape.slice(at + 1)),
      SCALE: floatBits(x ? Math.fround(x.scale) : 1),
      LOG: node.op === "LogSoftmax" ? 1 : 0,
      OUT_DTYPE: dtypeCode(result ? "int8" : "float32"),
      OUT_SCALE: floatBits(result ? Math.fround(result.scale) : 1),
      OUT_ZERO: result?.zeroPoint ?? 0,
    },
    ["DST"],
    Softmax.scratchBytes(count),
  );
}

/**
 * BatchNormalization with computed statistics: ((x − μ) / √(σ² + ε)) · γ + β, step by step. With training_mode the statistics are those
 * of the batch, and the running ones are outputs.
 */
export function lowerBatchNorm(builder: Builder, node: Node): void {
  const x = requiredInput(node, 0);
  const type = typeOf(x);
  const channels = type.shape[1]!;
  const open = { low: -Infinity, high: Infinity };
  const row = { dtype: "float32", shape: [channels] } as const;
  const column = { dtype: "float32", shape: [channels, ...type.shape.slice(2).map(() => 1)] } as const;
  const scalar = (value: number): { reference: Reference; type: { dtype: "float32"; shape: number[] } } => ({
    reference: builder.constant(0, { dtype: "float32", shape: [], data: Float32Array.of(value) }),
    type: { dtype: "float32", shape: [] },
  });
  const parameter = (index: number): Reference => builder.reference(requiredInput(node, index));
  const src = builder.reference(x);
  let mean = parameter(3);
  let variance = parameter(4);
  const bytes = channels * 4;
  const whole = builder.byteSize(type);
  const binary = (
    op: "ADD" | "SUB" | "MUL" | "DIV",
    a: { reference: Reference; type: typeof type },
    b: { reference: Reference; type: typeof type },
    dst: Reference,
    result: typeof type,
  ): Reference => {
    emitBroadcastBinary(builder, op, a, b, dst, result, open);
    return dst;
  };
  if (numberAttribute(node, "training_mode", 0) !== 0) {
    const perm = [1, 0, ...type.shape.slice(2).map((_, i) => i + 2)];
    const count = elementCount(type.shape) / channels;
    const average = (from: Reference): Reference => {
      const gathered = emitTranspose(builder, from, type, perm);
      const dst = temporary(builder, bytes);
      emitReduce(builder, "MEAN", gathered, dst, [channels, count], [1], "float32", {
        SCALE: 0,
        IN_ZERO: 0,
        OUT_ZERO: 0,
        MIN: floatBits(-Infinity),
        MAX: floatBits(Infinity),
      });
      return dst;
    };
    const batchMean = average(src);
    const centred = binary("SUB", { reference: src, type }, { reference: batchMean, type: column }, temporary(builder, whole), type);
    const squared = binary("MUL", { reference: centred, type }, { reference: centred, type }, temporary(builder, whole), type);
    const batchVariance = average(squared);
    const momentum = numberAttribute(node, "momentum", 0.9);
    const running = (output: Value | undefined, old: Reference, now: Reference): void => {
      if (!output) return;
      const kept = binary("MUL", { reference: old, type: row }, scalar(momentum), temporary(builder, bytes), row);
      const fresh = binary("MUL", { reference: now, type: row }, scalar(1 - momentum), temporary(builder, bytes), row);
      binary("ADD", { reference: kept, type: row }, { reference: fresh, type: row }, builder.define(output), row);
    };
    running(node.outputs[1], mean, batchMean);
    running(node.outputs[2], variance, batchVariance);
    mean = batchMean;
    variance = batchVariance;
  }
  const shiftedVariance = binary(
    "ADD",
    { reference: variance, type: row },
    scalar(numberAttribute(node, "epsilon", 1e-5)),
    temporary(builder, bytes),
    row,
  );
  const deviation = temporary(builder, bytes);
  emitUnary(builder, "SQRT", shiftedVariance, deviation, channels);
  const centred = binary("SUB", { reference: src, type }, { reference: mean, type: column }, temporary(builder, whole), type);
  const normal = binary("DIV", { reference: centred, type }, { reference: deviation, type: column }, temporary(builder, whole), type);
  const scaled = binary("MUL", { reference: normal, type }, { reference: parameter(1), type: column }, temporary(builder, whole), type);
  binary("ADD", { reference: scaled, type }, { reference: parameter(2), type: column }, builder.define(node.outputs[0]!), type);
}
