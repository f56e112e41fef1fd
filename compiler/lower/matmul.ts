/** Lowers products of two computed matrices, float32 and int8. */
import { FLOAT32, INT8 } from "../../format/dtypes.ts";
import * as Opcode from "../../format/opcodes.ts";
import * as Packing from "../../format/packings.ts";
import * as MatMulF32 from "../../format/steps/matmul-f32.ts";
import * as MatMulI8 from "../../format/steps/matmul-i8.ts";
import { elementCount } from "../../host/tensor.ts";
import { type Node, onlyOutput, requiredInput, typeOf } from "../ir/graph.ts";
import { type Builder, type QuantizedOperand, quantizedOperand } from "./builder.ts";
import { emitConvF32, fullyConnected } from "./convolution.ts";
import { clampOf } from "./geometry.ts";
import { floatBits, type Reference } from "./lowered.ts";
import { shifted } from "./movement.ts";
import { quantizedClamp } from "./rescale.ts";
import { transposedRows } from "./weights.ts";

export function lowerMatMulF32(builder: Builder, node: Node): void {
  const [a, b] = [requiredInput(node, 0), requiredInput(node, 1)];
  const sizes = matMulSizes(node);
  const src = builder.reference(a);
  if (b.constant && typeOf(b).shape.length <= 2) {
    const zeros = builder.constant(Packing.CHANNELS_32, { dtype: "float32", shape: [sizes.n], data: new Float32Array(sizes.n) }, sizes.n);
    const rows = elementCount(typeOf(a).shape) / sizes.k;
    emitConvF32(
      builder,
      fullyConnected(rows, sizes.k, sizes.n),
      src,
      builder.define(onlyOutput(node)),
      transposedRows(b.constant, sizes.k, sizes.n),
      zeros,
      clampOf(node),
    );
    return;
  }
  const right = builder.reference(b);
  const dst = builder.define(onlyOutput(node));
  for (const start of sizes.starts) {
    emitMatMulF32(builder, shifted(src, start.a, 4), shifted(right, start.b, 4), shifted(dst, start.dst, 4), {
      batches: sizes.batches,
      sizes: [sizes.m, sizes.n, sizes.k],
      a: sizes.a,
      b: sizes.b,
      isTransposed: false,
      alpha: 1,
      clamp: clampOf(node),
    });
  }
}

interface MatMulShape {
  readonly batches: readonly [number, number];
  readonly sizes: readonly [number, number, number];
  readonly a: readonly [number, number];
  readonly b: readonly [number, number];
  readonly isTransposed: boolean;
  readonly alpha: number;
  readonly clamp: { readonly low: number; readonly high: number };
}

export function emitMatMulF32(builder: Builder, a: Reference, b: Reference, dst: Reference, shape: MatMulShape): void {
  const [m, n, k] = shape.sizes;
  builder.step(
    Opcode.MATMUL_F32,
    MatMulF32,
    {
      A: a,
      B: b,
      DST: dst,
      BATCH_OUTER: shape.batches[0],
      BATCH_INNER: shape.batches[1],
      M: m,
      N: n,
      K: k,
      A_OUTER: shape.a[0],
      A_INNER: shape.a[1],
      B_OUTER: shape.b[0],
      B_INNER: shape.b[1],
      B_TRANSPOSED: shape.isTransposed ? 1 : 0,
      ALPHA: floatBits(shape.alpha),
      MIN: floatBits(shape.clamp.low),
      MAX: floatBits(shape.clamp.high),
    },
    ["DST"],
    MatMulF32.scratchBytes(m, n, k),
  );
}

