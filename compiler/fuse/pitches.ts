/** Steps that can read or write rows that lie apart: which words say so. */
import { FLOAT32 } from "../../format/dtypes.ts";
import * as Opcode from "../../format/opcodes.ts";
import * as ConvI8 from "../../format/steps/conv-i8.ts";
import type { Step } from "../lower/lowered.ts";
import { numberOf } from "./uses.ts";

/**
 * The step with the tensor that `field` names in `rows` rows of `length` elements, `pitch` elements apart; before, they lie side by side. Null
 * where the step cannot do that.
 */
export function pitched(step: Step, field: string, elementBytes: number, rows: number, length: number, pitch: number): Step | null {
  const word = field === "SRC" ? "SRC_PITCH" : field === "DST" ? "DST_PITCH" : null;
  if (!word) return null;
  const number = (name: string): number => numberOf(step, name);
  switch (step.opcode) {
    case Opcode.CONV_I8: {
      const bytes = field === "DST" && number("OUT_DTYPE") === FLOAT32 ? 4 : 1;
      const isRow = bytes === elementBytes && hasConvRows(step, field, length);
      return isRow && (field === "DST" || keepsWeights(step, pitch)) ? withFields(step, { [word]: pitch }) : null;
    }
    case Opcode.CONV_F32:
      return elementBytes === 4 && hasConvRows(step, field, length) ? withFields(step, { [word]: pitch }) : null;
    case Opcode.TABLE_I8: {
      const columns = number("COLUMNS");
      if (columns === length && number("ROWS") === rows) return withFields(step, { [word]: pitch });
      const isContiguous = number("ROWS") === 1 || (number("SRC_PITCH") === columns && number("DST_PITCH") === columns);
      if (!isContiguous || number("ROWS") * columns !== rows * length) return null;
      return withFields(step, { ROWS: rows, COLUMNS: length, SRC_PITCH: length, DST_PITCH: length, [word]: pitch });
    }
    default:
      return null;
  }
}

function hasConvRows(step: Step, field: string, length: number): boolean {
  const [channels, own] = field === "DST" ? (["OUT_C", "DST_PITCH"] as const) : (["IN_C", "SRC_PITCH"] as const);
  return numberOf(step, channels) === length && numberOf(step, own) === length;
}

/** Whether a CONV_I8 with another SRC_PITCH takes the same packed weights, and its scratch suffices. */
function keepsWeights(step: Step, pitch: number): boolean {
  const number = (name: string): number => numberOf(step, name);
  const [kernelH, kernelW, inC, groups] = [number("KERNEL_H"), number("KERNEL_W"), number("IN_C"), number("GROUPS")];
  const dilationW = number("DILATION_W");
  const packed = (srcPitch: number): string => {
    const size = [kernelH, kernelW, inC, groups, dilationW, srcPitch] as const;
    return `${ConvI8.segments(...size)},${ConvI8.segmentLength(...size)}`;
  };
  const scratch = ConvI8.scratchBytes(
    number("ROW_BLOCK"),
    kernelH,
    kernelW,
    inC,
    groups,
    number("STRIDE_W"),
    number("DILATION_H"),
    dilationW,
    pitch,
    number("OUT_W"),
  );
  return packed(pitch) === packed(number("SRC_PITCH")) && scratch <= step.scratch!.bytes;
}

function withFields(step: Step, fields: Step["fields"]): Step {
  return { ...step, fields: { ...step.fields, ...fields } };
}
