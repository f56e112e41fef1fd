/**
 * Convolution over depth as well, by the 2-D kernels: the slices of the input that one output slice sees are laid side by side as
 * channels, and the depth of the kernel joins its input channels.
 *
 *   x[N][D][H][W][G·C] → x'[N·OD][H][W][G·KD·C],   x'[n, od][…][g, kd, c] = x[n, od·stride − pad + kd·dilation][…][g, c], 0 outside
 *   w[O][C][KD][KH][KW] → w'[O][KD·C][KH][KW]
 */
import * as Opcode from "../../format/opcodes.ts";
import * as Fill from "../../format/steps/fill.ts";
import { elementCount, newArray, type Tensor } from "../../host/tensor.ts";
import type { ValueType } from "../ir/graph.ts";
import type { Builder } from "./builder.ts";
import type { ConvolutionShape } from "./convolution.ts";
import type { Reference } from "./lowered.ts";
import { emitCopy, emitTranspose, shifted, temporary } from "./movement.ts";
import { rowMajorStrides } from "./strides.ts";

/** Whether a convolution reaches over depth. */
export function hasDepth({ input, output, window }: ConvolutionShape): boolean {
  return input.depth > 1 || output.depth > 1 || window.kernel[0] > 1;
}

/** The same convolution over images without depth, one for each output slice. */
export function withoutDepth({ input, output, window, groups }: ConvolutionShape): ConvolutionShape {
  const flat = (triple: readonly [number, number, number], first: number): readonly [number, number, number] => [
    first,
    triple[1],
    triple[2],
  ];
  const batch = input.batch * output.depth;
  return {
    input: { ...input, batch, depth: 1, channels: input.channels * window.kernel[0] },
    output: { ...output, batch, depth: 1 },
    window: {
      kernel: flat(window.kernel, 1),
      strides: flat(window.strides, 1),
      dilations: flat(window.dilations, 1),
      padsBegin: flat(window.padsBegin, 0),
      padsEnd: flat(window.padsEnd, 0),
    },
    groups,
  };
}

/** Lays the input's slices side by side. `outside`: the bytes of an element, and what stands for 0 where there is no slice. */
export function emitSlices(
  builder: Builder,
  src: Reference,
  { input, output, window, groups }: ConvolutionShape,
  outside: { readonly bytes: 1 | 4; readonly value: number } = { bytes: 4, value: 0 },
): Reference {
  const { bytes, value } = outside;
  const [kernel, stride, dilation, pad] = [window.kernel[0], window.strides[0], window.dilations[0], window.padsBegin[0]];
  const plane = input.height * input.width;
  const channels = input.channels / groups;
  const dims = [input.batch, output.depth, plane, groups, kernel, channels];
  const dst = temporary(builder, elementCount(dims) * bytes);
  const to = rowMajorStrides(dims);
  const from = [input.depth * plane * input.channels, stride * plane * input.channels, input.channels, channels, 1];
  builder.step(Opcode.FILL, Fill, { DST: dst, ELEMENT_BYTES: bytes, COUNT: elementCount(dims), VALUE_LOW: value, VALUE_HIGH: 0 });
  for (let k = 0; k < kernel; k++) {
    const start = k * dilation - pad;
    const first = Math.max(0, Math.ceil(-start / stride));
    const last = Math.min(output.depth - 1, Math.floor((input.depth - 1 - start) / stride));
    if (last < first) continue;
    emitCopy(
      builder,
      shifted(src, (first * stride + start) * plane * input.channels, bytes),
      shifted(dst, first * to[1]! + k * to[4]!, bytes),
      bytes,
      [input.batch, last - first + 1, plane, groups, channels],
      from,
      [to[0]!, to[1]!, to[2]!, to[3]!, to[5]!],
    );
  }
  return dst;
}

/** Constant weights with the kernel's depth among the input channels, [O][KD·C][KH][KW]. */
export function weightsWithoutDepth({ dtype, data, shape }: Tensor): Tensor {
  const [outputs, channels, depth, height, width] = shape as readonly [number, number, number, number, number];
  const plane = height * width;
  const source = data as Float32Array;
  const result = newArray(dtype, source.length) as Float32Array;
  for (let o = 0; o < outputs; o++) {
    for (let c = 0; c < channels; c++) {
      for (let k = 0; k < depth; k++) {
        const from = ((o * channels + c) * depth + k) * plane;
        result.set(source.subarray(from, from + plane), ((o * depth + k) * channels + c) * plane);
      }
    }
  }
  return { dtype, shape: [outputs, depth * channels, height, width], data: result };
}

/** Computed weights in the order of a packed kernel, [O][KH][KW][KD][C]. */
export function emitWeightRows(builder: Builder, src: Reference, type: ValueType): Reference {
  return emitTranspose(builder, src, type, [0, 3, 4, 2, 1]);
}
