import { describe, expect, it } from "vitest";
import * as Opcode from "../../format/opcodes.ts";
import { CHANNELS_32, GEMM_F32 } from "../../format/packings.ts";
import * as Conv from "../../format/steps/conv-f32.ts";
import { bitsOf, build, randomFloats } from "../support/floats.ts";
import { floatBits, randomSource, stepBench } from "../support/step-bench.ts";
import { type WindowCase, windowOf } from "../support/window-case.ts";

interface Case extends WindowCase {
  readonly inC: number;
  readonly outC: number;
  readonly groups?: number;
  readonly srcPitch?: number;
  readonly dstPitch?: number;
  readonly min?: number;
  readonly max?: number;
  readonly rowBlock?: number;
}

function check(c: Case, spoil?: (src: Float32Array, weights: Float32Array) => void): void {
  const { inH, inW, inC, outC, groups = 1, min = -Infinity, max = Infinity } = c;
  const { batch, kernelH, kernelW, strideH, strideW, dilationH, dilationW, top, left, outH, outW } = windowOf(c, 1, 0);
  const srcPitch = c.srcPitch ?? inC;
  const dstPitch = c.dstPitch ?? outC;
  const groupIn = inC / groups;
  const groupOut = outC / groups;
  const depth = kernelH * kernelW * groupIn;
  const pixels = batch * outH * outW;
  const rowBlock = c.rowBlock ?? Conv.rowBlock(depth, pixels);
  const random = randomSource(0x1234 + inC * 31 + outC * 7 + depth);
  const src = randomFloats(random, (batch * inH * inW - 1) * srcPitch + inC);
  const weights = randomFloats(random, outC * depth);
  const bias = randomFloats(random, outC);
  spoil?.(src, weights);

  const bench = stepBench(build, 32);
  const dst = bench.reserve(((pixels - 1) * dstPitch + outC) * 4);
  const untouched = bench.read(Int32Array, dst, (pixels - 1) * dstPitch + outC);
  const expected = new Float32Array(untouched.buffer.slice(0));
  for (let n = 0; n < batch; n++) {
    for (let y = 0; y < outH; y++) {
      for (let x = 0; x < outW; x++) {
        for (let o = 0; o < outC; o++) {
          const group = Math.floor(o / groupOut);
          let sum = 0;
          let w = o * depth;
          for (let ky = 0; ky < kernelH; ky++) {
            for (let kx = 0; kx < kernelW; kx++) {
              const iy = y * strideH - top + ky * dilationH;
              const ix = x * strideW - left + kx * dilationW;
              const inside = iy >= 0 && iy < inH && ix >= 0 && ix < inW;
              const at = ((n * inH + iy) * inW + ix) * srcPitch + group * groupIn;
              for (let i = 0; i < groupIn; i++) sum = Math.fround(sum + Math.fround((inside ? src[at + i]! : 0) * weights[w++]!));
            }
          }
          sum = Math.fround(sum + bias[o]!);
          const low = sum < min ? min : sum;
          expected[((n * outH + y) * outW + x) * dstPitch + o] = max < low ? max : low;
        }
      }
    }
  }
  bench.run(Opcode.CONV_F32, Conv, {
    SRC: bench.put(src),
    DST: dst,
    WEIGHTS: bench.constant(GEMM_F32, weights, groupOut, depth),
    BIAS: bench.constant(CHANNELS_32, bias, outC),
    SCRATCH: bench.reserve(Conv.scratchBytes(rowBlock, depth)),
    BATCH: batch,
    IN_H: inH,
    IN_W: inW,
    IN_C: inC,
    OUT_H: outH,
    OUT_W: outW,
    OUT_C: outC,
    KERNEL_H: kernelH,
    KERNEL_W: kernelW,
    STRIDE_H: strideH,
    STRIDE_W: strideW,
    DILATION_H: dilationH,
    DILATION_W: dilationW,
    PAD_TOP: top,
    PAD_LEFT: left,
    GROUPS: groups,
    SRC_PITCH: srcPitch,
    DST_PITCH: dstPitch,
    MIN: floatBits(min),
    MAX: floatBits(max),
    ROW_BLOCK: rowBlock,
  });
  expect(bitsOf(bench.read(Float32Array, dst, expected.length))).toEqual(bitsOf(expected));
}

