/** CONV_I8 against a direct convolution in TypeScript, byte for byte. */
import { describe, expect, it } from "vitest";
import { countQuads } from "../../compiler/lower/blocks.ts";
import { countPairs } from "../../compiler/lower/sparse.ts";
import { FLOAT32, INT8 } from "../../format/dtypes.ts";
import { CONV_I8 } from "../../format/opcodes.ts";
import {
  CHANNELS_32,
  GEMM_BLOCKS_1_I8,
  GEMM_BLOCKS_2_I8,
  GEMM_I4,
  GEMM_I8,
  GEMM_PAIR_SAFE_I8,
  GEMM_SCATTERED_I8,
  gemmDepth,
  PAIR_LIMIT,
  pairsFit,
} from "../../format/packings.ts";
import * as ConvI8 from "../../format/steps/conv-i8.ts";
import { between, clamp, randomFloats, randomInt8, requantize } from "../support/reference-arithmetic.ts";
import { floatBits, randomSource, stepBench } from "../support/step-bench.ts";

interface Case {
  readonly batch?: number;
  readonly inH: number;
  readonly inW: number;
  readonly inC: number;
  readonly outC: number;
  readonly kernel?: readonly [number, number];
  readonly stride?: readonly [number, number];
  readonly dilation?: readonly [number, number];
  /** top, left, bottom, right */
  readonly pads?: readonly [number, number, number, number];
  readonly groups?: number;
  readonly srcGap?: number;
  readonly dstGap?: number;
  readonly dtype?: number;
  readonly bounded?: number;
  readonly range?: readonly [number, number];
  /** Multiplies the scales: beyond the bounded range with `bounded` 0. */
  readonly gain?: number;
  readonly rowBlock?: number;
  /** Every input, weight, bias and scale, instead of random ones. */
  readonly fill?: { readonly x: number; readonly w: number; readonly bias: number; readonly scale: number };
}

/** How weights are packed. */
type Form = "any" | "pair-safe" | "four bits" | "blocks of 1" | "blocks of 2" | "scattered";

/** How the input is packed: patch by patch, or in planes of so many rows of the output at a time. */
type Planes = number | "patches";

/** Checks one case with any weights, sparse ones, and where its shape allows with pair-safe ones and with those of four bits that are marked so. */
function check(c: Case, seed: number): void {
  checkOne(c, seed, "any");
  checkOne(c, seed, (["blocks of 1", "blocks of 2", "scattered"] as const)[seed % 3]!);
  const patch = [...(c.kernel ?? ([1, 1] as const)), c.inC, c.groups ?? 1, c.dilation?.[1] ?? 1, c.inC + (c.srcGap ?? 0)] as const;
  if (!pairsFit(ConvI8.segments(...patch), ConvI8.segmentLength(...patch))) return;
  const w = c.fill?.w ?? 0;
  if (Math.abs(w) * 2 <= PAIR_LIMIT) checkOne(c, seed, "pair-safe");
  if (w >= -8 && w <= 7) checkOne(c, seed, "four bits");
}

/** Checks one case in planes of 1, 2 and all rows. */
function checkPlanar(c: Case, seed: number): void {
  for (const rows of [1, 2, 99]) for (const form of FORMS) checkOne(c, seed, form, rows);
}

const PACKINGS = {
  any: GEMM_I8,
  "pair-safe": GEMM_PAIR_SAFE_I8,
  "four bits": GEMM_I4,
  "blocks of 1": GEMM_BLOCKS_1_I8,
  "blocks of 2": GEMM_BLOCKS_2_I8,
  scattered: GEMM_SCATTERED_I8,
} as const;
const FORMS = Object.keys(PACKINGS) as readonly Form[];
const MARKS: Readonly<Record<Form, number>> = { any: 0, "pair-safe": 1, "four bits": 0, "blocks of 1": 2, "blocks of 2": 3, scattered: 4 };