/** A product of two int8 activations, or by a constant that is no matrix of weights; false where an input could make a sum that int32 does not hold. */
export function lowerMatMulI8(builder: Builder, node: Node, a: QuantizedOperand, result: QuantizedOperand | null): boolean {
  const b = quantizedOperand(requiredInput(node, 1));
  if (!b) return false;
  const { m, n, k, batches, a: aStrides, b: bStrides, starts } = matMulSizes(node);
  const reach = (zero: number): number => Math.max(127 - zero, zero + 128);
  const largest = reach(a.zeroPoint) * reach(b.zeroPoint) * k;
  if (largest >= 2 ** 31) return false;
  const clamp = clampOf(node);
  const product = Math.fround(a.scale * b.scale);
  const scale = result ? Math.fround(product / Math.fround(result.scale)) : product;
  const bounds = result ? quantizedClamp(clamp.low, clamp.high, result.scale, result.zeroPoint) : null;
  const left = builder.reference(a.value);
  const right = builder.reference(b.value);
  const dst = builder.define(result ? result.value : onlyOutput(node));
  for (const start of starts) {
    builder.step(
      Opcode.MATMUL_I8,
      MatMulI8,
      {
        A: shifted(left, start.a, 1),
        B: shifted(right, start.b, 1),
        DST: shifted(dst, start.dst, result ? 1 : 4),
        BATCH_OUTER: batches[0],
        BATCH_INNER: batches[1],
        M: m,
        N: n,
        K: k,
        A_OUTER: aStrides[0],
        A_INNER: aStrides[1],
        B_OUTER: bStrides[0],
        B_INNER: bStrides[1],
        B_TRANSPOSED: 0,
        A_ZERO: a.zeroPoint,
        B_ZERO: b.zeroPoint,
        SCALE: floatBits(scale),
        OUT_ZERO: result?.zeroPoint ?? 0,
        MIN: bounds ? bounds.min : floatBits(clamp.low),
        MAX: bounds ? bounds.max : floatBits(clamp.high),
        OUT_DTYPE: result ? INT8 : FLOAT32,
        BOUNDED: largest * scale < 2 ** 22 ? 1 : 0,
      },
      ["DST"],
      MatMulI8.scratchBytes(m, n, k),
    );
  }
  return true;
}

/**
 * Sizes of a MatMul, its batch axes folded into at most two with a constant stride each, from each of `starts` (in elements) on; 1-D
 * operands are rows or columns.
 */
function matMulSizes(node: Node): {
  readonly starts: readonly { readonly a: number; readonly b: number; readonly dst: number }[];
  readonly m: number;
  readonly n: number;
  readonly k: number;
  readonly batches: readonly [number, number];
  readonly a: readonly [number, number];
  readonly b: readonly [number, number];
} {
  const aShape = typeOf(requiredInput(node, 0)).shape;
  const bShape = typeOf(requiredInput(node, 1)).shape;
  const m = aShape.length === 1 ? 1 : aShape[aShape.length - 2]!;
  const k = aShape[aShape.length - 1]!;
  const n = bShape.length === 1 ? 1 : bShape[bShape.length - 1]!;
  const rank = Math.max(aShape.length, bShape.length, 2) - 2;
  const axes: { size: number; a: number; b: number }[] = [];
  const stridesOf = (shape: readonly number[], matrix: number): number[] => {
    const dims = shape.slice(0, Math.max(0, shape.length - 2));
    const padded = [...Array.from({ length: rank - dims.length }, () => 1), ...dims];
    let stride = matrix;
    return padded
      .reverse()
      .map((d) => {
        const s = d === 1 ? 0 : stride;
        stride *= d;
        return s;
      })
      .reverse();
  };
  const aStrides = stridesOf(aShape, m * k);
  const bStrides = stridesOf(bShape, k * n);
  const batchShape = typeOf(onlyOutput(node)).shape.slice(0, rank);
  for (let i = 0; i < rank; i++) {
    const axis = { size: batchShape[i]!, a: aStrides[i]!, b: bStrides[i]! };
    const last = axes[axes.length - 1];
    if (axis.size === 1) continue;
    if (last && last.a === axis.a * axis.size && last.b === axis.b * axis.size) {
      axes[axes.length - 1] = { size: last.size * axis.size, a: axis.a, b: axis.b };
    } else axes.push(axis);
  }
  const outer = axes.splice(0, Math.max(0, axes.length - 2));
  while (axes.length < 2) axes.unshift({ size: 1, a: 0, b: 0 });
  const [first, second] = axes as [(typeof axes)[0], (typeof axes)[0]];
  const product = first.size * second.size * m * n;
  let starts = [{ a: 0, b: 0, dst: 0 }];
  for (const axis of outer) {
    starts = starts.flatMap(({ a, b, dst }) =>
      Array.from({ length: axis.size }, (_, i) => ({ a: a + i * axis.a, b: b + i * axis.b, dst: dst * axis.size + i })),
    );
  }
  return {
    starts: starts.map(({ a, b, dst }) => ({ a, b, dst: dst * product })),
    m,
    n,
    k,
    batches: [first.size, second.size],
    a: [first.a, second.a],
    b: [first.b, second.b],
  };
}
