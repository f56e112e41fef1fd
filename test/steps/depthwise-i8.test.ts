/** DEPTHWISE_I8 against a direct convolution in TypeScript, byte for byte, rolling and by taps. */
import { describe, expect, it } from "vitest";
import { DEPTHWISE_I8 as OPCODE } from "../../format/opcodes.ts";
import { CHANNELS_32, DEPTHWISE_3X3_I8, DEPTHWISE_I8 } from "../../format/packings.ts";
import * as DepthwiseI8 from "../../format/steps/depthwise-i8.ts";
import { between, randomFloats, randomInt8, requantize } from "../support/reference-arithmetic.ts";
import { randomSource, stepBench } from "../support/step-bench.ts";
import { sweep } from "../support/sweep.ts";
import { type WindowCase, windowOf } from "../support/window-case.ts";

interface Case extends WindowCase {
  readonly channels: number;
  readonly rolling?: number;
  readonly bounded?: number;
  readonly range?: readonly [number, number];
  readonly gain?: number;
  /** Every input and weight, instead of random ones. */
  readonly fill?: readonly [number, number];
}

function check(c: Case, seed: number): void {
  const next = randomSource(seed);
  const {
    batch,
    kernelH: kh,
    kernelW: kw,
    strideH: sh,
    strideW: sw,
    dilationH: dh,
    dilationW: dw,
    top,
    left,
    outH,
    outW,
  } = windowOf(c, 3, 1);
  const inZero = between(next, -128, 127);
  const outZero = between(next, -20, 20);
  const [min, max] = c.range ?? [-128, 127];
  const taps = kh * kw;
  const rolling = c.rolling ?? 0;
  const src = randomInt8(next, batch * c.inH * c.inW * c.channels);
  const weights = randomInt8(next, c.channels * taps);
  if (c.fill) src.fill(c.fill[0]);
  if (c.fill) weights.fill(c.fill[1]);
  const scales = randomFloats(next, c.channels, 0.2, 1).map((s) => (s * (c.gain ?? 1) * 60) / (70 * 70 * Math.sqrt(taps)));
  const bias = Int32Array.from(
    { length: c.channels },
    (_, o) => between(next, -5000, 5000) - inZero * weights.subarray(o * taps, (o + 1) * taps).reduce((a, b) => a + b, 0),
  );

  const bench = stepBench(process.env["EQM_BUILD"] ?? "plain", 64);
  const dst = bench.reserve(batch * outH * outW * c.channels);
  bench.run(OPCODE, DepthwiseI8, {
    SRC: bench.put(src),
    DST: dst,
    WEIGHTS:
      rolling === 1 ? bench.constant(DEPTHWISE_3X3_I8, weights, c.channels) : bench.constant(DEPTHWISE_I8, weights, c.channels, taps),
    BIAS: bench.constant(CHANNELS_32, bias, c.channels),
    SCALE: bench.constant(CHANNELS_32, scales, c.channels),
    SCRATCH: bench.reserve(DepthwiseI8.scratchBytes(kh, c.inW, outW, kw, sw, dw, left, c.channels)),
    BATCH: batch,
    IN_H: c.inH,
    IN_W: c.inW,
    CHANNELS: c.channels,
    OUT_H: outH,
    OUT_W: outW,
    KERNEL_H: kh,
    KERNEL_W: kw,
    STRIDE_H: sh,
    STRIDE_W: sw,
    DILATION_H: dh,
    DILATION_W: dw,
    PAD_TOP: top,
    PAD_LEFT: left,
    IN_ZERO: inZero,
    OUT_ZERO: outZero,
    MIN: min,
    MAX: max,
    ROLLING: rolling,
    BOUNDED: c.bounded ?? 1,
  });

  const expected = new Int8Array(batch * outH * outW * c.channels);
  for (let m = 0; m < batch * outH * outW; m++) {
    const n = Math.floor(m / (outH * outW));
    const oy = Math.floor(m / outW) % outH;
    const ox = m % outW;
    for (let o = 0; o < c.channels; o++) {
      let sum = bias[o]!;
      for (let t = 0; t < taps; t++) {
        const y = oy * sh - top + Math.floor(t / kw) * dh;
        const x = ox * sw - left + (t % kw) * dw;
        const outside = y < 0 || y >= c.inH || x < 0 || x >= c.inW;
        sum += (outside ? inZero : src[((n * c.inH + y) * c.inW + x) * c.channels + o]!) * weights[o * taps + t]!;
      }
      expected[m * c.channels + o] = requantize(sum, scales[o]!, outZero, min, max);
    }
  }
  expect(
    Buffer.compare(bench.read(Uint8Array, dst, expected.length), new Uint8Array(expected.buffer)),
    JSON.stringify({ seed, ...c }),
  ).toBe(0);
}