/** Zeroes blocks of `tall` outputs by `unit` columns, of which `density` percent are left; in what is left, some weights are 0 too. */
function zeroBlocks(
  next: () => number,
  weights: Int8Array,
  outputs: number,
  depth: number,
  tall: number,
  unit: number,
  density: number,
): void {
  for (let first = 0; first < weights.length; first += outputs * depth) {
    for (let n = 0; n < outputs; n += tall) {
      for (let k = 0; k < depth; k += unit) {
        const isKept = next() % 100 < density;
        for (let o = n; o < Math.min(n + tall, outputs); o++) {
          for (let i = k; i < Math.min(k + unit, depth); i++) if (!isKept || next() % 9 === 0) weights[first + o * depth + i] = 0;
        }
      }
    }
  }
}

/** Makes segments pair-safe, most of their pairs at the limit. */
function limitPairs(weights: Int8Array, length: number): void {
  for (let at = 0; at < weights.length; at += length) {
    for (let i = 0; i + 1 < length; i += 2) {
      const room = Math.min(127, PAIR_LIMIT - Math.abs(weights[at + i]!));
      const w = weights[at + i + 1]!;
      weights[at + i + 1] = w % 4 === 0 ? Math.max(-room, Math.min(room, w)) : w < 0 ? -room : room;
    }
  }
}

