/**
 * How steps can be cut into slices (slices.ts): for each opcode along which axes, and how the words change. A step without a rule stays whole.
 */
import { elementBytes } from "../format/dtypes.ts";
import * as Opcode from "../format/opcodes.ts";
import { gemmDepth, i4PanelBytes } from "../format/packings.ts";
import * as Binary from "../format/steps/binary.ts";
import * as BinaryI8 from "../format/steps/binary-i8.ts";
import * as Cast from "../format/steps/cast.ts";
import * as Compare from "../format/steps/compare.ts";
import * as ConvF32 from "../format/steps/conv-f32.ts";
import * as ConvI8 from "../format/steps/conv-i8.ts";
import * as Copy from "../format/steps/copy.ts";
import * as DepthwiseF32 from "../format/steps/depthwise-f32.ts";
import * as DepthwiseI8 from "../format/steps/depthwise-i8.ts";
import * as Dequantize from "../format/steps/dequantize.ts";
import * as Fill from "../format/steps/fill.ts";
import * as LayerNorm from "../format/steps/layer-norm.ts";
import * as LayerNormI8 from "../format/steps/layer-norm-i8.ts";
import * as MatmulF32 from "../format/steps/matmul-f32.ts";
import * as MatmulI8 from "../format/steps/matmul-i8.ts";
import * as Pool from "../format/steps/pool.ts";
import * as Quantize from "../format/steps/quantize.ts";
import * as Reduce from "../format/steps/reduce.ts";
import * as Resample from "../format/steps/resample.ts";
import * as Select from "../format/steps/select.ts";
import * as Softmax from "../format/steps/softmax.ts";
import * as TableI8 from "../format/steps/table-i8.ts";
import * as Unary from "../format/steps/unary.ts";

/** The words of one step. */
export type Words = Int32Array;

/** A way to cut a step: `length` units, best cut at multiples of `multiple`. */
export interface Axis {
  readonly length: number;
  readonly multiple: number;
  /** Makes `slice`, a copy of the step's words, the step on the units `from` to `to`, the latter not included. */
  readonly cut: (slice: Words, from: number, to: number) => void;
}

/** How steps of one opcode are cut. */
export interface Rule {
  /** Words of the layout that the rule was written for. */
  readonly words: number;
  /** The word that holds the address of the scratch, where the step has one. */
  readonly scratch?: number;
  readonly axes: (words: Words) => readonly Axis[];
}

/** The rules by opcode. */
export const RULES: ReadonlyMap<number, Rule> = new Map<number, Rule>([
  [Opcode.CONV_I8, { words: 36, scratch: ConvI8.SCRATCH, axes: convI8 }],
  [Opcode.CONV_F32, { words: 28, scratch: ConvF32.SCRATCH, axes: convF32 }],
  [Opcode.DEPTHWISE_I8, { words: 28, scratch: DepthwiseI8.SCRATCH, axes: (w) => depthwise(w, DepthwiseI8, 1) }],
  [Opcode.DEPTHWISE_F32, { words: 22, axes: (w) => depthwise(w, DepthwiseF32, 4) }],
  [Opcode.MATMUL_I8, { words: 24, scratch: MatmulI8.SCRATCH, axes: (w) => matmul(w, MatmulI8, 1, bytesAt(w, MatmulI8.OUT_DTYPE), 4) }],
  [Opcode.MATMUL_F32, { words: 19, scratch: MatmulF32.SCRATCH, axes: (w) => matmul(w, MatmulF32, 4, 4, 6) }],
  [Opcode.POOL, { words: 37, axes: pool }],
  [Opcode.BINARY_I8, { words: 32, axes: (w) => broadcast(w, BinaryI8, operandsAB(BinaryI8, 1), 1) }],
  [Opcode.BINARY, { words: 27, axes: (w) => broadcast(w, Binary, operandsAB(Binary, bytesAt(w, Binary.DTYPE)), bytesAt(w, Binary.DTYPE)) }],
  [Opcode.COMPARE, { words: 25, axes: (w) => broadcast(w, Compare, operandsAB(Compare, bytesAt(w, Compare.DTYPE)), 1) }],
  [Opcode.SELECT, { words: 31, axes: select }],
  [Opcode.TABLE_I8, { words: 9, axes: table }],
  [Opcode.UNARY, { words: 8, axes: (w) => elements(w, Unary.COUNT, { [Unary.SRC]: 4, [Unary.DST]: 4 }) }],
  [Opcode.CAST, { words: 7, axes: cast }],
  [Opcode.FILL, { words: 7, axes: (w) => elements(w, Fill.COUNT, { [Fill.DST]: at(w, Fill.ELEMENT_BYTES) }) }],
  [Opcode.QUANTIZE, { words: 15, axes: (w) => scaled(w, Quantize, 4, bytesAt(w, Quantize.DTYPE)) }],
  [Opcode.DEQUANTIZE, { words: 14, axes: (w) => scaled(w, Dequantize, bytesAt(w, Dequantize.DTYPE), 4) }],
  [Opcode.SOFTMAX, { words: 14, scratch: Softmax.SCRATCH, axes: softmax }],
  [Opcode.LAYER_NORM, { words: 12, axes: layerNorm }],
  [Opcode.LAYER_NORM_I8, { words: 18, scratch: LayerNormI8.SCRATCH, axes: layerNormI8 }],
  [Opcode.REDUCE, { words: 14, axes: reduce }],
  [Opcode.RESAMPLE, { words: 14, axes: resample }],
  [Opcode.COPY, { words: 23, axes: copy }],
]);

