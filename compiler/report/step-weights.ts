/** The weights of a step: how many bits each has, and what they take. */
import * as Opcode from "../../format/opcodes.ts";
import * as Packing from "../../format/packings.ts";
import { OPCODE } from "../../format/plan.ts";
import { WEIGHTS as CONV_F32 } from "../../format/steps/conv-f32.ts";
import { WEIGHTS as CONV_I8 } from "../../format/steps/conv-i8.ts";
import { WEIGHTS as DEPTHWISE_F32 } from "../../format/steps/depthwise-f32.ts";
import { WEIGHTS as DEPTHWISE_I8 } from "../../format/steps/depthwise-i8.ts";
import { type Constant, canonicalBytes } from "../../host/program.ts";

/** Weights that are a constant. */
export interface StepWeights {
  /** Bits of one weight: 4, 8 or 32. Those of 3 and 2 bits count as 4, as which they are multiplied. */
  readonly bits: number;
  /** Bytes in the file, entropy coded or not. */
  readonly fileBytes: number;
  /** Of weights in blocks. */
  readonly blocks?: WeightBlocks;
}

/** Sparse weights of which whole blocks are left out. */
export interface WeightBlocks {
  /** Outputs of a block: 8, or 1 where each weight stands for itself. */
  readonly outputs: 1 | 8;
  /** Columns of a block. */
  readonly columns: 1 | 2;
  /** The part of all products that is computed, above 0 and rounded up to whole quads; 0 where all weights are. */
  readonly computed: number;
}

/** Blocks for people: `8×1, 52 %`. */
export function blocksText({ outputs, columns, computed }: WeightBlocks): string {
  return `${outputs}×${columns}, ${Math.round(computed * 100)} %`;
}

const WEIGHTS_WORDS: ReadonlyMap<number, number> = new Map([
  [Opcode.CONV_I8, CONV_I8],
  [Opcode.CONV_F32, CONV_F32],
  [Opcode.DEPTHWISE_I8, DEPTHWISE_I8],
  [Opcode.DEPTHWISE_F32, DEPTHWISE_F32],
]);

/** The constant that a step has as weights, or undefined where it has none. */
export function weightsConstant(words: Int32Array, constants: readonly Constant[]): Constant | undefined {
  const word = WEIGHTS_WORDS.get(words[OPCODE]!);
  return word === undefined ? undefined : constants.find(({ address }) => address === words[word]);
}

/** The constant weights of a step, or undefined where it has none. */
export function weightsOf(words: Int32Array, constants: readonly Constant[]): StepWeights | undefined {
  const constant = weightsConstant(words, constants);
  if (!constant) return undefined;
  const blocks = blocksOf(constant);
  return { bits: bitsOf(constant.packing), fileBytes: constant.bytes.length, ...(blocks && { blocks }) };
}

function blocksOf(constant: Constant): WeightBlocks | undefined {
  const { packing, p0, p1, p2 } = constant;
  if (!Packing.isSparse(packing)) return undefined;
  if (packing === Packing.GEMM_SCATTERED_I8) return { outputs: 1, columns: 1, computed: Math.min(1, (2 * p2) / canonicalBytes(constant)) };
  const heads = Packing.packedGroups(packing, canonicalBytes(constant), p0, p1, p2) * Math.ceil(p0 / 8);
  return { outputs: 8, columns: packing === Packing.GEMM_BLOCKS_1_I8 ? 1 : 2, computed: Math.min(1, (4 * p2) / (heads * p1)) };
}

function bitsOf(packing: number): number {
  switch (packing) {
    case Packing.GEMM_I4:
      return 4;
    case Packing.GEMM_F32:
    case Packing.DEPTHWISE_F32:
      return 32;
    default:
      return 8;
  }
}
