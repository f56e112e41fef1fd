/** Lowers Pad: a fill and a strided copy, or a gather along each axis for the modes that repeat elements. */
import * as Opcode from "../../format/opcodes.ts";
import * as Fill from "../../format/steps/fill.ts";
import * as Gather from "../../format/steps/gather.ts";
import { dtypeCode, elementCount, type Tensor } from "../../host/tensor.ts";
import { stringAttribute } from "../ir/attributes.ts";
import { type Node, requiredInput, typeOf } from "../ir/graph.ts";
import { type Builder, quantizedOperand } from "./builder.ts";
import type { Reference } from "./lowered.ts";
import { constantIntegers, elementBytes, emitCopy, type Moved, shifted } from "./movement.ts";
import { roundHalfEven } from "./rescale.ts";
import { rowMajorStrides } from "./strides.ts";

/** Pad in every mode; `zeroPoint` is what a real 0 is in an int8 operand. */
export function pad(builder: Builder, node: Node, { x, results }: Moved, zeroPoint: number): void {
  const { shape } = typeOf(x);
  const result = typeOf(results[0]!);
  const bytes = elementBytes(x);
  const values = constantIntegers(node.inputs[1])!;
  const axes = (constantIntegers(node.inputs[3]) ?? shape.map((_, i) => i)).map((axis) => (axis < 0 ? axis + shape.length : axis));
  const before = shape.map((_, i) => (axes.includes(i) ? values[axes.indexOf(i)]! : 0));
  const after = shape.map((_, i) => (axes.includes(i) ? values[axes.length + axes.indexOf(i)]! : 0));
  const mode = stringAttribute(node, "mode", "constant");
  let src = builder.reference(x);
  if (mode !== "constant") {
    // Axis by axis, each by its table of source positions.
    let current = shape;
    shape.forEach((_, axis) => {
      if (before[axis] === 0 && after[axis] === 0) return;
      const length = current[axis]!;
      const positions = Array.from({ length: length + before[axis]! + after[axis]! }, (_, i) =>
        reflectedPosition(mode, i - before[axis]!, length),
      );
      const next = current.map((d, i) => (i === axis ? positions.length : d));
      const last = next.every((d, i) => d === result.shape[i]);
      const dst = last ? builder.define(results[0]!) : { region: builder.region(elementCount(next) * bytes), offsetBytes: 0 };
      emitGather(builder, src, dst, constantIndices(builder, positions), "int32", current, axis, positions.length, bytes);
      src = dst;
      current = next;
    });
    if (!builder.isPlaced(results[0]!)) builder.place(results[0]!, src);
    return;
  }
  const dst = builder.define(results[0]!);
  emitPadValue(builder, node, dst, result.shape, bytes, typeOf(x).dtype, zeroPoint);
  const own = rowMajorStrides(shape);
  const target = rowMajorStrides(result.shape);
  const cut = before.map((b) => Math.max(0, -b));
  const dims = shape.map((d, i) => d - cut[i]! - Math.max(0, -after[i]!));
  if (dims.some((d) => d <= 0)) return;
  const from = cut.reduce((sum, c, i) => sum + c * own[i]!, 0);
  const to = before.reduce((sum, b, i) => sum + Math.max(0, b) * target[i]!, 0);
  emitCopy(builder, shifted(src, from, bytes), shifted(dst, to, bytes), bytes, dims, own, target);
}

function emitPadValue(
  builder: Builder,
  node: Node,
  dst: Reference,
  shape: readonly number[],
  bytes: number,
  dtype: Tensor["dtype"],
  zeroPoint: number,
): void {
  const value = node.inputs[2];
  if (value && !value.constant) {
    emitCopy(
      builder,
      builder.reference(value),
      dst,
      bytes,
      shape,
      shape.map(() => 0),
      rowMajorStrides(shape),
    );
    return;
  }
  const words = new Int32Array(2);
  const real = value?.constant ? value.constant.data[0]! : 0;
  const x = quantizedOperand(requiredInput(node, 0));
  const isQuantized = dtype === "int8" && x !== null;
  if (isQuantized) words[0] = Math.max(-128, Math.min(127, roundHalfEven(Math.fround(Number(real) / x.scale)) + zeroPoint));
  else if (dtype === "float32") new Float32Array(words.buffer)[0] = Number(real);
  else new BigInt64Array(words.buffer)[0] = BigInt(real);
  if (elementCount(shape) > 0)
    builder.step(Opcode.FILL, Fill, {
      DST: dst,
      ELEMENT_BYTES: bytes,
      COUNT: elementCount(shape),
      VALUE_LOW: words[0]!,
      VALUE_HIGH: words[1]!,
    });
}

/** Where position `i` of a padded axis of `length` elements comes from. */
function reflectedPosition(mode: string, i: number, length: number): number {
  if (mode === "edge") return Math.max(0, Math.min(length - 1, i));
  if (mode === "wrap") return ((i % length) + length) % length;
  const period = Math.max(1, 2 * (length - 1));
  const at = ((i % period) + period) % period;
  return at < length ? at : period - at;
}

/** Emits one GATHER along an axis. */
export function emitGather(
  builder: Builder,
  src: Reference,
  dst: Reference,
  indices: Reference,
  indexType: "int32" | "int64",
  shape: readonly number[],
  axis: number,
  count: number,
  bytes: number,
): void {
  builder.step(Opcode.GATHER, Gather, {
    SRC: src,
    DST: dst,
    INDICES: indices,
    INDEX_DTYPE: dtypeCode(indexType),
    OUTER: elementCount(shape.slice(0, axis)),
    AXIS: shape[axis]!,
    COUNT: count,
    INNER_BYTES: elementCount(shape.slice(axis + 1)) * bytes,
  });
}

function constantIndices(builder: Builder, positions: readonly number[]): Reference {
  return builder.constant(0, { dtype: "int32", shape: [positions.length], data: Int32Array.from(positions) });
}
