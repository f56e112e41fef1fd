/** Emits strided copies and broadcast operations: what data movement and elementwise rules share. */
import * as Opcode from "../../format/opcodes.ts";
import * as Binary from "../../format/steps/binary.ts";
import * as Copy from "../../format/steps/copy.ts";
import { dtypeBytes, dtypeCode, elementCount } from "../../host/tensor.ts";
import { CompileError } from "../errors.ts";
import { typeOf, type Value, type ValueType } from "../ir/graph.ts";
import type { Builder } from "./builder.ts";
import { floatBits, type Reference } from "./lowered.ts";
import { broadcastStrides, collapse, rowMajorStrides, sixWords } from "./strides.ts";

/** An operand with its type. */
export interface TypedReference {
  readonly reference: Reference;
  readonly type: ValueType;
}

/** What a rule moves: the node's first operand and its results, in the form in which they exist. */
export interface Moved {
  readonly x: Value;
  readonly results: readonly Value[];
}

/** Bytes of one element of a value. */
export function elementBytes(value: Value): number {
  return dtypeBytes(typeOf(value).dtype);
}

/** The elements of a constant of integers, or null where there is none. */
export function constantIntegers(value: Value | null | undefined): readonly number[] | null {
  return value?.constant ? Array.from(value.constant.data as ArrayLike<number | bigint>, Number) : null;
}

/** A new place in the arena. */
export function temporary(builder: Builder, bytes: number): Reference {
  return { region: builder.region(bytes), offsetBytes: 0 };
}

/** A place some elements behind another. */
export function shifted({ region, offsetBytes }: Reference, elements: number, elementBytes: number): Reference {
  return { region, offsetBytes: offsetBytes + elements * elementBytes };
}

/** Copies a strided block. */
export function emitCopy(
  builder: Builder,
  src: Reference,
  dst: Reference,
  elementBytes: number,
  dims: readonly number[],
  srcStrides: readonly number[],
  dstStrides: readonly number[],
): void {
  if (dims.some((d) => d === 0)) return;
  const block = collapse({ dims, strides: [srcStrides, dstStrides] });
  if (!block) {
    // The outermost axis is walked here, the rest by the kernel.
    for (let i = 0; i < dims[0]!; i++) {
      emitCopy(
        builder,
        shifted(src, i * srcStrides[0]!, elementBytes),
        shifted(dst, i * dstStrides[0]!, elementBytes),
        elementBytes,
        dims.slice(1),
        srcStrides.slice(1),
        dstStrides.slice(1),
      );
    }
    return;
  }
  builder.step(Opcode.COPY, Copy, {
    SRC: src,
    DST: dst,
    ELEMENT_BYTES: elementBytes,
    ...sixWords("DIM", block.dims),
    ...sixWords("SRC_STRIDE", block.strides[0]!),
    ...sixWords("DST_STRIDE", block.strides[1]!),
  });
}

/** Permutes axes into `dst` (a new place by default): result axis i is operand axis perm[i]. */
export function emitTranspose(
  builder: Builder,
  src: Reference,
  { dtype, shape }: ValueType,
  perm: readonly number[],
  dst?: Reference,
): Reference {
  const bytes = dtypeBytes(dtype);
  const place = dst ?? temporary(builder, elementCount(shape) * bytes);
  const strides = rowMajorStrides(shape);
  const dims = perm.map((axis) => shape[axis]!);
  emitCopy(
    builder,
    src,
    place,
    bytes,
    dims,
    perm.map((axis) => strides[axis]!),
    rowMajorStrides(dims),
  );
  return place;
}

/** Emits a float32 or integer operation with broadcasting into `dst` of type `result`. */
export function emitBroadcastBinary(
  builder: Builder,
  op: Exclude<keyof typeof Binary, "extents" | "WORDS">,
  a: TypedReference,
  b: TypedReference,
  dst: Reference,
  result: ValueType,
  clamp: { readonly low: number; readonly high: number },
): void {
  if (elementCount(result.shape) === 0) return;
  const block = broadcastBlock(a.type.shape, b.type.shape, result.shape);
  builder.step(Opcode.BINARY, Binary, {
    A: a.reference,
    B: b.reference,
    DST: dst,
    OP: Binary[op],
    DTYPE: dtypeCode(a.type.dtype),
    ...block,
    MIN: floatBits(clamp.low),
    MAX: floatBits(clamp.high),
  });
}

/** The words DIM…, A_STRIDE…, B_STRIDE… of two shapes broadcast to a third. */
export function broadcastBlock(a: readonly number[], b: readonly number[], result: readonly number[]): Record<string, number> {
  const block = collapse({ dims: result, strides: [broadcastStrides(a, result), broadcastStrides(b, result)] });
  if (!block) {
    throw new CompileError(
      "too-many-axes",
      `Broadcasting [${a}] with [${b}] needs more than six separate axes. Reshape the operands in the exporter.`,
      { a, b },
    );
  }
  return { ...sixWords("DIM", block.dims), ...sixWords("A_STRIDE", block.strides[0]!), ...sixWords("B_STRIDE", block.strides[1]!) };
}
