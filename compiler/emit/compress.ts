/**
 * Codes the constants of a program (format/entropy.ts), each where that makes the file smaller by more than loading it is worth.
 * The golden vector is made behind this, so every file that is written has been decoded once.
 */
import * as Packing from "../../format/packings.ts";
import { codingOf } from "../../host/coding.ts";
import { indicesAddress } from "../../host/indices.ts";
import { stagingBytes } from "../../host/memory-layout.ts";
import type { Constant, Program } from "../../host/program.ts";
import { encodeBytes } from "./entropy.ts";

/** The program with coded constants. Indices stay as they are: a loader proves them before anything is decoded. */
export function compressConstants(program: Program): Program {
  const indices = program.plan.steps.map(indicesAddress).filter((address) => address !== undefined);
  const constants = program.constants.map((constant) => {
    const { address, bytes } = constant;
    return indices.some((index) => index >= address && index < address + bytes.length) ? constant : compressConstant(constant);
  });
  return { ...program, constants, plan: { ...program.plan, stagingBytes: stagingBytes(constants) } };
}

function compressConstant(constant: Constant): Constant {
  const { bytes } = constant;
  let best = bytes;
  for (const planes of planesOf(constant)) {
    const stream = encodeBytes(bytes, planes);
    if (stream.length < best.length) best = stream;
  }
  if (best.length + 8 + bytes.length / 64 > bytes.length) return constant;
  const coding = codingOf(best);
  if (!coding) throw new Error("unreachable: a stream without a sound head");
  return { ...constant, bytes: best, coding };
}

/** Constants of four bytes an element have a table for each of the four. */
function planesOf({ packing, bytes }: Constant): readonly (1 | 4)[] {
  switch (packing) {
    case Packing.GEMM_F32:
    case Packing.DEPTHWISE_F32:
    case Packing.CHANNELS_32:
      return [4];
    case Packing.COPY:
      return bytes.length % 4 === 0 ? [1, 4] : [1];
    default:
      return [1];
  }
}
