/**
 * Steps that take positions from tensors: RESAMPLE trusts its table, so the table must be a constant and is proved here; GATHER
 * checks its indices while it runs, so that only constant ones are proved, for an early error.
 */
import { INT64 } from "../format/dtypes.ts";
import * as Opcode from "../format/opcodes.ts";
import { COPY } from "../format/packings.ts";
import { OPCODE } from "../format/plan.ts";
import * as Gather from "../format/steps/gather.ts";
import * as Resample from "../format/steps/resample.ts";
import type { Program } from "./program.ts";

/** What is wrong with the indices of a step whose extents hold, or undefined. */
export function indexProblem(words: Int32Array, program: Program): string | undefined {
  switch (words[OPCODE]) {
    case Opcode.RESAMPLE:
      return resampleProblem(words, program);
    case Opcode.GATHER:
      return gatherProblem(words, program);
    default:
      return undefined;
  }
}

/** The address of the indices that a step takes, or undefined for other steps. */
export function indicesAddress(words: Int32Array): number | undefined {
  switch (words[OPCODE]) {
    case Opcode.RESAMPLE:
      return words[Resample.INDICES];
    case Opcode.GATHER:
      return words[Gather.INDICES];
    default:
      return undefined;
  }
}

function resampleProblem(words: Int32Array, program: Program): string | undefined {
  const rows = words[Resample.OUT_LENGTH]!;
  const taps = words[Resample.TAPS]!;
  const length = words[Resample.IN_LENGTH]!;
  const table = constantView(program, words[Resample.INDICES]!, rows * taps * 4);
  if (!table) return "its indices are no constant that stands in the file as it is";
  for (let row = 0; row < rows; row++) {
    const outside = table.getInt32(row * taps * 4, true) === -1;
    for (let tap = 0; tap < taps; tap++) {
      const index = table.getInt32((row * taps + tap) * 4, true);
      if (index >= length || index < (outside ? -1 : 0)) return `index ${index} of row ${row} is outside the axis of ${length}`;
    }
  }
  return undefined;
}

function gatherProblem(words: Int32Array, program: Program): string | undefined {
  const count = words[Gather.COUNT]!;
  const axis = words[Gather.AXIS]!;
  const wide = words[Gather.INDEX_DTYPE] === INT64;
  const table = constantView(program, words[Gather.INDICES]!, count * (wide ? 8 : 4));
  if (!table) return undefined;
  for (let i = 0; i < count; i++) {
    const index = wide ? Number(table.getBigInt64(i * 8, true)) : table.getInt32(i * 4, true);
    if (index >= axis || index < -axis) return `index ${index} is outside the axis of ${axis}`;
  }
  return undefined;
}

/** The bytes at `address` where one COPY constant that is not coded holds all of them. */
function constantView({ constants }: Program, address: number, bytes: number): DataView | undefined {
  const holder = constants.find(
    (constant) =>
      constant.packing === COPY &&
      !constant.coding &&
      constant.address <= address &&
      address + bytes <= constant.address + constant.bytes.length,
  );
  return holder && new DataView(holder.bytes.buffer, holder.bytes.byteOffset + address - holder.address, bytes);
}
