/**
 * The bytes that a step's result is, for golden hashes and for whoever wants to look at intermediates: the elements that it
 * wrote, in their order, without what lies between them where a result is strided.
 */

import { FLOAT32 } from "../format/dtypes.ts";
import type { Extents } from "../format/extents.ts";
import * as Opcode from "../format/opcodes.ts";
import { OPCODE } from "../format/plan.ts";
import * as ConvF32 from "../format/steps/conv-f32.ts";
import * as ConvI8 from "../format/steps/conv-i8.ts";
import * as Copy from "../format/steps/copy.ts";
import { layoutOf } from "./layouts.ts";

/** Reads the data region. */
export interface DataReader {
  view(address: number, bytes: number): Uint8Array;
}

/** The result of a verified step that has just run; undefined for PACK, whose result is each build's own. */
export function stepResult(words: Int32Array, data: DataReader): Uint8Array | undefined {
  switch (words[OPCODE]) {
    case Opcode.PACK:
      return undefined;
    case Opcode.COPY:
      return copied(words, data);
    case Opcode.CONV_I8: {
      const pixels = words[ConvI8.BATCH]! * words[ConvI8.OUT_H]! * words[ConvI8.OUT_W]!;
      const bytes = words[ConvI8.OUT_DTYPE] === FLOAT32 ? 4 : 1;
      return pitched(data, words[ConvI8.DST]!, pixels, words[ConvI8.OUT_C]! * bytes, words[ConvI8.DST_PITCH]! * bytes);
    }
    case Opcode.CONV_F32: {
      const pixels = words[ConvF32.BATCH]! * words[ConvF32.OUT_H]! * words[ConvF32.OUT_W]!;
      return pitched(data, words[ConvF32.DST]!, pixels, words[ConvF32.OUT_C]! * 4, words[ConvF32.DST_PITCH]! * 4);
    }
    default: {
      const { address, bytes } = firstWrite(words);
      return data.view(address, bytes);
    }
  }
}

function firstWrite(words: Int32Array): { readonly address: number; readonly bytes: number } {
  const writes: { readonly address: number; readonly bytes: number }[] = [];
  const collect: Extents = { read: () => {}, write: (address, bytes) => writes.push({ address, bytes }), check: () => {} };
  layoutOf(words[OPCODE]!)!.extents(words, collect);
  return writes[0]!;
}

function pitched(data: DataReader, address: number, count: number, bytes: number, pitchBytes: number): Uint8Array {
  if (bytes === pitchBytes) return data.view(address, count * bytes);
  const result = new Uint8Array(count * bytes);
  for (let i = 0; i < count; i++) result.set(data.view(address + i * pitchBytes, bytes), i * bytes);
  return result;
}

function copied(words: Int32Array, data: DataReader): Uint8Array {
  const element = words[Copy.ELEMENT_BYTES]!;
  const dims = words.subarray(Copy.DIM0, Copy.DIM0 + 6);
  const strides = words.subarray(Copy.DST_STRIDE0, Copy.DST_STRIDE0 + 6);
  const low = dims.reduce((sum, dimension, i) => sum + Math.min(0, (dimension - 1) * strides[i]!), 0);
  const high = dims.reduce((sum, dimension, i) => sum + Math.max(0, (dimension - 1) * strides[i]!), 0);
  const region = data.view(words[Copy.DST]! + low * element, (high - low + 1) * element);
  const result = new Uint8Array(dims.reduce((count, dimension) => count * dimension, element));
  const index = new Int32Array(6);
  let at = -low;
  for (let out = 0; out < result.length; out += element) {
    for (let k = 0; k < element; k++) result[out + k] = region[at * element + k]!;
    for (let axis = 5; axis >= 0; axis--) {
      at += strides[axis]!;
      if (++index[axis]! < dims[axis]!) break;
      at -= strides[axis]! * dims[axis]!;
      index[axis] = 0;
    }
  }
  return result;
}