/** Word indices of a sliding window along one axis. */
interface WindowAxis {
  readonly IN: number;
  readonly OUT: number;
  readonly KERNEL: number;
  readonly STRIDE: number;
  readonly DILATION: number;
  readonly PAD: number;
  /** Padding behind the image, where the layout states it. */
  readonly PAD_END?: number;
}

/** Word indices of a convolution of images. */
interface Images {
  readonly SRC: number;
  readonly DST: number;
  readonly BATCH: number;
  readonly IN_H: number;
  readonly IN_W: number;
  readonly OUT_H: number;
  readonly OUT_W: number;
  readonly KERNEL_H: number;
  readonly KERNEL_W: number;
  readonly STRIDE_H: number;
  readonly STRIDE_W: number;
  readonly DILATION_H: number;
  readonly DILATION_W: number;
  readonly PAD_TOP: number;
  readonly PAD_LEFT: number;
}

/** Along the output of a window. A slice's image is the part that its windows reach. */
function windowAxis(w: Words, axis: WindowAxis, src: number, srcUnit: number, dst: number, dstUnit: number): readonly Axis[] {
  const { IN, OUT, KERNEL, STRIDE, DILATION, PAD, PAD_END } = axis;
  const [length, stride, pad] = [at(w, IN), at(w, STRIDE), at(w, PAD)];
  const reach = (at(w, KERNEL) - 1) * at(w, DILATION) + 1;
  // A slice whose windows all lie in the padding would have no image.
  if ((at(w, OUT) - 1) * stride - pad >= length || reach <= pad) return [];
  const cut = (slice: Words, from: number, to: number): void => {
    const first = Math.max(0, from * stride - pad);
    const end = Math.min(length, (to - 1) * stride - pad + reach);
    slice[PAD] = Math.max(0, pad - from * stride);
    slice[IN] = end - first;
    slice[OUT] = to - from;
    if (PAD_END !== undefined) slice[PAD_END]! += length - end;
    slice[src]! += first * srcUnit;
    slice[dst]! += from * dstUnit;
  };
  return [{ length: at(w, OUT), multiple: 1, cut }];
}

