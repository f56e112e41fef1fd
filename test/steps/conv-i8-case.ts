/** One case of CONV_I8 against a direct convolution in TypeScript, byte for byte, with weights of every form that its shape allows. */
import { expect } from "vitest";
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
  GEMM_RUN_SAFE_I8,
  GEMM_SCATTERED_I8,
  gemmDepth,
  PAIR_LIMIT,
  pairsFit,
  RUN_LIMIT,
  runOf,
  runsFit,
} from "../../format/packings.ts";
import * as ConvI8 from "../../format/steps/conv-i8.ts";
import { between, clamp, randomFloats, randomInt8, requantize } from "../support/reference-arithmetic.ts";
import { floatBits, randomSource, stepBench } from "../support/step-bench.ts";
import { type WindowCase, windowOf } from "../support/window-case.ts";

/** A convolution: one image, one 1×1 kernel, no gaps, int8 out, unless said. */
export interface Case extends WindowCase {
  readonly inC: number;
  readonly outC: number;
  readonly groups?: number;
  readonly srcGap?: number;
  readonly dstGap?: number;
  readonly dtype?: number;
  readonly bounded?: number;
  readonly range?: readonly [number, number];
  /** Multiplies the scales: beyond the bounded range with `bounded` 0. */
  readonly gain?: number;
  readonly rowBlock?: number;
  /** The largest magnitude of weights, at most 128 if not said. */
  readonly largest?: number;
  /** Every input, weight, bias and scale, instead of random ones. */
  readonly fill?: { readonly x: number; readonly w: number; readonly bias: number; readonly scale: number };
}

/** How weights are packed. */
export type Form = "any" | "pair-safe" | "run-safe" | "four bits" | "blocks of 1" | "blocks of 2" | "scattered";

/** How the input is packed: patch by patch, or in planes of so many rows of the output at a time. */
type Planes = number | "patches";

/** Checks one case with any weights, sparse ones, and where its shape allows with pair-safe and run-safe ones and with those of four bits that are marked so. */
export function check(c: Case, seed: number): void {
  checkOne(c, seed, "any");
  checkOne(c, seed, (["blocks of 1", "blocks of 2", "scattered"] as const)[seed % 3]!);
  const patch = [...(c.kernel ?? ([1, 1] as const)), c.inC, c.groups ?? 1, c.dilation?.[1] ?? 1, c.inC + (c.srcGap ?? 0)] as const;
  const segments = [ConvI8.segments(...patch), ConvI8.segmentLength(...patch)] as const;
  if (!pairsFit(...segments)) return;
  const w = c.fill?.w ?? 0;
  if (Math.abs(w) * 2 <= PAIR_LIMIT) checkOne(c, seed, "pair-safe");
  if (Math.abs(w) * 4 <= RUN_LIMIT && runsFit(...segments)) checkOne(c, seed, "run-safe");
  if (w >= -8 && w <= 7) checkOne(c, seed, "four bits");
}

/** Checks one case in planes of 1, 2 and all rows. */
export function checkPlanar(c: Case, seed: number): void {
  for (const rows of [1, 2, 99]) for (const form of FORMS) checkOne(c, seed, form, rows);
}

const PACKINGS = {
  any: GEMM_I8,
  "pair-safe": GEMM_PAIR_SAFE_I8,
  "run-safe": GEMM_RUN_SAFE_I8,
  "four bits": GEMM_I4,
  "blocks of 1": GEMM_BLOCKS_1_I8,
  "blocks of 2": GEMM_BLOCKS_2_I8,
  scattered: GEMM_SCATTERED_I8,
} as const;
export const FORMS = Object.keys(PACKINGS) as readonly Form[];
const MARKS: Readonly<Record<Form, number>> = {
  any: 0,
  "pair-safe": 1,
  "run-safe": 5,
  "four bits": 0,
  "blocks of 1": 2,
  "blocks of 2": 3,
  scattered: 4,
};

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

/** Makes segments run-safe, most of their runs at a limit. */
function limitRuns(weights: Int8Array, length: number): void {
  for (let at = 0; at < weights.length; at += length) {
    for (let first = 0; first < length; first += first % 8 === 0 ? 2 : 6) {
      let [more, less] = [RUN_LIMIT, RUN_LIMIT];
      for (let k = first; k < Math.min(first + 6, length); k++) {
        if (runOf(k) !== runOf(first)) continue;
        const w = weights[at + k]!;
        const room = w > 0 ? more : less;
        const magnitude = Math.min(room, w > 0 ? 127 : 128, w % 4 === 0 || k === first ? Math.abs(w) : room);
        weights[at + k] = w > 0 ? magnitude : -magnitude;
        if (w > 0) more -= magnitude;
        else less -= magnitude;
      }
    }
  }
}

/** Runs one case on the build and compares every byte of the destination, the gaps between pixels included. */
export function checkOne(c: Case, seed: number, form: Form, planes: Planes = "patches"): void {
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
  } = windowOf(c, 1, 0);
  const groups = c.groups ?? 1;
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
  const largest = c.largest ?? 128;
  if (largest < 128) for (let i = 0; i < weights.length; i++) weights[i] = Math.round((weights[i]! * largest) / 128);
  if (c.fill) src.fill(c.fill.x);
  if (c.fill) weights.fill(c.fill.w);
  if (form === "four bits")
    weights.forEach((w, i) => {
      weights[i] = seed % 3 === 0 ? (w < 0 ? -8 : 7) : w >> 4;
    });
  if (form === "pair-safe" && !c.fill) limitPairs(weights, ConvI8.segmentLength(kh, kw, c.inC, groups, dw, srcPitch));
  if (form === "run-safe" && !c.fill) limitRuns(weights, ConvI8.segmentLength(kh, kw, c.inC, groups, dw, srcPitch));
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
