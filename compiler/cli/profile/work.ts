/**
 * What a step has to do, from its words: multiply-accumulates and a summary of its shape.
 *
 * MACs are nominal: positions in the padding count, and so do zeros among the weights but where whole blocks of them are left out. `@H×W` is the size of the output.
 */
import type { Extents } from "../../../format/extents.ts";
import * as Opcode from "../../../format/opcodes.ts";
import { OPCODE } from "../../../format/plan.ts";
import * as ConvF32 from "../../../format/steps/conv-f32.ts";
import * as ConvI8 from "../../../format/steps/conv-i8.ts";
import * as DepthwiseF32 from "../../../format/steps/depthwise-f32.ts";
import * as DepthwiseI8 from "../../../format/steps/depthwise-i8.ts";
import * as MatmulF32 from "../../../format/steps/matmul-f32.ts";
import * as MatmulI8 from "../../../format/steps/matmul-i8.ts";
import * as Pool from "../../../format/steps/pool.ts";
import * as Reduce from "../../../format/steps/reduce.ts";
import type { BuildName } from "../../../host/builds.ts";
import { layoutOf } from "../../../host/layouts.ts";
import { blocksText, type WeightBlocks } from "../../report/step-weights.ts";
import { formatBytes } from "../output/units.ts";
import type { PeakName } from "./peak.ts";

/** A step's work. */
export interface Work {
  /** Such as `1×1 96→576 @14×14`, `depthwise 3×3 s2 96 @28×28`, `linear 384→1536 ×128`, or bytes read and written. */
  readonly shape: string;
  /** Multiply-accumulates that are computed; 0 for a step that only moves or maps values. */
  readonly macs: number;
  /** Those that there would be with all weights, where blocks of them are left out. */
  readonly denseMacs?: number;
  /** The limit that the step's rate is held against; only where it has MACs. */
  readonly peak?: PeakName;
}

type Words = Int32Array;
type Rule = (words: Words) => Work;

/** Word indices of a sliding window, in a step's layout. */
interface Window {
  readonly BATCH: number;
  readonly OUT_H: number;
  readonly OUT_W: number;
  readonly KERNEL_H: number;
  readonly KERNEL_W: number;
  readonly STRIDE_H: number;
  readonly STRIDE_W: number;
}

interface Dilated extends Window {
  readonly DILATION_H: number;
  readonly DILATION_W: number;
}

interface Convolution extends Dilated {
  readonly IN_H: number;
  readonly IN_C: number;
  readonly OUT_C: number;
  readonly GROUPS: number;
}

interface Depthwise extends Dilated {
  readonly CHANNELS: number;
}

interface Matmul {
  readonly BATCH_OUTER: number;
  readonly BATCH_INNER: number;
  readonly M: number;
  readonly K: number;
  readonly N: number;
}

const RULES: ReadonlyMap<number, Rule> = new Map([
  [Opcode.CONV_I8, (words: Words) => convolution(words, ConvI8, "int8")],
  [Opcode.CONV_F32, (words: Words) => convolution(words, ConvF32, "float32")],
  [Opcode.DEPTHWISE_I8, (words: Words) => depthwise(words, DepthwiseI8, "int8")],
  [Opcode.DEPTHWISE_F32, (words: Words) => depthwise(words, DepthwiseF32, "float32")],
  [Opcode.MATMUL_I8, (words: Words) => matmul(words, MatmulI8, "int8")],
  [Opcode.MATMUL_F32, (words: Words) => matmul(words, MatmulF32, "float32")],
  [Opcode.POOL, pool],
  [Opcode.REDUCE, reduce],
]);

/** The work of a verified step in `build`; `fastFloat` as in LoadOptions; `blocks` of its weights. */
export function workOf(words: Words, build: BuildName, fastFloat = false, blocks?: WeightBlocks): Work {
  const whole = (RULES.get(at(words, OPCODE)) ?? traffic)(words);
  const work = blocks
    ? { ...whole, shape: `${whole.shape}, ${blocksText(blocks)}`, macs: Math.round(whole.macs * blocks.computed), denseMacs: whole.macs }
    : whole;
  const mark = build === "relaxed" && at(words, OPCODE) === Opcode.CONV_I8 ? at(words, ConvI8.PAIR_SAFE) : 0;
  if (ConvI8.isPairSafe(mark)) return { ...work, peak: mark === ConvI8.RUN_SAFE ? "int8 runs" : "int8 pairs" };
  return work.peak === "float32" && build === "relaxed" && fastFloat ? { ...work, peak: "fast float32" } : work;
}