/** Along images, their rows, or the columns of a single row; pitches in bytes. */
function images(w: Words, k: Images, srcPitch: number, dstPitch: number): readonly Axis[] {
  const { SRC, DST, BATCH, IN_H, IN_W, OUT_H, OUT_W } = k;
  const [inH, inW, outH, outW] = [at(w, IN_H), at(w, IN_W), at(w, OUT_H), at(w, OUT_W)];
  if (at(w, BATCH) > 1) return [along(w, BATCH, { [SRC]: inH * inW * srcPitch, [DST]: outH * outW * dstPitch })];
  const rows = { IN: IN_H, OUT: OUT_H, KERNEL: k.KERNEL_H, STRIDE: k.STRIDE_H, DILATION: k.DILATION_H, PAD: k.PAD_TOP };
  const columns = { IN: IN_W, OUT: OUT_W, KERNEL: k.KERNEL_W, STRIDE: k.STRIDE_W, DILATION: k.DILATION_W, PAD: k.PAD_LEFT };
  if (inH === 1 && outH === 1) return windowAxis(w, columns, SRC, srcPitch, DST, dstPitch);
  return windowAxis(w, rows, SRC, inW * srcPitch, DST, outW * dstPitch);
}

/** Along pixels, where output pixel i is a product of input pixel i alone. */
function pixels(w: Words, k: Images, srcPitch: number, dstPitch: number, multiple: number): readonly Axis[] {
  const isPointwise =
    [k.KERNEL_H, k.KERNEL_W, k.STRIDE_H, k.STRIDE_W].every((index) => at(w, index) === 1) &&
    [k.PAD_TOP, k.PAD_LEFT].every((index) => at(w, index) === 0) &&
    at(w, k.IN_H) === at(w, k.OUT_H) &&
    at(w, k.IN_W) === at(w, k.OUT_W);
  if (!isPointwise) return [];
  const cut = (slice: Words, from: number, to: number): void => {
    slice[k.BATCH] = slice[k.IN_H] = slice[k.OUT_H] = 1;
    slice[k.IN_W] = slice[k.OUT_W] = to - from;
    slice[k.SRC]! += from * srcPitch;
    slice[k.DST]! += from * dstPitch;
  };
  return [{ length: at(w, k.BATCH) * at(w, k.OUT_H) * at(w, k.OUT_W), multiple, cut }];
}

function convI8(w: Words): readonly Axis[] {
  const { SRC_PITCH, DST_PITCH, OUT_C, GROUPS } = ConvI8;
  const dstBytes = bytesAt(w, ConvI8.OUT_DTYPE);
  const [srcPitch, dstPitch] = [at(w, SRC_PITCH), at(w, DST_PITCH) * dstBytes];
  const row = [at(w, ConvI8.KERNEL_W), at(w, ConvI8.IN_C), at(w, GROUPS), at(w, ConvI8.DILATION_W), srcPitch] as const;
  const axes = [...images(w, ConvI8, srcPitch, dstPitch)];
  // Planes are laid out for whole rows.
  if (at(w, ConvI8.PLANAR) === 1) return at(w, ConvI8.BATCH) > 1 || at(w, ConvI8.OUT_H) > 1 ? axes : [];
  // Where patches are gathered, the scratch grows with the length of a row.
  if (ConvI8.runLength(...row) % ConvI8.RUN_UNIT === 0) axes.unshift(...pixels(w, ConvI8, srcPitch, dstPitch, 4));
  // What is added to pair-safe sums stands behind all weights, so that those have to stay together.
  if (at(w, GROUPS) === 1 && at(w, ConvI8.PAIR_SAFE) === 0 && outputPixels(w, ConvI8) === 1) {
    const kernelH = at(w, ConvI8.KERNEL_H);
    const depth = gemmDepth(ConvI8.segments(kernelH, ...row), ConvI8.segmentLength(kernelH, ...row));
    const weights = at(w, ConvI8.WEIGHT_BITS) === 4 ? i4PanelBytes(depth) / 8 : depth;
    axes.push(along(w, OUT_C, { [ConvI8.DST]: dstBytes, [ConvI8.WEIGHTS]: weights, [ConvI8.BIAS]: 4, [ConvI8.SCALE]: 4 }, 8));
  }
  return axes;
}

