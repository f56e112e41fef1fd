/** Small .eqm files written by hand through the real writer, for tests of the format and the host. */
import { readFileSync } from "node:fs";
import { emitFile } from "../../compiler/emit/emit.ts";
import * as Opcode from "../../format/opcodes.ts";
import * as Packing from "../../format/packings.ts";
import * as Copy from "../../format/steps/copy.ts";
import * as Fill from "../../format/steps/fill.ts";
import * as TableI8 from "../../format/steps/table-i8.ts";
import { stagingBytes } from "../../host/memory-layout.ts";
import type { Metadata, TensorRegion } from "../../host/metadata.ts";
import type { Constant, Program } from "../../host/program.ts";
import { createScanner, type Scanner } from "../../host/scanner.ts";

/** The plain build. */
export const plainModule = new WebAssembly.Module(readFileSync(new URL("../../build/plain.wasm", import.meta.url)));

/** A scanner on the plain build. */
export const scanner: Scanner = createScanner(plainModule);

type Layout = { readonly WORDS: number };

/** The words of one step; fields that are not given are 0. */
export function step(opcode: number, layout: Layout, fields: Readonly<Record<string, number>>): Int32Array {
  const words = new Int32Array(layout.WORDS);
  words[0] = opcode;
  words[1] = layout.WORDS;
  for (const [name, value] of Object.entries(fields)) words[(layout as unknown as Record<string, number>)[name]!] = value;
  return words;
}

/** A row of the constants. */
export function constant(address: number, bytes: Uint8Array, packing: number = Packing.COPY, p0 = 0, p1 = 0, p2 = 0): Constant {
  return { packing, p0, p1, p2, bytes, address };
}

/** A program around steps, with an arena of 4096 bytes behind the constants unless said. */
export function program(options: {
  readonly inputs?: readonly TensorRegion[];
  readonly outputs: readonly TensorRegion[];
  readonly constants?: readonly Constant[];
  readonly constantsBytes?: number;
  readonly arenaBytes?: number;
  readonly steps: readonly Int32Array[];
  readonly metadata?: Partial<Metadata>;
}): Program {
  const { inputs = [], outputs, constants = [], constantsBytes = 0, arenaBytes = 4096, steps, metadata } = options;
  return {
    metadata: { producer: "test", name: "small", inputs, outputs, steps: [], ...metadata },
    constants,
    plan: { constantsBytes, arenaBytes, stagingBytes: stagingBytes(constants), steps },
  };
}

/**
 * y = TABLE[x + 128] on int8 [1, 6], then copied with the rows of [2, 3] exchanged for columns; z is seven times 1.5. The table
 * holds −1 − x.
 */
export function smallProgram(): Program {
  const table = Uint8Array.from({ length: 256 }, (_, i) => ~(i - 128));
  return program({
    inputs: [{ name: "x", dtype: "int8", shape: [1, 6], address: 256, scale: 0.5, zeroPoint: 3 }],
    outputs: [
      { name: "y", dtype: "int8", shape: [3, 2], address: 384 },
      { name: "z", dtype: "float32", shape: [7], address: 448 },
    ],
    constants: [constant(0, table)],
    constantsBytes: 256,
    arenaBytes: 256,
    steps: [
      step(Opcode.TABLE_I8, TableI8, { SRC: 256, DST: 320, TABLE: 0, ROWS: 1, COLUMNS: 6, SRC_PITCH: 6, DST_PITCH: 6 }),
      step(Opcode.COPY, Copy, {
        ...{ SRC: 320, DST: 384, ELEMENT_BYTES: 1, DIM0: 1, DIM1: 1, DIM2: 1, DIM3: 1, DIM4: 3, DIM5: 2 },
        ...{ SRC_STRIDE4: 1, SRC_STRIDE5: 3, DST_STRIDE4: 2, DST_STRIDE5: 1 },
      }),
      step(Opcode.FILL, Fill, { DST: 448, ELEMENT_BYTES: 4, COUNT: 7, VALUE_LOW: 0x3fc00000 }),
    ],
    metadata: {
      steps: [
        { op: "Neg", nodes: ["n0"] },
        { op: "Transpose", nodes: ["n1", "n2"] },
        { op: "Constant", nodes: [] },
      ],
    },
  });
}

/** The bytes of `smallProgram`. */
export function smallFile(): Uint8Array<ArrayBuffer> {
  return emitFile(smallProgram(), scanner);
}