/** Runs one case on the build and compares every byte of the destination, the gaps between pixels included. */
function checkOne(c: Case, seed: number, form: Form, planes: Planes = "patches"): void {
  const next = randomSource(seed);
  const batch = c.batch ?? 1;
  const [kh, kw] = c.kernel ?? [1, 1];
  const [sh, sw] = c.stride ?? [1, 1];
  const [dh, dw] = c.dilation ?? [1, 1];
  const [top, left, bottom, right] = c.pads ?? [0, 0, 0, 0];
  const groups = c.groups ?? 1;
  const outH = Math.floor((c.inH + top + bottom - (kh - 1) * dh - 1) / sh) + 1;
  const outW = Math.floor((c.inW + left + right - (kw - 1) * dw - 1) / sw) + 1;
  const srcPitch = c.inC + (c.srcGap ?? 0);
  const dstPitch = c.outC + (c.dstGap ?? 0);
  const inPerGroup = c.inC / groups;
  const outPerGroup = c.outC / groups;
  const dtype = c.dtype ?? INT8;
  const inZero = between(next, -128, 127);
  const outZero = between(next, -20, 20);
  const [min, max] = c.range ?? (dtype === FLOAT32 ? [-1e30, 1e30] : [-128, 127]);
  const src = randomInt8(next, batch * c.inH * c.inW * srcPitch);
  const weights = randomInt8(next, c.outC * kh * kw * inPerGroup);
  if (c.fill) src.fill(c.fill.x);
  if (c.fill) weights.fill(c.fill.w);
  if (form === "four bits")
    weights.forEach((w, i) => {
      weights[i] = seed % 3 === 0 ? (w < 0 ? -8 : 7) : w >> 4;
    });
  if (form === "pair-safe" && !c.fill) limitPairs(weights, ConvI8.segmentLength(kh, kw, c.inC, groups, dw, srcPitch));
  const unit = form === "blocks of 2" ? 2 : 1;
  const isSparse = form === "scattered" || form.startsWith("blocks");
  const tall = form === "scattered" ? 1 : 8;
  if (isSparse && !c.fill) zeroBlocks(next, weights, outPerGroup, kh * kw * inPerGroup, tall, unit, [0, 10, 30, 50, 80, 100][next() % 6]!);
  const scales = randomFloats(next, c.outC, 0.2, 1).map((s) => ((s * (c.gain ?? 1)) / (70 * 70 * Math.sqrt(kh * kw * inPerGroup))) * 60);
  const bias = Int32Array.from({ length: c.outC }, (_, o) => {
    let sum = 0;
    for (let i = 0; i < kh * kw * inPerGroup; i++) sum += weights[o * kh * kw * inPerGroup + i]!;
    return between(next, -5000, 5000) - inZero * sum;
  });

  if (c.fill) scales.fill(c.fill.scale);
  if (c.fill) bias.fill(c.fill.bias);

  const segments = ConvI8.segments(kh, kw, c.inC, groups, dw, srcPitch);
  const length = ConvI8.segmentLength(kh, kw, c.inC, groups, dw, srcPitch);
  const depth = gemmDepth(segments, length);
  const rows = planes === "patches" ? 0 : Math.min(planes, outH);
  const rowBlock = rows > 0 ? rows * outW : (c.rowBlock ?? ConvI8.rowBlock(depth, batch * outH * outW));
  const planeSize = ConvI8.planeSize(rows, ConvI8.planeRowSize(inPerGroup, outW, kw, sw, dw), kh, sh, dh);
  const scratchBytes =
    rows > 0
      ? ConvI8.planarScratchBytes(depth, planeSize)
      : ConvI8.scratchBytes(rowBlock, kh, kw, c.inC, groups, sw, dh, dw, srcPitch, outW);
  const count =
    form === "scattered" ? countPairs(weights, outPerGroup, segments * length) : countQuads(weights, outPerGroup, segments * length, unit);
  const bench = stepBench(process.env["EQM_BUILD"] ?? "plain", 64);
  const outBytes = dtype === FLOAT32 ? 4 : 1;
  const pixels = batch * outH * outW;
  const before = new Uint8Array(((pixels - 1) * dstPitch + c.outC) * outBytes).fill(0x77);
  const dst = bench.put(before);
  bench.run(CONV_I8, ConvI8, {
    SRC: bench.put(src),
    DST: dst,
    PAIR_SAFE: MARKS[form],
    WEIGHT_BITS: form === "four bits" ? 4 : 8,
    WEIGHTS: isSparse
      ? bench.constant(PACKINGS[form], weights, outPerGroup, segments * length, count)
      : bench.constant(PACKINGS[form], weights, outPerGroup, segments, length),
    BIAS: bench.constant(CHANNELS_32, bias, c.outC),
    SCALE: bench.constant(CHANNELS_32, scales, c.outC),
    PLANAR: rows > 0 ? 1 : 0,
    SCRATCH: bench.reserve(scratchBytes),
    BATCH: batch,
    IN_H: c.inH,
    IN_W: c.inW,
    IN_C: c.inC,
    OUT_H: outH,
    OUT_W: outW,
    OUT_C: c.outC,
    KERNEL_H: kh,
    KERNEL_W: kw,
    STRIDE_H: sh,
    STRIDE_W: sw,
    DILATION_H: dh,
    DILATION_W: dw,
    PAD_TOP: top,
    PAD_LEFT: left,
    GROUPS: groups,
    SRC_PITCH: srcPitch,
    DST_PITCH: dstPitch,
    IN_ZERO: inZero,
    OUT_ZERO: outZero,
    MIN: dtype === FLOAT32 ? floatBits(min) : min,
    MAX: dtype === FLOAT32 ? floatBits(max) : max,
    OUT_DTYPE: dtype,
    ROW_BLOCK: rowBlock,
    BOUNDED: c.bounded ?? 1,
  });

  const expected = before.slice();
  const floats = new Float32Array(expected.buffer, 0, outBytes === 4 ? expected.length / 4 : 0);
  for (let m = 0; m < pixels; m++) {
    const n = Math.floor(m / (outH * outW));
    const oy = Math.floor(m / outW) % outH;
    const ox = m % outW;
    for (let o = 0; o < c.outC; o++) {
      const group = Math.floor(o / outPerGroup);
      let sum = bias[o]!;
      for (let ky = 0; ky < kh; ky++) {
        for (let kx = 0; kx < kw; kx++) {
          const y = oy * sh - top + ky * dh;
          const x = ox * sw - left + kx * dw;
          const outside = y < 0 || y >= c.inH || x < 0 || x >= c.inW;
          const at = ((n * c.inH + y) * c.inW + x) * srcPitch + group * inPerGroup;
          const w = ((o * kh + ky) * kw + kx) * inPerGroup;
          for (let i = 0; i < inPerGroup; i++) sum += (outside ? inZero : src[at + i]!) * weights[w + i]!;
        }
      }
      const at = m * dstPitch + o;
      if (dtype === FLOAT32) floats[at] = clamp(Math.fround(Math.fround(sum) * scales[o]!), Math.fround(min), Math.fround(max));
      else expected[at] = requantize(sum, scales[o]!, outZero, min, max);
    }
  }
  expect(Buffer.compare(bench.read(Uint8Array, dst, expected.length), expected), JSON.stringify({ seed, form, planes, ...c })).toBe(0);
}