function convF32(w: Words): readonly Axis[] {
  const { SRC_PITCH, DST_PITCH, OUT_C, GROUPS } = ConvF32;
  const [srcPitch, dstPitch] = [at(w, SRC_PITCH) * 4, at(w, DST_PITCH) * 4];
  const axes = [...pixels(w, ConvF32, srcPitch, dstPitch, 6), ...images(w, ConvF32, srcPitch, dstPitch)];
  if (at(w, GROUPS) === 1 && outputPixels(w, ConvF32) === 1) {
    const depth = at(w, ConvF32.KERNEL_H) * at(w, ConvF32.KERNEL_W) * at(w, ConvF32.IN_C);
    axes.push(along(w, OUT_C, { [ConvF32.DST]: 4, [ConvF32.WEIGHTS]: depth * 4, [ConvF32.BIAS]: 4 }, 32));
  }
  return axes;
}

function outputPixels(w: Words, { BATCH, OUT_H, OUT_W }: Pick<Images, "BATCH" | "OUT_H" | "OUT_W">): number {
  return at(w, BATCH) * at(w, OUT_H) * at(w, OUT_W);
}

function depthwise(w: Words, k: Images & { readonly CHANNELS: number }, bytes: number): readonly Axis[] {
  const pitch = at(w, k.CHANNELS) * bytes;
  return images(w, k, pitch, pitch);
}

function pool(w: Words): readonly Axis[] {
  const { SRC, DST, BATCH, IN_D, IN_H, IN_W, OUT_D, OUT_H, OUT_W, INDICES } = Pool;
  // Indices count from the whole tensor's start.
  if (at(w, INDICES) !== -1) return [];
  const pixel = at(w, Pool.CHANNELS) * bytesAt(w, Pool.DTYPE);
  const [inRow, outRow] = [at(w, IN_W) * pixel, at(w, OUT_W) * pixel];
  const [inPlane, outPlane] = [at(w, IN_H) * inRow, at(w, OUT_H) * outRow];
  if (at(w, BATCH) > 1) return [along(w, BATCH, { [SRC]: at(w, IN_D) * inPlane, [DST]: at(w, OUT_D) * outPlane })];
  const [first, end] = at(w, IN_D) === 1 && at(w, OUT_D) === 1 ? [1, inRow] : [0, inPlane];
  const axis = {
    IN: IN_D + first,
    OUT: OUT_D + first,
    KERNEL: Pool.KERNEL_D + first,
    STRIDE: Pool.STRIDE_D + first,
    DILATION: Pool.DILATION_D + first,
    PAD: Pool.PAD_FRONT + first,
    PAD_END: Pool.PAD_BACK + first,
  };
  return windowAxis(w, axis, SRC, end, DST, first === 1 ? outRow : outPlane);
}

/** Word indices of a product. */
type Product = Readonly<
  Record<"A" | "B" | "DST" | "BATCH_OUTER" | "BATCH_INNER" | "M" | "N" | "K" | "A_OUTER" | "A_INNER" | "B_OUTER" | "B_INNER", number>
>;

function matmul(w: Words, k: Product, bytes: number, dstBytes: number, multiple: number): readonly Axis[] {
  const [outer, inner, n] = [at(w, k.BATCH_OUTER), at(w, k.BATCH_INNER), at(w, k.N)];
  const product = at(w, k.M) * n * dstBytes;
  const steps = (a: number, b: number, dst: number) => ({ [k.A]: at(w, a) * bytes, [k.B]: at(w, b) * bytes, [k.DST]: dst });
  if (outer > 1) return [along(w, k.BATCH_OUTER, steps(k.A_OUTER, k.B_OUTER, inner * product))];
  if (inner > 1) return [along(w, k.BATCH_INNER, steps(k.A_INNER, k.B_INNER, product))];
  return [along(w, k.M, { [k.A]: at(w, k.K) * bytes, [k.DST]: n * dstBytes }, multiple)];
}

/** An operand of a broadcast: the words of its address and its first stride, and the bytes of an element. */
type Operand = readonly [address: number, stride: number, bytes: number];

