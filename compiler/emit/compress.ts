/**
 * Codes the constants of a program, each where that makes the file smaller by more than loading it is worth: entropy coded
 * (format/entropy.ts), two values of four bits to a byte (format/nibbles.ts), without blocks of zeros (format/blocks.ts), or as small codes with
 * a factor for each group of columns (format/groups.ts).
 * The golden vector is made behind this, so every file that is written has been decoded once.
 */
import * as Packing from "../../format/packings.ts";
import { codingOf } from "../../host/coding.ts";
import { indicesAddress } from "../../host/indices.ts";
import { stagingBytes } from "../../host/memory-layout.ts";
import { type Constant, joinPrograms, type Program, programsOf } from "../../host/program.ts";
import { encodeBlocks } from "./blocks.ts";
import { encodeBytes } from "./entropy.ts";
import { encodeGroups } from "./groups.ts";
import { encodeNibbles, isOfFourBits } from "./nibbles.ts";

/** How constants are coded. */
export interface Coder {
  /** With "none", only weights of four bits are, and codes of groups, two to a byte; "rans" by default. */
  readonly compression?: "rans" | "none";
  /** Columns of a group of weights that may have a factor of its own; none has unless given. */
  readonly groupSize?: number;
}

/** The program with coded constants. Indices stay as they are: a loader proves them before anything is decoded. */
export function compressConstants(program: Program, coder: Coder = {}): Program {
  const programs = programsOf(program);
  const indices = programs.flatMap(({ plan }) => plan.steps.map(indicesAddress)).filter((address) => address !== undefined);
  const constants = program.constants.map((constant) => {
    const { address, bytes } = constant;
    return indices.some((index) => index >= address && index < address + bytes.length) ? constant : compressConstant(constant, coder);
  });
  const staging = stagingBytes(constants);
  const [first, ...others] = programs.map((each): Program => ({ ...each, constants, plan: { ...each.plan, stagingBytes: staging } }));
  return joinPrograms([first!, ...others]);
}

/** A constant that is no index, coded where that makes it smaller. */
export function compressConstant(constant: Constant, { compression = "rans", groupSize }: Coder): Constant {
  const { packing, bytes } = constant;
  if (compression === "none" && packing !== Packing.GEMM_I4 && groupSize === undefined) return constant;
  let best = bytes;
  let encoding: number = Packing.RAW;
  const consider = (stream: Uint8Array, of: number): void => {
    if (stream.length >= best.length) return;
    best = stream;
    encoding = of;
  };
  const isOfFour = isOfInt8(packing) && isOfFourBits(bytes);
  if (isOfFour && (compression === "rans" || packing === Packing.GEMM_I4)) consider(encodeNibbles(bytes), Packing.NIBBLES);
  const rows = rowsOf(constant);
  const groups = rows && groupSize !== undefined && rows.depth > groupSize ? encodeGroups(bytes, rows.depth, groupSize, compression) : null;
  if (groups) consider(groups, Packing.GROUPED);
  const blocks = compression === "rans" && rows ? encodeBlocks(bytes, rows.outputs, rows.depth) : null;
  if (blocks) consider(blocks, Packing.BLOCKS);
  if (compression === "rans") for (const planes of planesOf(constant)) consider(encodeBytes(bytes, planes), Packing.RANS);
  if (best.length + 8 + bytes.length / 64 > bytes.length) return constant;
  const coding = codingOf(best, encoding);
  if (!coding) throw new Error("unreachable: a stream without a sound head");
  return { ...constant, bytes: best, coding };
}

function isOfInt8(packing: number): boolean {
  if (Packing.isSparse(packing)) return true;
  return Packing.isPaired(packing) || [Packing.GEMM_I4, Packing.GEMM_I8, Packing.DEPTHWISE_I8, Packing.DEPTHWISE_3X3_I8].includes(packing);
}

/** The rows of weights that are canonically rows of outputs. */
function rowsOf({ packing, p0, p1, p2 }: Constant): { readonly outputs: number; readonly depth: number } | null {
  if (Packing.isSparse(packing)) return { outputs: p0, depth: p1 };
  return Packing.isPaired(packing) || [Packing.GEMM_I4, Packing.GEMM_I8].includes(packing) ? { outputs: p0, depth: p1 * p2 } : null;
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
