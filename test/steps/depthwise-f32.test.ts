import { describe, expect, it } from "vitest";
import * as Opcode from "../../format/opcodes.ts";
import { CHANNELS_32, DEPTHWISE_F32 } from "../../format/packings.ts";
import * as Depthwise from "../../format/steps/depthwise-f32.ts";
import { bitsOf, build, randomFloats } from "../support/floats.ts";
import { floatBits, randomSource, stepBench } from "../support/step-bench.ts";
import { type WindowCase, windowOf } from "../support/window-case.ts";

interface Case extends WindowCase {
  readonly channels: number;
  readonly min?: number;
  readonly max?: number;
}

function check(c: Case, spoil?: (src: Float32Array, weights: Float32Array) => void): void {
  const { inH, inW, channels, min = -Infinity, max = Infinity } = c;
  const { batch, kernelH, kernelW, strideH, strideW, dilationH, dilationW, top, left, outH, outW } = windowOf(c, 3, 1);
  const taps = kernelH * kernelW;
  const random = randomSource(77 + channels * 3 + inW);
  const src = randomFloats(random, batch * inH * inW * channels);
  const weights = randomFloats(random, channels * taps);
  const bias = randomFloats(random, channels);
  spoil?.(src, weights);
  const expected = new Float32Array(batch * outH * outW * channels);
  for (let n = 0; n < batch; n++) {
    for (let y = 0; y < outH; y++) {
      for (let x = 0; x < outW; x++) {
        for (let c = 0; c < channels; c++) {
          let sum = bias[c]!;
          for (let ky = 0; ky < kernelH; ky++) {
            for (let kx = 0; kx < kernelW; kx++) {
              const iy = y * strideH - top + ky * dilationH;
              const ix = x * strideW - left + kx * dilationW;
              if (iy < 0 || iy >= inH || ix < 0 || ix >= inW) continue;
              sum = Math.fround(
                sum + Math.fround(src[((n * inH + iy) * inW + ix) * channels + c]! * weights[c * taps + ky * kernelW + kx]!),
              );
            }
          }
          const low = sum < min ? min : sum;
          expected[((n * outH + y) * outW + x) * channels + c] = max < low ? max : low;
        }
      }
    }
  }
  const bench = stepBench(build, 32);
  const dst = bench.reserve(expected.byteLength);
  bench.run(Opcode.DEPTHWISE_F32, Depthwise, {
    SRC: bench.put(src),
    DST: dst,
    WEIGHTS: bench.constant(DEPTHWISE_F32, weights, channels, taps),
    BIAS: bench.constant(CHANNELS_32, bias, channels),
    BATCH: batch,
    IN_H: inH,
    IN_W: inW,
    CHANNELS: channels,
    OUT_H: outH,
    OUT_W: outW,
    KERNEL_H: kernelH,
    KERNEL_W: kernelW,
    STRIDE_H: strideH,
    STRIDE_W: strideW,
    DILATION_H: dilationH,
    DILATION_W: dilationW,
    PAD_TOP: top,
    PAD_LEFT: left,
    MIN: floatBits(min),
    MAX: floatBits(max),
  });
  expect(bitsOf(bench.read(Float32Array, dst, expected.length))).toEqual(bitsOf(expected));
}

describe("DEPTHWISE_F32 equals the sum in the stated order, bit for bit", () => {
  const channels = [1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 33];
  it.each(channels)("3×3 with %i channels, both strides", (c) => {
    check({ inH: 6, inW: 11, channels: c });
    check({ inH: 7, inW: 13, channels: c, stride: [2, 2], pads: [0, 0, 1, 1] });
  });

  it("widths from 1 up, so that blocks of four begin and end everywhere", () => {
    for (let inW = 1; inW <= 12; inW++) {
      check({ inH: 2, inW, channels: 5 });
      check({ inH: 3, inW, channels: 4, pads: [0, 2, 2, 3], kernel: [2, 2] });
    }
  });

  it("kernels of every shape, with asymmetric pads, strides and dilations", () => {
    check({ inH: 12, inW: 14, channels: 6, kernel: [5, 5], pads: [2, 2, 2, 2] });
    check({ inH: 9, inW: 20, channels: 9, kernel: [1, 7], pads: [0, 6, 0, 2] });
    check({ inH: 15, inW: 9, channels: 5, kernel: [4, 1], pads: [1, 0, 2, 0], stride: [3, 1] });
    check({ inH: 11, inW: 17, channels: 8, dilation: [2, 3], pads: [2, 3, 1, 0] });
    check({ inH: 11, inW: 17, channels: 7, dilation: [1, 2], pads: [0, 5, 3, 5], stride: [1, 2] });
    check({ inH: 5, inW: 40, channels: 10, kernel: [25, 5], pads: [12, 2, 12, 2] });
    check({ inH: 7, inW: 7, channels: 20, kernel: [7, 7], pads: [0, 0, 0, 0] });
  });

  it("pads wider than the kernel: a window outside the image is the bias", () => {
    check({ inH: 2, inW: 3, channels: 5, kernel: [2, 2], pads: [5, 4, 4, 6] });
    check({ inH: 1, inW: 1, channels: 3, dilation: [4, 4], pads: [4, 4, 4, 4] });
  });

  it("batches and limits", () => {
    check({ batch: 3, inH: 5, inW: 6, channels: 7, min: 0, max: 6 });
    check({ batch: 2, inH: 4, inW: 9, channels: 12, min: -0.25, stride: [2, 1] });
  });

  it("infinities and NaN, which reach exactly the outputs that read them", () => {
    check({ inH: 5, inW: 9, channels: 6, min: 0, max: 6 }, (src, weights) => {
      src[40] = Number.NaN;
      src[100] = Infinity;
      src[200] = -Infinity;
      weights[9] = Infinity;
    });
  });
});

it("rows of every width, where quads overlap and windows stick out on one side, both or none", () => {
  for (let inW = 1; inW <= 15; inW++) {
    for (const stride of [1, 2, 3]) {
      for (const left of [0, 1, 2]) {
        for (const right of [0, 1]) {
          if (inW + left + right < 3) continue;
          check({ inH: 4, inW, channels: 5, stride: [1, stride], pads: [1, left, 1, right] });
          check({ inH: 4, inW, channels: 8, stride: [2, stride], pads: [0, left, 1, right], min: -1, max: 2 });
        }
      }
    }
  }
});
