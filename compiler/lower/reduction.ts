/** Lowers reductions over axes: sums, means, extremes, global pooling. */
import * as Opcode from "../../format/opcodes.ts";
import * as Packing from "../../format/packings.ts";
import * as Reduce from "../../format/steps/reduce.ts";
import { dtypeCode, elementCount, newArray, type Tensor } from "../../host/tensor.ts";
import { numberAttribute } from "../ir/attributes.ts";
import { type Node, onlyOutput, requiredInput, typeOf } from "../ir/graph.ts";
import { evaluateNode } from "../ops/index.ts";
import type { Builder } from "./builder.ts";
import { int8Ends } from "./ends.ts";
import { clampOf } from "./geometry.ts";
import { floatBits, type Reference } from "./lowered.ts";
import { emitTranspose, temporary } from "./movement.ts";
import { emitCast } from "./quantization.ts";
import { quantizedClamp } from "./rescale.ts";

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
  if (axes.length === 0) {
    builder.place(y, given);
    return;
  }
  if (elementCount(shape) === 0) {
    const empty: Tensor = { dtype, shape, data: newArray(dtype, 0) };
    const [result] = evaluateNode(node, [empty, node.inputs[1]?.constant ?? null]);
    if (result!.data.length === 0) builder.define(y);
    else builder.place(y, builder.constant(Packing.COPY, result!));
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

/** Emits a reduction over adjacent axes. */
export function emitReduce(
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
