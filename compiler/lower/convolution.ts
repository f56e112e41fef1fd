/** Lowers Conv and fully connected layers (Gemm, MatMul with constant weights): dense, grouped and depthwise, float32 and int8. */
import { FLOAT32, INT8 } from "../../format/dtypes.ts";
import * as Opcode from "../../format/opcodes.ts";
import * as Packing from "../../format/packings.ts";
import * as ConvF32 from "../../format/steps/conv-f32.ts";
import * as ConvI8 from "../../format/steps/conv-i8.ts";
import * as DepthwiseF32 from "../../format/steps/depthwise-f32.ts";
import * as DepthwiseI8 from "../../format/steps/depthwise-i8.ts";
import type { Builder } from "./builder.ts";
import type { ImageShape, Window } from "./geometry.ts";
import { floatBits, type Reference } from "./lowered.ts";
import { type QuantizedWeights, quantizedClamp, type Rescale } from "./rescale.ts";
import { sparseForm } from "./sparse.ts";
import { keepTo, pairsOf, runsOf } from "./weight-sets.ts";

/** A convolution without its arithmetic. Images have depth 1; `weights` rows are [outputs][kernelH][kernelW][inputs of a group]. */
export interface ConvolutionShape {
  readonly input: ImageShape;
  readonly output: ImageShape;
  readonly window: Window;
  readonly groups: number;
}

/** One fully connected layer over `rows` rows as a 1×1 convolution. */
export function fullyConnected(rows: number, depth: number, outputs: number): ConvolutionShape {
  const one = [1, 1, 1] as const;
  const zero = [0, 0, 0] as const;
  return {
    input: { batch: 1, depth: 1, height: 1, width: rows, channels: depth },
    output: { batch: 1, depth: 1, height: 1, width: rows, channels: outputs },
    window: { kernel: one, strides: one, dilations: one, padsBegin: zero, padsEnd: zero },
    groups: 1,
  };
}

/** Whether each output channel sees one input channel, its own. */
export function isDepthwise({ input, output, groups }: ConvolutionShape): boolean {
  return groups > 1 && groups === input.channels && groups === output.channels;
}

function windowFields({ input, output, window }: ConvolutionShape): Record<string, number> {
  return {
    BATCH: input.batch,
    IN_H: input.height,
    IN_W: input.width,
    OUT_H: output.height,
    OUT_W: output.width,
    KERNEL_H: window.kernel[1],
    KERNEL_W: window.kernel[2],
    STRIDE_H: window.strides[1],
    STRIDE_W: window.strides[2],
    DILATION_H: window.dilations[1],
    DILATION_W: window.dilations[2],
    PAD_TOP: window.padsBegin[1],
    PAD_LEFT: window.padsBegin[2],
  };
}

/** Emits an int8 convolution. `result` null: float32 outputs. */
export function emitConvI8(
  builder: Builder,
  shape: ConvolutionShape,
  src: Reference,
  dst: Reference,
  weights: QuantizedWeights,
  { bias, scale, isBounded }: Rescale,
  inZero: number,
  clamp: { readonly low: number; readonly high: number },
  result: { readonly scale: number; readonly zeroPoint: number } | null,
): void {
  const { input, output, window, groups } = shape;
  const channels = { dtype: "int32", shape: [output.channels], data: bias } as const;
  const shared = {
    SRC: src,
    DST: dst,
    BIAS: builder.constant(Packing.CHANNELS_32, channels, output.channels),
    SCALE: builder.constant(Packing.CHANNELS_32, { dtype: "float32", shape: [output.channels], data: scale }, output.channels),
    ...windowFields(shape),
    IN_ZERO: inZero,
    BOUNDED: isBounded ? 1 : 0,
  };
  const bounds = result ? quantizedClamp(clamp.low, clamp.high, result.scale, result.zeroPoint) : null;
  if (isDepthwise(shape) && result && bounds) {
    const tensor = { dtype: "int8", shape: [weights.values.length], data: weights.values } as const;
    const [, kernelH, kernelW] = window.kernel;
    const rolling =
      kernelH === 3 &&
      kernelW === 3 &&
      window.dilations[1] === 1 &&
      window.dilations[2] === 1 &&
      window.strides[1] === window.strides[2] &&
      window.strides[1] <= 2;
    const taps = kernelH * kernelW;
    builder.step(
      Opcode.DEPTHWISE_I8,
      DepthwiseI8,
      {
        ...shared,
        WEIGHTS: builder.constant(rolling ? Packing.DEPTHWISE_3X3_I8 : Packing.DEPTHWISE_I8, tensor, output.channels, rolling ? 0 : taps),
        CHANNELS: output.channels,
        OUT_ZERO: result.zeroPoint,
        MIN: bounds.min,
        MAX: bounds.max,
        ROLLING: rolling ? 1 : 0,
      },
      ["DST"],
      DepthwiseI8.scratchBytes(
        kernelH,
        input.width,
        output.width,
        kernelW,
        window.strides[2],
        window.dilations[2],
        window.padsBegin[2],
        output.channels,
      ),
    );
    return;
  }
  const patch = [window.kernel[1], window.kernel[2], input.channels, groups, window.dilations[2], input.channels] as const;
  const segments = ConvI8.segments(...patch);
  const length = ConvI8.segmentLength(...patch);
  const depth = Packing.gemmDepth(segments, length);
  const { rowBlock, isPlanar, scratchBytes } = convI8Blocks(shape, depth);
  const adjacentRows = isPlanar ? output.width : output.batch * output.height * output.width;
  builder.step(
    Opcode.CONV_I8,
    ConvI8,
    {
      ...shared,
      ...packedWeights(builder, weights.values, output.channels / groups, segments, length, adjacentRows),
      IN_C: input.channels,
      OUT_C: output.channels,
      GROUPS: groups,
      SRC_PITCH: input.channels,
      DST_PITCH: output.channels,
      OUT_ZERO: result?.zeroPoint ?? 0,
      MIN: bounds ? bounds.min : floatBits(clamp.low),
      MAX: bounds ? bounds.max : floatBits(clamp.high),
      OUT_DTYPE: result ? INT8 : FLOAT32,
      ROW_BLOCK: rowBlock,
      PLANAR: isPlanar ? 1 : 0,
    },
    ["DST"],
    scratchBytes,
  );
}