describe("CONV_F32 equals the sum in the stated order, bit for bit", () => {
  const sizes = [1, 3, 4, 5, 7, 8, 9, 15, 16, 17];
  it.each(sizes)("1×1 with %i inputs, over awkward numbers of outputs", (inC) => {
    for (const outC of sizes) check({ inH: 3, inW: 5, inC, outC });
  });

  it.each([1, 2, 3, 5, 6, 7, 8, 11, 12, 13, 49])("%i pixels, in blocks of 6 and of 12", (inW) => {
    for (const rowBlock of [6, 12]) check({ inH: 1, inW, inC: 5, outC: 43, rowBlock });
  });

  it("one row of many outputs: 32 at a time, then 8, then the rest", () => {
    for (const outC of [31, 32, 33, 40, 64, 77]) check({ inH: 1, inW: 1, inC: 19, outC });
  });

  it("a 1×1 kernel with strides, pads and a cropped output", () => {
    check({ inH: 7, inW: 6, inC: 5, outC: 9, stride: [2, 2] });
    check({ inH: 4, inW: 4, inC: 3, outC: 8, pads: [1, 0, 2, 3] });
    check({ inH: 5, inW: 5, inC: 4, outC: 4, pads: [0, 2, 0, 0], stride: [3, 1] });
  });

  it("3×3 with the channels of images and of bodies", () => {
    for (const inC of [1, 3, 4, 8, 9]) check({ inH: 9, inW: 8, inC, outC: 13, kernel: [3, 3], pads: [1, 1, 1, 1] });
    check({ inH: 11, inW: 11, inC: 3, outC: 16, kernel: [3, 3], stride: [2, 2], pads: [0, 0, 1, 1] });
  });

  it("kernels of every shape, with asymmetric pads, strides and dilations", () => {
    check({ inH: 6, inW: 9, inC: 2, outC: 5, kernel: [1, 5], pads: [0, 4, 0, 1], stride: [1, 2] });
    check({ inH: 9, inW: 3, inC: 6, outC: 7, kernel: [5, 1], pads: [3, 0, 2, 0], stride: [2, 1] });
    check({ inH: 12, inW: 10, inC: 3, outC: 8, kernel: [3, 3], dilation: [2, 3], pads: [2, 3, 2, 1] });
    check({ inH: 8, inW: 8, inC: 4, outC: 8, kernel: [2, 4], dilation: [3, 1], pads: [0, 3, 4, 0] });
    check({ inH: 14, inW: 14, inC: 3, outC: 8, kernel: [7, 7], stride: [2, 2], pads: [3, 3, 3, 3] });
  });

  it("pads wider than the kernel, so that whole windows lie outside", () => {
    check({ inH: 2, inW: 2, inC: 3, outC: 4, kernel: [2, 2], pads: [4, 5, 3, 4] });
    check({ inH: 1, inW: 1, inC: 1, outC: 1, kernel: [3, 3], pads: [1, 1, 1, 1] });
  });

  it("groups, with and without a contiguous kernel row", () => {
    check({ inH: 5, inW: 5, inC: 6, outC: 10, groups: 2, kernel: [3, 3], pads: [1, 1, 1, 1] });
    check({ inH: 5, inW: 4, inC: 15, outC: 9, groups: 3 });
    check({ inH: 4, inW: 7, inC: 4, outC: 36, groups: 4, kernel: [1, 3], pads: [0, 1, 0, 1] });
    check({ inH: 1, inW: 1, inC: 64, outC: 66, groups: 2 });
  });

  it("pitches wider than the channels, with nothing written between pixels", () => {
    check({ inH: 5, inW: 5, inC: 3, outC: 5, srcPitch: 7, dstPitch: 11, kernel: [3, 3], pads: [1, 1, 1, 1] });
    check({ inH: 3, inW: 5, inC: 8, outC: 16, srcPitch: 9, dstPitch: 17 });
    check({ inH: 5, inW: 5, inC: 4, outC: 6, groups: 2, srcPitch: 12, dstPitch: 8, kernel: [2, 2] });
  });

  it("batches, whose panels span two images", () => {
    check({ batch: 3, inH: 3, inW: 5, inC: 4, outC: 9, kernel: [3, 3], pads: [1, 1, 1, 1], rowBlock: 12 });
    check({ batch: 7, inH: 1, inW: 1, inC: 10, outC: 12 });
    check({ batch: 2, inH: 5, inW: 3, inC: 4, outC: 8, kernel: [3, 3], dilation: [1, 2], pads: [2, 2, 0, 2], stride: [2, 1] });
  });

  it("limits", () => {
    check({ inH: 4, inW: 5, inC: 7, outC: 12, min: 0 });
    check({ inH: 4, inW: 5, inC: 7, outC: 12, min: -0.5, max: 0.25 });
    check({ inH: 1, inW: 1, inC: 7, outC: 44, min: 0, max: 6 });
  });

  it("a depth larger than any cache block", () => {
    check({ inH: 1, inW: 8, inC: 2500, outC: 20 });
    check({ inH: 3, inW: 3, inC: 300, outC: 9, kernel: [3, 3], pads: [1, 1, 1, 1] });
  });

  it("infinities and NaN, which reach exactly the outputs that read them", () => {
    check({ inH: 5, inW: 5, inC: 3, outC: 9, kernel: [3, 3], pads: [1, 1, 1, 1], min: 0, max: 6 }, (src, weights) => {
      src[7] = Number.NaN;
      src[31] = Infinity;
      src[60] = -Infinity;
      weights[3] = 0;
      weights[40] = -0;
    });
    check({ inH: 1, inW: 1, inC: 9, outC: 34 }, (src, weights) => {
      src[2] = Infinity;
      weights[20] = 0;
      weights[50] = Infinity;
    });
    check({ inH: 2, inW: 2, inC: 2, outC: 3, pads: [1, 1, 1, 1] }, (_, weights) => {
      weights[1] = Infinity;
    });
  });
});

it("rowBlock is a multiple of 6, holds no more rows than there are pixels, and at least one panel", () => {
  for (const depth of [1, 27, 576, 2048, 2049, 100_000]) {
    for (const pixels of [1, 6, 7, 12_544]) {
      const rows = Conv.rowBlock(depth, pixels);
      expect(rows % 6).toBe(0);
      expect(rows).toBeGreaterThanOrEqual(6);
      expect(rows).toBeLessThanOrEqual(Math.ceil(pixels / 6) * 6);
      expect(rows === 6 || rows * depth * 4 <= 49_152).toBe(true);
    }
  }
});
