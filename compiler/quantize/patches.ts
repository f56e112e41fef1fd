/**
 * What a layer's weights are multiplied by, read from the memory of a plan between two steps: for an output pixel the inputs of its
 * window, in the order in which the layer's weights stand in the file (kernel row, column, channel).
 */
import * as Opcode from "../../format/opcodes.ts";
import * as ConvF32 from "../../format/steps/conv-f32.ts";
import * as ConvI8 from "../../format/steps/conv-i8.ts";
import * as DepthwiseF32 from "../../format/steps/depthwise-f32.ts";
import * as DepthwiseI8 from "../../format/steps/depthwise-i8.ts";

/** Where a step reads its image, and what of it makes a pixel. Axes N H W C. */
export interface Window {
  readonly address: number;
  readonly bytes: number;
  readonly isInt8: boolean;
  /** Subtracted from every input; what is outside of the image is it. */
  readonly zeroPoint: number;
  readonly batch: number;
  readonly input: readonly [number, number];
  readonly output: readonly [number, number];
  readonly kernel: readonly [number, number];
  readonly strides: readonly [number, number];
  readonly dilations: readonly [number, number];
  readonly pads: readonly [number, number];
  readonly groups: number;
  /** Channels of one group. */
  readonly channels: number;
  readonly pitch: number;
}

/** The window of a convolution step, or null where the words are another step's. */
export function windowOf(words: Int32Array): Window | null {
  switch (words[0]) {
    case Opcode.CONV_I8:
      return { ...denseWindow(words, ConvI8, true), zeroPoint: words[ConvI8.IN_ZERO]! };
    case Opcode.CONV_F32:
      return denseWindow(words, ConvF32, false);
    case Opcode.DEPTHWISE_I8:
      return { ...depthwiseWindow(words, DepthwiseI8, true), zeroPoint: words[DepthwiseI8.IN_ZERO]! };
    case Opcode.DEPTHWISE_F32:
      return depthwiseWindow(words, DepthwiseF32, false);
    default:
      return null;
  }
}

/** Output pixels of a window, and inputs of one of them in a group. */
export function pixelsOf({ batch, output }: Window): number {
  return batch * output[0] * output[1];
}

/** Inputs of one pixel in one group. */
export function depthOf({ kernel, channels }: Window): number {
  return kernel[0] * kernel[1] * channels;
}

/** Whether two windows look at images of the same shape in the same way. */
export function areAlike(a: Window, b: Window): boolean {
  const key = ({ batch, input, output, kernel, strides, dilations, pads, groups, channels }: Window): string =>
    JSON.stringify([batch, input, output, kernel, strides, dilations, pads, groups, channels]);
  return key(a) === key(b);
}

/**
 * Copies the inputs of `pixels`, less the zero point and times `factor`, into `into`: [groups][capacity][depth], observation `at` on.
 * `image` is the window's memory.
 */
export function gather(
  window: Window,
  image: Uint8Array,
  pixels: Int32Array,
  factor: number,
  into: Float32Array,
  capacity: number,
  at: number,
): void {
  const { zeroPoint, input, output, kernel, strides, dilations, pads, groups, channels, pitch } = window;
  const data = window.isInt8
    ? new Int8Array(image.buffer, image.byteOffset, image.byteLength)
    : new Float32Array(image.buffer, image.byteOffset, image.byteLength >> 2);
  const depth = depthOf(window);
  for (const [p, pixel] of pixels.entries()) {
    const ow = pixel % output[1];
    const oh = Math.floor(pixel / output[1]) % output[0];
    const b = Math.floor(pixel / (output[1] * output[0]));
    for (let kh = 0; kh < kernel[0]; kh++) {
      const ih = oh * strides[0] + kh * dilations[0] - pads[0];
      for (let kw = 0; kw < kernel[1]; kw++) {
        const iw = ow * strides[1] + kw * dilations[1] - pads[1];
        const isInside = ih >= 0 && ih < input[0] && iw >= 0 && iw < input[1];
        const from = ((b * input[0] + ih) * input[1] + iw) * pitch;
        const tap = (kh * kernel[1] + kw) * channels;
        for (let g = 0; g < groups; g++) {
          const to = (g * capacity + at + p) * depth + tap;
          if (!isInside) into.fill(0, to, to + channels);
          else for (let c = 0; c < channels; c++) into[to + c] = (data[from + g * channels + c]! - zeroPoint) * factor;
        }
      }
    }
  }
}

type DenseLayout = typeof ConvI8 | typeof ConvF32;

function denseWindow(w: Int32Array, layout: DenseLayout, isInt8: boolean): Window {
  const groups = w[layout.GROUPS]!;
  const pitch = w[layout.SRC_PITCH]!;
  const [batch, inH, inW, inC] = [w[layout.BATCH]!, w[layout.IN_H]!, w[layout.IN_W]!, w[layout.IN_C]!];
  return {
    ...commonWindow(w, layout, isInt8),
    bytes: ((batch * inH * inW - 1) * pitch + inC) * (isInt8 ? 1 : 4),
    groups,
    channels: inC / groups,
    pitch,
  };
}

type DepthwiseLayout = typeof DepthwiseI8 | typeof DepthwiseF32;

function depthwiseWindow(w: Int32Array, layout: DepthwiseLayout, isInt8: boolean): Window {
  const groups = w[layout.CHANNELS]!;
  const bytes = w[layout.BATCH]! * w[layout.IN_H]! * w[layout.IN_W]! * groups * (isInt8 ? 1 : 4);
  return { ...commonWindow(w, layout, isInt8), bytes, groups, channels: 1, pitch: groups };
}

function commonWindow(
  w: Int32Array,
  layout: DenseLayout | DepthwiseLayout,
  isInt8: boolean,
): Omit<Window, "bytes" | "groups" | "channels" | "pitch"> {
  return {
    address: w[layout.SRC]!,
    isInt8,
    zeroPoint: 0,
    batch: w[layout.BATCH]!,
    input: [w[layout.IN_H]!, w[layout.IN_W]!],
    output: [w[layout.OUT_H]!, w[layout.OUT_W]!],
    kernel: [w[layout.KERNEL_H]!, w[layout.KERNEL_W]!],
    strides: [w[layout.STRIDE_H]!, w[layout.STRIDE_W]!],
    dilations: [w[layout.DILATION_H]!, w[layout.DILATION_W]!],
    pads: [w[layout.PAD_TOP]!, w[layout.PAD_LEFT]!],
  };
}