/** How a CONV_I8 step packs its input, and what that takes. */
function convI8Blocks(
  { input, output, window, groups }: ConvolutionShape,
  depth: number,
): { readonly rowBlock: number; readonly isPlanar: boolean; readonly scratchBytes: number } {
  const [, kernelH, kernelW] = window.kernel;
  const [, strideH, strideW] = window.strides;
  const [, dilationH, dilationW] = window.dilations;
  const { channels } = input;
  const { height, width } = output;
  const inC = channels / groups;
  const rows = ConvI8.planarRows(inC, height, width, kernelH, kernelW, strideH, strideW, dilationH, dilationW);
  if (rows > 0) {
    const size = ConvI8.planeSize(rows, ConvI8.planeRowSize(inC, width, kernelW, strideW, dilationW), kernelH, strideH, dilationH);
    return { rowBlock: rows * width, isPlanar: true, scratchBytes: ConvI8.planarScratchBytes(depth, size) };
  }
  const rowBlock = ConvI8.rowBlock(depth, height * width);
  const scratchBytes = ConvI8.scratchBytes(rowBlock, kernelH, kernelW, channels, groups, strideW, dilationH, dilationW, channels, width);
  return { rowBlock, isPlanar: false, scratchBytes };
}

/**
 * The words of weights, rows of `segments` segments of `length` values, of which `outputs` are a group: in the packing that is multiplied fastest
 * of those that they allow with so many adjacent rows of inputs.
 */
function packedWeights(
  builder: Builder,
  values: Int8Array,
  outputs: number,
  segments: number,
  length: number,
  rows: number,
): Readonly<Record<"WEIGHTS" | "PAIR_SAFE" | "WEIGHT_BITS", number | Reference>> {
  const tensor = { dtype: "int8", shape: [values.length], data: values } as const;
  const [pairs, runs] = [pairsOf(segments, length), runsOf(segments, length)];
  const isFourBits = pairs !== null && values.every((w) => w >= -8 && w <= 7);
  const sparse = sparseForm(values, outputs, segments * length, rows, isFourBits);
  if (sparse) {
    const weights = builder.constant(sparse.packing, tensor, outputs, segments * length, sparse.count);
    return { WEIGHTS: weights, PAIR_SAFE: sparse.mark, WEIGHT_BITS: 8 };
  }
  const dense = (packing: number, mark: number, bits = 8) => ({
    WEIGHTS: builder.constant(packing, tensor, outputs, segments, length),
    PAIR_SAFE: mark,
    WEIGHT_BITS: bits,
  });
  if (isFourBits) return dense(Packing.GEMM_I4, 0, 4);
  if (runs !== null && keepTo(runs, values)) return dense(Packing.GEMM_RUN_SAFE_I8, ConvI8.RUN_SAFE);
  return pairs !== null && keepTo(pairs, values) ? dense(Packing.GEMM_PAIR_SAFE_I8, 1) : dense(Packing.GEMM_I8, 0);
}

/** Emits a float32 convolution; `weights` is canonical or a packed place computed before. */
export function emitConvF32(
  builder: Builder,
  shape: ConvolutionShape,
  src: Reference,
  dst: Reference,
  weights: Float32Array | Reference,
  bias: Reference,
  clamp: { readonly low: number; readonly high: number },
): void {
  const { input, output, window, groups } = shape;
  const [, kernelH, kernelW] = window.kernel;
  const shared = { SRC: src, DST: dst, BIAS: bias, ...windowFields(shape), MIN: floatBits(clamp.low), MAX: floatBits(clamp.high) };
  const packed = (packing: number, p0: number, p1: number): Reference =>
    weights instanceof Float32Array
      ? builder.constant(packing, { dtype: "float32", shape: [weights.length], data: weights }, p0, p1)
      : weights;
  if (isDepthwise(shape)) {
    builder.step(Opcode.DEPTHWISE_F32, DepthwiseF32, {
      ...shared,
      WEIGHTS: packed(Packing.DEPTHWISE_F32, output.channels, kernelH * kernelW),
      CHANNELS: output.channels,
    });
    return;
  }
  const depth = (kernelH * kernelW * input.channels) / groups;
  const rowBlock = ConvF32.rowBlock(depth, output.height * output.width);
  builder.step(
    Opcode.CONV_F32,
    ConvF32,
    {
      ...shared,
      WEIGHTS: packed(Packing.GEMM_F32, output.channels / groups, depth),
      IN_C: input.channels,
      OUT_C: output.channels,
      GROUPS: groups,
      SRC_PITCH: input.channels,
      DST_PITCH: output.channels,
      ROW_BLOCK: rowBlock,
    },
    ["DST"],
    ConvF32.scratchBytes(rowBlock, depth),
  );
}