describe("DEPTHWISE_I8", () => {
  it("rolls 3×3 with stride 1 and 2 over any channels and image sizes", () => {
    for (const channels of [1, 3, 7, 8, 9, 16, 17, 24]) {
      for (const inW of [1, 2, 3, 4, 7, 8]) {
        check({ inH: inW + 1, inW, channels, rolling: 1 }, channels * 10 + inW);
        check({ inH: inW + 1, inW, channels, rolling: 1, stride: [2, 2] }, channels * 10 + inW + 500);
      }
    }
  });

  it("rolls with any pads", () => {
    for (const stride of [1, 2]) {
      for (const pads of [
        [0, 0, 0, 0],
        [0, 0, 1, 1],
        [1, 0, 0, 2],
        [3, 4, 5, 6],
        [0, 9, 0, 0],
        [2, 0, 9, 0],
      ] as const) {
        check({ inH: 5, inW: 6, channels: 11, rolling: 1, stride: [stride, stride], pads, batch: 2 }, stride);
      }
    }
  });

  it("rolls rows that are longer than the cache, in pieces", () => {
    check({ inH: 5, inW: 113, channels: 93, rolling: 1, stride: [2, 2] }, 1);
    check({ inH: 3, inW: 70, channels: 400, rolling: 1, stride: [2, 2], pads: [0, 0, 1, 1] }, 2);
    check({ inH: 3, inW: 3, channels: 3300, rolling: 1, stride: [2, 2] }, 3);
  });

  it("takes kernels, strides and dilations of any shape", () => {
    check({ inH: 9, inW: 8, channels: 16, kernel: [5, 5], pads: [2, 2, 2, 2] }, 1);
    check({ inH: 9, inW: 8, channels: 13, kernel: [5, 5], pads: [2, 1, 2, 2], stride: [2, 2] }, 2);
    check({ inH: 1, inW: 20, channels: 9, kernel: [1, 7], pads: [0, 3, 0, 3] }, 3);
    check({ inH: 7, inW: 7, channels: 8, dilation: [4, 3], pads: [4, 3, 4, 3] }, 4);
    check({ inH: 3, inW: 2, channels: 5, kernel: [7, 9], pads: [3, 4, 3, 4], batch: 2 }, 5);
    check({ inH: 6, inW: 6, channels: 8, kernel: [1, 1], pads: [0, 0, 0, 0], stride: [3, 2] }, 6);
  });

  it("clamps to MIN and MAX, and saturates products far beyond the bound", () => {
    for (const rolling of [0, 1]) {
      for (const stride of [
        [1, 1],
        [2, 2],
      ] as const) {
        check({ inH: 5, inW: 6, channels: 12, rolling, stride, range: [-7, 40] }, 1);
        for (const gain of [1, 1e3, 1e9, 1e30]) check({ inH: 5, inW: 6, channels: 12, rolling, stride, bounded: 0, gain }, 2);
      }
    }
  });

  it("sums extremes exactly", () => {
    for (const x of [-128, 127])
      for (const w of [-128, 127])
        for (const rolling of [0, 1]) check({ inH: 5, inW: 6, channels: 9, rolling, fill: [x, w], gain: 0.1 }, 1);
  });

  it("agrees on random shapes, both ways where both apply", () => {
    const next = randomSource(11);
    for (let i = 0; i < sweep(75, 1500); i++) {
      const rolling = next() % 2;
      const stride = between(next, 1, 2);
      const kernel = rolling === 1 ? ([3, 3] as const) : ([between(next, 1, 5), between(next, 1, 5)] as const);
      const dilation = rolling === 1 ? ([1, 1] as const) : ([between(next, 1, 3), between(next, 1, 3)] as const);
      const pads = [between(next, 0, 3), between(next, 0, 3), between(next, 0, 3), between(next, 0, 3)] as const;
      check(
        {
          batch: between(next, 1, 2),
          inH: Math.max(between(next, 1, 10), (kernel[0] - 1) * dilation[0] + 1 - pads[0] - pads[2]),
          inW: Math.max(between(next, 1, 10), (kernel[1] - 1) * dilation[1] + 1 - pads[1] - pads[3]),
          channels: between(next, 1, 33),
          kernel,
          dilation,
          pads,
          stride: rolling === 1 ? [stride, stride] : [between(next, 1, 3), stride],
          rolling,
          bounded: next() % 2,
        },
        i + 1,
      );
    }
  });
});