const sizes = [1, 2, 3, 7, 8, 9, 15, 16, 17];

describe("CONV_I8", () => {
  it("multiplies 1×1 for any number of rows, inputs and outputs", () => {
    for (const inC of sizes)
      for (const outC of sizes) for (const inW of [1, 2, 3, 4, 5, 29]) check({ inH: 1, inW, inC, outC }, inC * 1000 + outC * 30 + inW);
  });

  it("convolves 3×3 at every edge, with few and odd channels", () => {
    for (const inC of [1, 2, 3, 4, 8, 17]) {
      for (const size of [1, 2, 3, 5, 7]) {
        check({ inH: size, inW: size + 1, inC, outC: 9, kernel: [3, 3], pads: [1, 1, 1, 1] }, inC * 10 + size);
        check({ inH: size + 2, inW: size + 3, inC, outC: 8, kernel: [3, 3], stride: [2, 2], pads: [0, 0, 1, 1] }, inC * 10 + size + 500);
      }
    }
  });

  it("takes images smaller than the kernel's reach", () => {
    check({ inH: 7, inW: 7, inC: 5, outC: 11, kernel: [3, 3], dilation: [6, 6], pads: [6, 6, 6, 6] }, 1);
    check({ inH: 2, inW: 3, inC: 4, outC: 3, kernel: [7, 5], pads: [3, 2, 4, 3], batch: 2 }, 2);
    check({ inH: 1, inW: 1, inC: 16, outC: 16, kernel: [5, 5], pads: [4, 4, 4, 4] }, 3);
  });

  it("takes several images, and row blocks that end inside one", () => {
    check({ batch: 2, inH: 5, inW: 3, inC: 6, outC: 10, kernel: [3, 3], pads: [1, 1, 1, 1], rowBlock: 4 }, 1);
    check({ batch: 3, inH: 4, inW: 4, inC: 7, outC: 8, rowBlock: 12 }, 2);
    check({ batch: 3, inH: 9, inW: 9, inC: 3, outC: 16, kernel: [3, 3], stride: [2, 1], pads: [1, 0, 1, 2], rowBlock: 28 }, 3);
  });

  it("gathers short and odd runs over many patches, rows and images", () => {
    const pads = [1, 2, 3, 4] as const;
    check({ batch: 2, inH: 13, inW: 17, inC: 3, outC: 8, kernel: [3, 3], pads: [1, 1, 1, 1] }, 1);
    check({ batch: 2, inH: 21, inW: 9, inC: 1, outC: 12, kernel: [10, 4], stride: [2, 2], pads: [4, 1, 5, 1] }, 2);
    check({ batch: 3, inH: 12, inW: 70, inC: 7, outC: 3, kernel: [3, 5], stride: [2, 3], dilation: [2, 1], pads, rowBlock: 84 }, 3);
    check({ batch: 2, inH: 9, inW: 40, inC: 12, outC: 8, kernel: [2, 3], stride: [3, 1], dilation: [1, 2], pads, groups: 4, srcGap: 1 }, 4);
    check({ inH: 3, inW: 2, inC: 19, outC: 8, kernel: [3, 3], pads: [6, 7, 2, 9], rowBlock: 76 }, 5);
  });

  it("convolves from planes, at every edge", () => {
    for (const size of [1, 2, 4, 5, 8]) {
      checkPlanar({ inH: size, inW: size + 3, inC: 8, outC: 11, kernel: [3, 3], pads: [1, 1, 1, 1], batch: 2 }, size);
      checkPlanar({ inH: size + 3, inW: size + 2, inC: 16, outC: 8, kernel: [3, 3], stride: [2, 2], pads: [0, 0, 1, 1] }, size + 10);
    }
    checkPlanar({ inH: 7, inW: 7, inC: 8, outC: 11, kernel: [3, 3], dilation: [6, 6], pads: [6, 6, 6, 6] }, 1);
    checkPlanar({ inH: 2, inW: 3, inC: 8, outC: 3, kernel: [7, 5], pads: [3, 2, 4, 3], batch: 2 }, 2);
    checkPlanar({ inH: 1, inW: 1, inC: 16, outC: 16, kernel: [5, 5], pads: [9, 8, 4, 7] }, 3);
    checkPlanar({ inH: 9, inW: 8, inC: 24, outC: 10, kernel: [1, 1], stride: [2, 3], srcGap: 3, dstGap: 5 }, 4);
  });

  it("convolves random shapes from planes", () => {
    const next = randomSource(77);
    for (let i = 0; i < 60; i++) {
      const groups = next() % 4 === 0 ? between(next, 1, 3) : 1;
      const kernel = [between(next, 1, 4), between(next, 1, 5)] as const;
      const dilation = [between(next, 1, 2), between(next, 1, 3)] as const;
      const pads = [between(next, 0, 3), between(next, 0, 3), between(next, 0, 3), between(next, 0, 3)] as const;
      const inC = groups * 8 * between(next, 1, 3);
      const c: Case = {
        batch: between(next, 1, 2),
        inH: Math.max(between(next, 1, 9), (kernel[0] - 1) * dilation[0] + 1 - pads[0] - pads[2]),
        inW: Math.max(between(next, 1, 17), (kernel[1] - 1) * dilation[1] + 1 - pads[1] - pads[3]),
        inC,
        outC: groups * between(next, 1, 20),
        kernel,
        dilation,
        pads,
        groups,
        stride: [between(next, 1, 3), between(next, 1, 4)],
        srcGap: next() % 3 === 0 ? between(next, 1, 5) : 0,
        dstGap: next() % 3 === 0 ? between(next, 1, 5) : 0,
        dtype: next() % 4 === 0 ? FLOAT32 : INT8,
        bounded: next() % 2,
      };
      checkOne(c, i + 1, FORMS[next() % FORMS.length]!, between(next, 1, 4));
    }
  });

  it("keeps groups apart", () => {
    for (const groups of [2, 3, 4]) {
      check({ inH: 5, inW: 6, inC: groups * 5, outC: groups * 3, kernel: [3, 3], pads: [1, 1, 1, 1], groups, batch: 2 }, groups);
      check({ inH: 5, inW: 6, inC: groups * 8, outC: groups * 9, groups }, groups + 10);
    }
  });

  it("reads and writes slices of wider tensors", () => {
    check({ inH: 6, inW: 5, inC: 7, outC: 13, srcGap: 4, dstGap: 3 }, 1);
    check({ inH: 6, inW: 5, inC: 8, outC: 8, srcGap: 1, dstGap: 9, kernel: [3, 2], pads: [1, 0, 1, 1] }, 2);
    check({ inH: 6, inW: 5, inC: 8, outC: 6, srcGap: 3, dstGap: 1, dtype: FLOAT32 }, 3);
  });

  it("clamps to MIN and MAX", () => {
    check({ inH: 4, inW: 9, inC: 16, outC: 24, range: [-5, 30] }, 1);
    check({ inH: 1, inW: 1, inC: 16, outC: 24, range: [-5, 30] }, 2);
    check({ inH: 4, inW: 9, inC: 16, outC: 21, range: [0, 6], dtype: FLOAT32 }, 3);
  });

  it("gives float32 where asked", () => {
    for (const outC of sizes) for (const inW of [1, 3, 8, 25]) check({ inH: 1, inW, inC: 12, outC, dtype: FLOAT32 }, outC * 30 + inW);
  });

  it("gives the same with and without the bound where it holds", () => {
    for (const inW of [1, 5, 24, 33]) check({ inH: 1, inW, inC: 31, outC: 40, bounded: 0 }, inW);
  });

  it("saturates products far beyond the bound", () => {
    for (const gain of [1e3, 1e6, 1e12, 1e30])
      for (const inW of [1, 6, 30]) check({ inH: 1, inW, inC: 9, outC: 17, bounded: 0, gain }, inW);
  });

  it("rounds halves to even", () => {
    for (const scale of [0.5, 0.25, -0.5])
      for (let bias = -9; bias < 9; bias++)
        for (const inW of [1, 4, 24]) check({ inH: 1, inW, inC: 2, outC: 9, fill: { x: 1, w: 1, bias, scale } }, bias + 10);
  });

  it("holds to the edge of the bound", () => {
    for (const bias of [4194302, -4194302, 4194303, -4194303, 32767, 32768, -32769])
      for (const bounded of [0, 1]) check({ inH: 1, inW: 5, inC: 1, outC: 8, bounded, fill: { x: 0, w: 0, bias, scale: 1 } }, 1);
  });

  it("sums extremes exactly", () => {
    for (const x of [-128, 127])
      for (const w of [-128, -127, 127, -8, 7])
        for (const inW of [1, 5, 30]) check({ inH: 1, inW, inC: 1200, outC: 8, fill: { x, w, bias: 77, scale: 5e-6 } }, 1);
  });

  it("multiplies four-bit weights in runs of any length, for any number of rows", () => {
    for (let rows = 1; rows <= 40; rows++) {
      check({ inH: 1, inW: rows, inC: rows * 37 + 3, outC: 9 + (rows % 8) }, rows);
      check({ inH: 1, inW: 41 - rows, inC: rows * 4, outC: rows }, rows + 100);
    }
    // Few large weights among many zeros make runs as long as they may be.
    for (const w of [0, 1, -1])
      for (const inW of [1, 5]) check({ inH: 1, inW, inC: 4200, outC: 8, fill: { x: -128, w, bias: 5, scale: 1e-5 } }, 1);
  });

  it("agrees on random shapes", () => {
    const next = randomSource(20);
    for (let i = 0; i < 120; i++) {
      const groups = next() % 4 === 0 ? between(next, 1, 4) : 1;
      const kernel = [between(next, 1, 4), between(next, 1, 5)] as const;
      const dilation = [between(next, 1, 2), between(next, 1, 3)] as const;
      const pads = [between(next, 0, 3), between(next, 0, 3), between(next, 0, 3), between(next, 0, 3)] as const;
      check(
        {
          batch: between(next, 1, 2),
          inH: Math.max(between(next, 1, 9), (kernel[0] - 1) * dilation[0] + 1 - pads[0] - pads[2]),
          inW: Math.max(between(next, 1, 9), (kernel[1] - 1) * dilation[1] + 1 - pads[1] - pads[3]),
          inC: groups * between(next, 1, 20),
          outC: groups * between(next, 1, 20),
          kernel,
          dilation,
          pads,
          groups,
          stride: [between(next, 1, 3), between(next, 1, 3)],
          srcGap: next() % 3 === 0 ? between(next, 1, 5) : 0,
          dstGap: next() % 3 === 0 ? between(next, 1, 5) : 0,
          dtype: next() % 4 === 0 ? FLOAT32 : INT8,
          bounded: next() % 2,
        },
        i + 1,
      );
    }
  });
});
