/**
 * About how long a step takes on one thread of some machine: enough to tell what is worth sharing among threads. It decides nothing that
 * shows in a result.
 */
import type { Extents } from "../format/extents.ts";
import * as Opcode from "../format/opcodes.ts";
import { OPCODE } from "../format/plan.ts";
import * as ConvF32 from "../format/steps/conv-f32.ts";
import * as ConvI8 from "../format/steps/conv-i8.ts";
import * as DepthwiseF32 from "../format/steps/depthwise-f32.ts";
import * as DepthwiseI8 from "../format/steps/depthwise-i8.ts";
import * as MatmulF32 from "../format/steps/matmul-f32.ts";
import * as MatmulI8 from "../format/steps/matmul-i8.ts";
import { layoutOf } from "./layouts.ts";

type Words = Int32Array;

/** Nanoseconds for a byte that a step without products reads or writes: rather what the slower ones take. */
const BYTE_NS = 0.15;

/** Steps with products: how many, and how many of them take a nanosecond. */
const RULES: ReadonlyMap<number, (words: Words) => number> = new Map([
  [Opcode.CONV_I8, (w: Words) => convolution(w, ConvI8) / (ConvI8.isSparse(w[ConvI8.PAIR_SAFE]!) ? 50 : 25)],
  [Opcode.CONV_F32, (w: Words) => convolution(w, ConvF32) / 8],
  [Opcode.DEPTHWISE_I8, (w: Words) => (windows(w, DepthwiseI8) * w[DepthwiseI8.CHANNELS]!) / 15],
  [Opcode.DEPTHWISE_F32, (w: Words) => (windows(w, DepthwiseF32) * w[DepthwiseF32.CHANNELS]!) / 5],
  [Opcode.MATMUL_I8, (w: Words) => product(w, MatmulI8) / 15],
  [Opcode.MATMUL_F32, (w: Words) => product(w, MatmulF32) / 8],
]);

/** Nanoseconds, by a factor of 2 or so. */
export function estimateNs(words: Words): number {
  return RULES.get(words[OPCODE]!)?.(words) ?? traffic(words) * BYTE_NS;
}

interface Window {
  readonly BATCH: number;
  readonly OUT_H: number;
  readonly OUT_W: number;
  readonly KERNEL_H: number;
  readonly KERNEL_W: number;
}

/** Positions of all windows. */
function windows(w: Words, k: Window): number {
  return [k.BATCH, k.OUT_H, k.OUT_W, k.KERNEL_H, k.KERNEL_W].reduce((all, index) => all * w[index]!, 1);
}

function convolution(w: Words, k: Window & { readonly IN_C: number; readonly OUT_C: number; readonly GROUPS: number }): number {
  return (windows(w, k) * w[k.IN_C]! * w[k.OUT_C]!) / w[k.GROUPS]!;
}

function product(w: Words, k: Readonly<Record<"BATCH_OUTER" | "BATCH_INNER" | "M" | "N" | "K", number>>): number {
  return [k.BATCH_OUTER, k.BATCH_INNER, k.M, k.N, k.K].reduce((all, index) => all * w[index]!, 1);
}

/** Bytes that a step reads and writes. */
function traffic(words: Words): number {
  let sum = 0;
  const add = (_: number, bytes: number): void => {
    sum += bytes;
  };
  const extents: Extents = { read: add, write: add, check: () => {} };
  layoutOf(words[OPCODE]!)!.extents(words, extents);
  return sum;
}