function operandsAB(k: Readonly<Record<"A" | "B" | "A_STRIDE0" | "B_STRIDE0", number>>, bytes: number): readonly Operand[] {
  return [
    [k.A, k.A_STRIDE0, bytes],
    [k.B, k.B_STRIDE0, bytes],
  ];
}

function select(w: Words): readonly Axis[] {
  const { C, A, B, C_STRIDE0, A_STRIDE0, B_STRIDE0, ELEMENT_BYTES } = Select;
  const bytes = at(w, ELEMENT_BYTES);
  const operands: readonly Operand[] = [
    [C, C_STRIDE0, 1],
    [A, A_STRIDE0, bytes],
    [B, B_STRIDE0, bytes],
  ];
  return broadcast(w, Select, operands, bytes);
}

/** Along the outermost dimension of six that is not 1; the destination is contiguous. */
function broadcast(w: Words, k: Readonly<Record<"DST" | "DIM0", number>>, operands: readonly Operand[], dstBytes: number): readonly Axis[] {
  for (let i = 0; i < 6; i++) {
    if (at(w, k.DIM0 + i) === 1) continue;
    let inner = dstBytes;
    for (let d = i + 1; d < 6; d++) inner *= at(w, k.DIM0 + d);
    const steps: Record<number, number> = { [k.DST]: inner };
    for (const [address, stride, bytes] of operands) steps[address] = at(w, stride + i) * bytes;
    return [along(w, k.DIM0 + i, steps, inner >= 64 ? 1 : 64)];
  }
  return [];
}

function copy(w: Words): readonly Axis[] {
  const { SRC, DST, ELEMENT_BYTES, DIM0, SRC_STRIDE0, DST_STRIDE0 } = Copy;
  const bytes = at(w, ELEMENT_BYTES);
  let outermost = -1;
  for (let i = 0; i < 6; i++) {
    if (at(w, DIM0 + i) === 1) continue;
    if (outermost < 0 || Math.abs(at(w, DST_STRIDE0 + i)) > Math.abs(at(w, DST_STRIDE0 + outermost))) outermost = i;
  }
  if (outermost < 0) return [];
  const [src, dst] = [at(w, SRC_STRIDE0 + outermost) * bytes, at(w, DST_STRIDE0 + outermost) * bytes];
  return [along(w, DIM0 + outermost, { [SRC]: src, [DST]: dst }, Math.abs(dst) >= 64 ? 1 : 64)];
}

function table(w: Words): readonly Axis[] {
  const { SRC, DST, ROWS, COLUMNS, SRC_PITCH, DST_PITCH } = TableI8;
  if (at(w, ROWS) === 1) return elements(w, COLUMNS, { [SRC]: 1, [DST]: 1 });
  return [along(w, ROWS, { [SRC]: at(w, SRC_PITCH), [DST]: at(w, DST_PITCH) })];
}

/** Along adjacent elements, cut where all operands start new vectors. */
function elements(w: Words, count: number, steps: Readonly<Record<number, number>>): readonly Axis[] {
  return [along(w, count, steps, 64)];
}

function cast(w: Words): readonly Axis[] {
  return elements(w, Cast.COUNT, { [Cast.SRC]: bytesAt(w, Cast.SRC_DTYPE), [Cast.DST]: bytesAt(w, Cast.DST_DTYPE) });
}

/** Word indices of [OUTER][AXIS][INNER] under scales. */
type Scaled = Readonly<
  Record<"SRC" | "DST" | "SCALE" | "ZERO" | "OUTER" | "AXIS" | "INNER" | "DTYPE" | "SCALE_OUTER" | "SCALE_AXIS" | "SCALE_INNER", number>
> & { readonly TRANSPOSED?: number };

