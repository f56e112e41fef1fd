/**
 * The layout of every step by its opcode: how many words it has and what it touches. One row for each opcode of
 * format/opcodes.ts.
 *
 * Imports two names of each layout rather than the module, so that a bundle carries no word index that the host does not use.
 */
import { STEP_CHECKSUMS } from "../build/step-checksums.ts";
import type { Extents } from "../format/extents.ts";
import * as Opcode from "../format/opcodes.ts";
import { OPCODE } from "../format/plan.ts";
import { WORDS as BINARY, extents as binary } from "../format/steps/binary.ts";
import { WORDS as BINARY_I8, extents as binaryI8 } from "../format/steps/binary-i8.ts";
import { WORDS as CAST, extents as cast } from "../format/steps/cast.ts";
import { WORDS as COMPARE, extents as compare } from "../format/steps/compare.ts";
import { WORDS as CONV_F32, extents as convF32 } from "../format/steps/conv-f32.ts";
import { WORDS as CONV_I8, extents as convI8 } from "../format/steps/conv-i8.ts";
import { WORDS as COPY, extents as copy } from "../format/steps/copy.ts";
import { WORDS as CUMULATE, extents as cumulate } from "../format/steps/cumulate.ts";
import { WORDS as DEPTHWISE_F32, extents as depthwiseF32 } from "../format/steps/depthwise-f32.ts";
import { WORDS as DEPTHWISE_I8, extents as depthwiseI8 } from "../format/steps/depthwise-i8.ts";
import { WORDS as DEQUANTIZE, extents as dequantize } from "../format/steps/dequantize.ts";
import { WORDS as FILL, extents as fill } from "../format/steps/fill.ts";
import { WORDS as GATHER, extents as gather } from "../format/steps/gather.ts";
import { WORDS as LAYER_NORM, extents as layerNorm } from "../format/steps/layer-norm.ts";
import { WORDS as LAYER_NORM_I8, extents as layerNormI8 } from "../format/steps/layer-norm-i8.ts";
import { WORDS as MATMUL_F32, extents as matmulF32 } from "../format/steps/matmul-f32.ts";
import { WORDS as MATMUL_I8, extents as matmulI8 } from "../format/steps/matmul-i8.ts";
import { WORDS as NON_ZERO, extents as nonZero } from "../format/steps/non-zero.ts";
import { WORDS as PACK, extents as pack } from "../format/steps/pack.ts";
import { WORDS as POOL, extents as pool } from "../format/steps/pool.ts";
import { WORDS as QUANTIZE, extents as quantize } from "../format/steps/quantize.ts";
import { WORDS as REDUCE, extents as reduce } from "../format/steps/reduce.ts";
import { WORDS as RESAMPLE, extents as resample } from "../format/steps/resample.ts";
import { WORDS as SCATTER, extents as scatter } from "../format/steps/scatter.ts";
import { WORDS as SELECT, extents as select } from "../format/steps/select.ts";
import { WORDS as SOFTMAX, extents as softmax } from "../format/steps/softmax.ts";
import { WORDS as SUPPRESS, extents as suppress } from "../format/steps/suppress.ts";
import { WORDS as TABLE_I8, extents as tableI8 } from "../format/steps/table-i8.ts";
import { WORDS as TOP_K, extents as topK } from "../format/steps/top-k.ts";
import { WORDS as UNARY, extents as unary } from "../format/steps/unary.ts";

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
  [Opcode.COMPARE, { name: "COMPARE", words: COMPARE, extents: compare }],
  [Opcode.SELECT, { name: "SELECT", words: SELECT, extents: select }],
  [Opcode.LAYER_NORM, { name: "LAYER_NORM", words: LAYER_NORM, extents: layerNorm }],
  [Opcode.TOP_K, { name: "TOP_K", words: TOP_K, extents: topK }],
  [Opcode.SCATTER, { name: "SCATTER", words: SCATTER, extents: scatter }],
  [Opcode.CUMULATE, { name: "CUMULATE", words: CUMULATE, extents: cumulate }],
  [Opcode.NON_ZERO, { name: "NON_ZERO", words: NON_ZERO, extents: nonZero }],
  [Opcode.SUPPRESS, { name: "SUPPRESS", words: SUPPRESS, extents: suppress }],
  [Opcode.LAYER_NORM_I8, { name: "LAYER_NORM_I8", words: LAYER_NORM_I8, extents: layerNormI8 }],
]);

/** The layout of `opcode`, or undefined where there is no such step. */
export function layoutOf(opcode: number): Layout | undefined {
  return LAYOUTS.get(opcode);
}

/** Every opcode with its layout, ascending. */
export function allLayouts(): ReadonlyMap<number, Layout> {
  return LAYOUTS;
}

/**
 * The checksum of what `steps` rely on: the layouts of the steps that are there, each once. A plan that another version of eqm made is right here
 * where the two agree on it, whatever else either version has; undefined where there is a step that this version does not know.
 */
export function layoutsChecksum(steps: readonly Int32Array[]): number | undefined {
  const opcodes = [...new Set(steps.map((words) => words[OPCODE] as number))].sort((a, b) => a - b);
  let hash = 0x811c9dc5;
  for (const opcode of opcodes) {
    const checksum = STEP_CHECKSUMS.get(opcode);
    if (checksum === undefined) return undefined;
    for (const word of [opcode, checksum]) {
      for (let byte = 0; byte < 32; byte += 8) hash = Math.imul(hash ^ ((word >>> byte) & 255), 0x01000193);
    }
  }
  return hash >>> 0;
}
