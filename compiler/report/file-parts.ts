/** Where each byte of a .eqm goes: header, sections, and the constants by the step that reads them. */
import * as File from "../../format/file.ts";
import { OPCODE } from "../../format/plan.ts";
import { layoutOf } from "../../host/layouts.ts";
import { type Constant, type Program, programsOf } from "../../host/program.ts";
import { weightsConstant } from "./step-weights.ts";

/** Constants of one step. Bytes that stand once in the file and serve several steps count for the first of them. */
export interface StepBytes {
  readonly step: number;
  /** The number of the step's plan, from 0; only in a file of several. */
  readonly plan?: number;
  readonly op: string;
  /** ONNX nodes that the step comes from. */
  readonly nodes: readonly string[];
  readonly weights: number;
  /** Biases, scales, tables, operands. */
  readonly others: number;
}

/** Bytes of a file, all of them: the numbers but `steps`, which is what `constants` is made of, add up to its length. */
export interface FileParts {
  /** Header, table of sections, and the gaps before sections. */
  readonly header: number;
  readonly metadata: number;
  readonly constantsTable: number;
  readonly constants: number;
  readonly plan: number;
  readonly golden: number;
  readonly steps: readonly StepBytes[];
}

/** Takes a file apart. `program` is what it holds. */
export function fileParts(bytes: Uint8Array, program: Program): FileParts {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const sizes = new Map<number, number>();
  let inSections = 0;
  for (let i = 0; i < view.getUint32(File.HEADER_SECTIONS * 4, true); i++) {
    const row = File.HEADER_BYTES + i * File.SECTION_BYTES;
    const length = view.getUint32(row + File.SECTION_LENGTH * 4, true);
    const kind = view.getUint32(row + File.SECTION_KIND * 4, true);
    sizes.set(kind, (sizes.get(kind) ?? 0) + length);
    inSections += length;
  }
  const size = (kind: number): number => sizes.get(kind) ?? 0;
  return {
    header: bytes.length - inSections,
    metadata: size(File.METADATA),
    constantsTable: size(File.CONSTANTS_TABLE),
    constants: size(File.CONSTANTS),
    plan: size(File.PLAN),
    golden: size(File.GOLDEN),
    steps: stepBytes(program, size(File.CONSTANTS)),
  };
}

function stepBytes(program: Program, all: number): readonly StepBytes[] {
  const counted: Uint8Array[] = [];
  const found: StepBytes[] = [];
  const programs = programsOf(program);
  for (const [number, { plan, constants, metadata }] of programs.entries()) {
    plan.steps.forEach((words, step) => {
      const weights = weightsConstant(words, constants);
      const own = { weights: 0, others: 0 };
      for (const constant of readBy(words, constants)) {
        if (counted.some((bytes) => equal(bytes, constant.bytes))) continue;
        counted.push(constant.bytes);
        own[constant === weights ? "weights" : "others"] += constant.bytes.length;
      }
      const { op = "", nodes = [] } = metadata.steps[step] ?? {};
      if (own.weights + own.others > 0) found.push({ step, ...(programs.length > 1 && { plan: number }), op, nodes, ...own });
    });
  }
  const sum = found.reduce((total, { weights, others }) => total + weights + others, 0);
  if (sum > all) throw new Error(`unreachable: steps read ${sum} bytes of constants, the file has ${all}`);
  return found;
}

function equal(a: Uint8Array, b: Uint8Array): boolean {
  return a === b || (a.length === b.length && a.every((byte, i) => byte === b[i]));
}

/** Constants that a step reads from. */
function readBy(words: Int32Array, constants: readonly Constant[]): readonly Constant[] {
  const ranges: { readonly start: number; readonly end: number }[] = [];
  layoutOf(words[OPCODE]!)?.extents(words, {
    read: (start, bytes) => ranges.push({ start, end: start + bytes }),
    write: () => {},
    check: () => {},
  });
  return constants.filter(({ address }) => ranges.some(({ start, end }) => address >= start && address < end));
}