function scaled(w: Words, k: Scaled, srcBytes: number, dstBytes: number): readonly Axis[] {
  const [outer, axis, inner] = [at(w, k.OUTER), at(w, k.AXIS), at(w, k.INNER)];
  const isTransposed = k.TRANSPOSED !== undefined && at(w, k.TRANSPOSED) === 1;
  if (!isTransposed && [k.SCALE_OUTER, k.SCALE_AXIS, k.SCALE_INNER].every((index) => at(w, index) === 0)) {
    const cut = (slice: Words, from: number, to: number): void => {
      slice[k.OUTER] = slice[k.AXIS] = 1;
      slice[k.INNER] = to - from;
      slice[k.SRC]! += from * srcBytes;
      slice[k.DST]! += from * dstBytes;
    };
    return [{ length: outer * axis * inner, multiple: 64, cut }];
  }
  const row = axis * inner;
  const steps: Record<number, number> = { [k.SRC]: row * srcBytes, [k.DST]: row * dstBytes, [k.SCALE]: at(w, k.SCALE_OUTER) * 4 };
  if (at(w, k.ZERO) !== -1) steps[k.ZERO] = at(w, k.SCALE_OUTER) * bytesAt(w, k.DTYPE);
  return [along(w, k.OUTER, steps)];
}

function softmax(w: Words): readonly Axis[] {
  const row = at(w, Softmax.COUNT) * at(w, Softmax.INNER);
  return [along(w, Softmax.OUTER, { [Softmax.SRC]: row * bytesAt(w, Softmax.DTYPE), [Softmax.DST]: row * bytesAt(w, Softmax.OUT_DTYPE) })];
}

function layerNorm(w: Words): readonly Axis[] {
  const { SRC, DST, MEAN, INVERSE, ROWS, COUNT } = LayerNorm;
  const row = at(w, COUNT) * 4;
  const steps: Record<number, number> = { [SRC]: row, [DST]: row };
  for (const given of [MEAN, INVERSE]) if (at(w, given) !== -1) steps[given] = 4;
  return [along(w, ROWS, steps)];
}

function layerNormI8(w: Words): readonly Axis[] {
  const { SRC, ADDEND, SUM, DST, DST_I8, ROWS, COUNT, SRC_SCALE } = LayerNormI8;
  const count = at(w, COUNT);
  const steps: Record<number, number> = { [SRC]: at(w, SRC_SCALE) === -1 ? count * 4 : count, [DST_I8]: count };
  for (const given of [ADDEND, SUM, DST]) if (at(w, given) !== -1) steps[given] = count * 4;
  return [along(w, ROWS, steps)];
}

function reduce(w: Words): readonly Axis[] {
  const bytes = bytesAt(w, Reduce.DTYPE);
  const row = at(w, Reduce.INNER) * bytes;
  return [along(w, Reduce.OUTER, { [Reduce.SRC]: at(w, Reduce.COUNT) * row, [Reduce.DST]: row })];
}

function resample(w: Words): readonly Axis[] {
  const { SRC, DST, OUTER, OUT_LENGTH, TAPS, INDICES, WEIGHTS } = Resample;
  const [srcRow, dstRow] = [at(w, Resample.INNER) * bytesAt(w, Resample.SRC_DTYPE), at(w, Resample.INNER) * bytesAt(w, Resample.DST_DTYPE)];
  if (at(w, OUTER) > 1) return [along(w, OUTER, { [SRC]: at(w, Resample.IN_LENGTH) * srcRow, [DST]: at(w, OUT_LENGTH) * dstRow })];
  const steps: Record<number, number> = { [DST]: dstRow, [INDICES]: at(w, TAPS) * 4 };
  if (at(w, WEIGHTS) !== -1) steps[WEIGHTS] = at(w, TAPS) * 4;
  return [along(w, OUT_LENGTH, steps)];
}

/** Along what word `size` counts; `steps`: what each unit adds to address words, in bytes. */
function along(w: Words, size: number, steps: Readonly<Record<number, number>>, multiple = 1): Axis {
  const cut = (slice: Words, from: number, to: number): void => {
    slice[size] = to - from;
    for (const [address, step] of Object.entries(steps)) slice[Number(address)]! += from * step;
  };
  return { length: at(w, size), multiple, cut };
}

/** Bytes of an element of the type at word `index`. */
function bytesAt(w: Words, index: number): number {
  return elementBytes(at(w, index));
}

function at(w: Words, index: number): number {
  return w[index] as number;
}
