/**
 * The layout of every step by its opcode: how many words it has and what it touches. One row for each opcode of
 * format/opcodes.ts.
 *
 * Imports two names of each layout rather than the module, so that a bundle carries no word index that the host does not use.
 */
import type { Extents } from "../format/extents.ts";
import * as Opcode from "../format/opcodes.ts";
import { extents as binary, WORDS as BINARY } from "../format/steps/binary.ts";
import { extents as binaryI8, WORDS as BINARY_I8 } from "../format/steps/binary-i8.ts";
import { extents as cast, WORDS as CAST } from "../format/steps/cast.ts";
import { extents as convF32, WORDS as CONV_F32 } from "../format/steps/conv-f32.ts";
import { extents as convI8, WORDS as CONV_I8 } from "../format/steps/conv-i8.ts";
import { extents as copy, WORDS as COPY } from "../format/steps/copy.ts";
import { extents as depthwiseF32, WORDS as DEPTHWISE_F32 } from "../format/steps/depthwise-f32.ts";
import { extents as depthwiseI8, WORDS as DEPTHWISE_I8 } from "../format/steps/depthwise-i8.ts";
import { extents as dequantize, WORDS as DEQUANTIZE } from "../format/steps/dequantize.ts";
import { extents as fill, WORDS as FILL } from "../format/steps/fill.ts";
import { extents as gather, WORDS as GATHER } from "../format/steps/gather.ts";
import { extents as matmulF32, WORDS as MATMUL_F32 } from "../format/steps/matmul-f32.ts";
import { extents as matmulI8, WORDS as MATMUL_I8 } from "../format/steps/matmul-i8.ts";
import { extents as pack, WORDS as PACK } from "../format/steps/pack.ts";
import { extents as pool, WORDS as POOL } from "../format/steps/pool.ts";
import { extents as quantize, WORDS as QUANTIZE } from "../format/steps/quantize.ts";
import { extents as reduce, WORDS as REDUCE } from "../format/steps/reduce.ts";
import { extents as resample, WORDS as RESAMPLE } from "../format/steps/resample.ts";
import { extents as softmax, WORDS as SOFTMAX } from "../format/steps/softmax.ts";
import { extents as tableI8, WORDS as TABLE_I8 } from "../format/steps/table-i8.ts";
import { extents as unary, WORDS as UNARY } from "../format/steps/unary.ts";

/** One step's layout. */
export interface Layout {
  /** The opcode's name in format/opcodes.ts. */
  readonly name: string;
  /** Words of the step, opcode and length included. */
  readonly words: number;
  /** States what the step touches. */
  readonly extents: (words: Int32Array, extents: Extents) => void;
}

const LAYOUTS: ReadonlyMap<number, Layout> = new Map([
  [Opcode.CONV_I8, { name: "CONV_I8", words: CONV_I8, extents: convI8 }],
  [Opcode.DEPTHWISE_I8, { name: "DEPTHWISE_I8", words: DEPTHWISE_I8, extents: depthwiseI8 }],
  [Opcode.MATMUL_I8, { name: "MATMUL_I8", words: MATMUL_I8, extents: matmulI8 }],
  [Opcode.BINARY_I8, { name: "BINARY_I8", words: BINARY_I8, extents: binaryI8 }],
  [Opcode.TABLE_I8, { name: "TABLE_I8", words: TABLE_I8, extents: tableI8 }],
  [Opcode.POOL, { name: "POOL", words: POOL, extents: pool }],
  [Opcode.REDUCE, { name: "REDUCE", words: REDUCE, extents: reduce }],
  [Opcode.QUANTIZE, { name: "QUANTIZE", words: QUANTIZE, extents: quantize }],
  [Opcode.DEQUANTIZE, { name: "DEQUANTIZE", words: DEQUANTIZE, extents: dequantize }],
  [Opcode.SOFTMAX, { name: "SOFTMAX", words: SOFTMAX, extents: softmax }],
  [Opcode.COPY, { name: "COPY", words: COPY, extents: copy }],
  [Opcode.FILL, { name: "FILL", words: FILL, extents: fill }],
  [Opcode.GATHER, { name: "GATHER", words: GATHER, extents: gather }],
  [Opcode.RESAMPLE, { name: "RESAMPLE", words: RESAMPLE, extents: resample }],
  [Opcode.CONV_F32, { name: "CONV_F32", words: CONV_F32, extents: convF32 }],
  [Opcode.DEPTHWISE_F32, { name: "DEPTHWISE_F32", words: DEPTHWISE_F32, extents: depthwiseF32 }],
  [Opcode.MATMUL_F32, { name: "MATMUL_F32", words: MATMUL_F32, extents: matmulF32 }],
  [Opcode.BINARY, { name: "BINARY", words: BINARY, extents: binary }],
  [Opcode.UNARY, { name: "UNARY", words: UNARY, extents: unary }],
  [Opcode.CAST, { name: "CAST", words: CAST, extents: cast }],
  [Opcode.PACK, { name: "PACK", words: PACK, extents: pack }],
]);

/** The layout of `opcode`, or undefined where there is no such step. */
export function layoutOf(opcode: number): Layout | undefined {
  return LAYOUTS.get(opcode);
}

/** Every opcode with its layout, ascending. */
export function allLayouts(): ReadonlyMap<number, Layout> {
  return LAYOUTS;
}