function convolution(words: Words, layout: Convolution, peak: PeakName): Work {
  const [inC, outC, groups] = [at(words, layout.IN_C), at(words, layout.OUT_C), at(words, layout.GROUPS)];
  const macs = (windowMacs(words, layout) * outC * inC) / groups;
  const [height, width, batch] = [at(words, layout.OUT_H), at(words, layout.OUT_W), at(words, layout.BATCH)];
  if (at(words, layout.IN_H) === 1 && height === 1 && at(words, layout.KERNEL_H) * at(words, layout.KERNEL_W) === 1 && groups === 1) {
    const rows = batch * width;
    return { shape: `linear ${inC}→${outC}${rows > 1 ? ` ×${rows}` : ""}`, macs, peak };
  }
  const grouped = groups > 1 ? ` groups ${groups}` : "";
  return { shape: `${kernelText(words, layout)} ${inC}→${outC}${grouped} ${placeText(words, layout)}`, macs, peak };
}

function depthwise(words: Words, layout: Depthwise, peak: PeakName): Work {
  const channels = at(words, layout.CHANNELS);
  const shape = `depthwise ${kernelText(words, layout)} ${channels} ${placeText(words, layout)}`;
  return { shape, macs: windowMacs(words, layout) * channels, peak };
}

function matmul(words: Words, layout: Matmul, peak: PeakName): Work {
  const [m, k, n] = [at(words, layout.M), at(words, layout.K), at(words, layout.N)];
  const batch = at(words, layout.BATCH_OUTER) * at(words, layout.BATCH_INNER);
  return { shape: `${batch > 1 ? `${batch} of ` : ""}${m}×${k} · ${k}×${n}`, macs: batch * m * k * n, peak };
}

function pool(words: Words): Work {
  const kind = at(words, Pool.KIND) === Pool.MAXIMUM ? "max" : "average";
  const depth = at(words, Pool.KERNEL_D) > 1 ? `${at(words, Pool.KERNEL_D)}×` : "";
  return { shape: `${kind} ${depth}${kernelText(words, Pool)} ${at(words, Pool.CHANNELS)} ${placeText(words, Pool)}`, macs: 0 };
}

function reduce(words: Words): Work {
  return { shape: `${at(words, Reduce.OUTER)}×[${at(words, Reduce.COUNT)}]×${at(words, Reduce.INNER)}`, macs: 0 };
}

/** Bytes read and written, scratch apart: what the time of a step without products goes into. */
function traffic(words: Words): Work {
  const reads: number[] = [];
  const writes: number[] = [];
  const extents: Extents = { read: (_, bytes) => reads.push(bytes), write: (_, bytes) => writes.push(bytes), check: () => {} };
  layoutOf(at(words, OPCODE))?.extents(words, extents);
  const read = reads.reduce((sum, bytes) => sum + bytes, 0);
  return { shape: `${formatBytes(read)} → ${formatBytes(writes[0] ?? 0)}`, macs: 0 };
}

function windowMacs(words: Words, layout: Window): number {
  const { BATCH, OUT_H, OUT_W, KERNEL_H, KERNEL_W } = layout;
  return at(words, BATCH) * at(words, OUT_H) * at(words, OUT_W) * at(words, KERNEL_H) * at(words, KERNEL_W);
}

function kernelText(words: Words, layout: Dilated): string {
  const stride = pair(words, layout.STRIDE_H, layout.STRIDE_W);
  const dilation = pair(words, layout.DILATION_H, layout.DILATION_W);
  const kernel = `${at(words, layout.KERNEL_H)}×${at(words, layout.KERNEL_W)}`;
  return `${kernel}${stride === "1" ? "" : ` s${stride}`}${dilation === "1" ? "" : ` d${dilation}`}`;
}

function placeText(words: Words, layout: Window): string {
  const batch = at(words, layout.BATCH);
  return `@${at(words, layout.OUT_H)}×${at(words, layout.OUT_W)}${batch > 1 ? ` ×${batch}` : ""}`;
}

/** `2` for twice the same, else `2×1`. */
function pair(words: Words, first: number, second: number): string {
  const [a, b] = [at(words, first), at(words, second)];
  return a === b ? String(a) : `${a}×${b}`;
}

function at(words: Words, index: number): number {
  return words[index] as number;
}
