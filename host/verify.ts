/**
 * Proves a program against its own memory map before anything of it is used: constants lie apart and inside their region, every
 * step is known and whole, everything it reads is in the data region, everything it writes in the arena, inputs and outputs
 * are in the arena, and all of it fits the address space. The same proof for a file and for a plan straight from the compiler.
 */
import type { Extents } from "../format/extents.ts";
import { ALIGNMENT } from "../format/memory.ts";
import { CONV_I8 } from "../format/opcodes.ts";
import {
  GEMM_BLOCKS_1_I8,
  GEMM_BLOCKS_2_I8,
  GEMM_I4,
  GEMM_PAIR_SAFE_I8,
  GEMM_RUN_SAFE_I8,
  GEMM_SCATTERED_I8,
  isSparse,
  packedBytes,
  packingHolds,
} from "../format/packings.ts";
import { LENGTH, OPCODE } from "../format/plan.ts";
import * as ConvI8 from "../format/steps/conv-i8.ts";
import { type FormatCode, FormatError } from "./errors.ts";
import { rangeHolds } from "./golden.ts";
import { indexProblem } from "./indices.ts";
import { layoutOf } from "./layouts.ts";
import { dataBytes, MAX_DATA_BYTES, stagingBytes } from "./memory-layout.ts";
import type { Metadata, TensorRegion } from "./metadata.ts";
import { type Constant, canonicalBytes, type Plan, type Program, planWords, programsOf } from "./program.ts";
import { dtypeBytes, elementCount, sameShape } from "./tensor.ts";

/** The most words that all steps of all plans may have. */
export const MAX_PLAN_WORDS = 1 << 26;

/** A place in a program, for the byte offset of an error. */
export type Place =
  | { readonly part: "metadata" }
  | { readonly part: "golden" }
  | { readonly part: "plan" }
  | { readonly part: "constant"; readonly index: number }
  | { readonly part: "step"; readonly index: number };

/** Byte offset of a place in the file, of the plan of a number from 0; undefined where there is no file. */
export type Locate = (place: Place, plan: number) => number | undefined;

/** Checks a program. Throws FormatError `bad-constants`, `bad-plan`, `bad-step`, `bad-metadata` or `too-much-memory`. */
export function verifyProgram(program: Program, locate: Locate = () => undefined): void {
  const words = programsOf(program).reduce((sum, { plan }) => sum + planWords(plan), 0);
  if (words > MAX_PLAN_WORDS)
    throw new FormatError("too-much-memory", `The plans have ${words} words, more than ${MAX_PLAN_WORDS}.`, locate({ part: "plan" }, 0));
  for (const [plan, each] of programsOf(program).entries()) {
    const fail: Fail = (code, place, problem) => {
      throw new FormatError(code, plan === 0 ? problem : `Plan ${plan}: ${problem}`, locate(place, plan));
    };
    verifyVariant(each, fail);
    verifyAlike(program, each, fail);
  }
}

function verifyVariant(program: Program, fail: Fail): void {
  verifySizes(program, fail);
  verifyConstants(program, fail);
  verifySteps(program, fail);
  verifyMetadata(program, fail);
  verifyGolden(program, fail);
}

type Fail = (code: FormatCode, place: Place, problem: string) => never;

function verifySizes({ constants, plan }: Program, fail: Fail): void {
  const place: Place = { part: "plan" };
  for (const key of ["constantsBytes", "arenaBytes", "stagingBytes"] as const) {
    if (!Number.isInteger(plan[key]) || plan[key] < 0) fail("bad-plan", place, `The plan's ${key} is ${plan[key]}.`);
  }
  if (plan.constantsBytes % ALIGNMENT !== 0)
    fail("bad-plan", place, `The plan's constantsBytes is ${plan.constantsBytes}, no multiple of ${ALIGNMENT}.`);
  const staging = stagingBytes(constants);
  if (plan.stagingBytes !== staging)
    fail("bad-plan", place, `The plan's stagingBytes is ${plan.stagingBytes}, its constants need ${staging}.`);
  if (dataBytes(plan) > MAX_DATA_BYTES)
    fail("too-much-memory", place, `The plan wants ${dataBytes(plan)} bytes of data, more than ${MAX_DATA_BYTES}.`);
}

// What follows goes over every constant and step, once, before the engine has compiled any of it: no iterators, and few objects to collect.

function verifyConstants({ constants, plan }: Program, fail: Fail): void {
  let index = 0;
  let end = 0;
  const bad = (problem: string): never => fail("bad-constants", { part: "constant", index }, `Constant ${index}${problem}.`);
  for (; index < constants.length; index++) {
    const constant = constants[index]!;
    const { packing, p0, p1, p2, bytes, address } = constant;
    const canonical = canonicalBytes(constant);
    if (!packingHolds(packing, canonical, p0, p1, p2))
      bad(`: ${canonical} bytes do not fit packing ${packing} with parameters ${p0}, ${p1}, ${p2}`);
    if (address % ALIGNMENT !== 0) bad(`: its address ${address} is no multiple of ${ALIGNMENT}`);
    if (address < end) bad(`: its address ${address} is below ${end}, where the one before it ends`);
    end = address + packedBytes(packing, canonical, p0, p1, p2);
    if (constant.coding && !isSparse(packing) && address + bytes.length > end)
      bad(`: its ${bytes.length} coded bytes do not fit in the ${end - address} of the packed ones`);
    if (end > plan.constantsBytes) bad(` ends at ${end}, the constants' region at ${plan.constantsBytes}`);
  }
}

function verifySteps(program: Program, fail: Fail): void {
  const { constantsBytes, arenaBytes, steps } = program.plan;
  const special = specialRegions(program.constants);
  const end = constantsBytes + arenaBytes;
  const reads: Region[] = [];
  const writes: Region[] = [];
  let index = 0;
  const refuse = (problem: string): never =>
    fail("bad-step", { part: "step", index }, `Step ${index} (${layoutOf(steps[index]![OPCODE]!)!.name}): ${problem}.`);
  const extents: Extents = {
    read(address, bytes) {
      reads.push({ address, bytes });
      if (!(bytes > 0 && address >= 0 && address + bytes <= end)) refuse(`it reads ${bytes} bytes at ${address}, the data ends at ${end}`);
    },
    write(address, bytes) {
      writes.push({ address, bytes });
      if (!(bytes > 0 && address >= constantsBytes && address + bytes <= end))
        refuse(`it writes ${bytes} bytes at ${address}, the arena is ${constantsBytes} to ${end}`);
    },
    check(holds, claim) {
      if (!holds) refuse(`not so: ${claim}`);
    },
  };
  for (; index < steps.length; index++) {
    const words = steps[index]!;
    const layout = layoutOf(words[OPCODE]!);
    if (!layout)
      return fail(
        "bad-step",
        { part: "step", index },
        `Step ${index}: there is no opcode ${words[OPCODE]} in this version: update eqm, or compile the model again.`,
      );
    if (words.length !== layout.words || words[LENGTH] !== layout.words) refuse(`it has ${words[LENGTH]} words, not ${layout.words}`);
    reads.length = 0;
    writes.length = 0;
    layout.extents(words, extents);
    for (let i = 1; i < writes.length; i++) {
      const own = writes[i]!;
      if (liesOver(own, reads, reads.length) || liesOver(own, writes, i))
        refuse(`its scratch at ${own.address} lies over what it reads or writes`);
    }
    verifySpecialWeights(words, reads, special, refuse);
    const problem = indexProblem(words, program);
    if (problem !== undefined) refuse(problem);
  }
}

/** Whether a region meets one of the first `count` others. */
function liesOver(own: Region, others: readonly Region[], count: number): boolean {
  for (let i = 0; i < count; i++) if (overlap(own, others[i]!)) return true;
  return false;
}

/** Packings of weights that look different in each build: what they are called, and the mark of the steps that read them. */
const SPECIAL_WEIGHTS: ReadonlyMap<number, { readonly name: string; readonly mark: string }> = new Map([
  [GEMM_PAIR_SAFE_I8, { name: "pair-safe", mark: "PAIR_SAFE" }],
  [GEMM_RUN_SAFE_I8, { name: "run-safe", mark: "RUN_SAFE" }],
  [GEMM_I4, { name: "four-bit", mark: "WEIGHT_BITS 4" }],
  [GEMM_BLOCKS_1_I8, { name: "sparse", mark: "BLOCKS_OF_1" }],
  [GEMM_BLOCKS_2_I8, { name: "sparse", mark: "BLOCKS_OF_2" }],
  [GEMM_SCATTERED_I8, { name: "sparse", mark: "SCATTERED" }],
]);

/** The packing of SPECIAL_WEIGHTS that a step is marked to read, or undefined. */
function markedPacking(words: Int32Array): number | undefined {
  if (words[OPCODE] !== CONV_I8) return undefined;
  if (words[ConvI8.PAIR_SAFE] === 1) return GEMM_PAIR_SAFE_I8;
  if (words[ConvI8.PAIR_SAFE] === ConvI8.RUN_SAFE) return GEMM_RUN_SAFE_I8;
  if (words[ConvI8.PAIR_SAFE] === ConvI8.BLOCKS_OF_1) return GEMM_BLOCKS_1_I8;
  if (words[ConvI8.PAIR_SAFE] === ConvI8.BLOCKS_OF_2) return GEMM_BLOCKS_2_I8;
  if (words[ConvI8.PAIR_SAFE] === ConvI8.SCATTERED) return GEMM_SCATTERED_I8;
  return words[ConvI8.WEIGHT_BITS] === 4 ? GEMM_I4 : undefined;
}

/** A constant of SPECIAL_WEIGHTS and where it lies. */
interface SpecialRegion extends Region {
  readonly constant: Constant;
}

/** Those of a program, which lie apart and ascend. */
function specialRegions(constants: readonly Constant[]): readonly SpecialRegion[] {
  const special: SpecialRegion[] = [];
  for (let i = 0; i < constants.length; i++) {
    const constant = constants[i]!;
    const { packing, address, p0, p1, p2 } = constant;
    if (SPECIAL_WEIGHTS.has(packing))
      special.push({ constant, address, bytes: packedBytes(packing, canonicalBytes(constant), p0, p1, p2) });
  }
  return special;
}

/** The last of regions that ascend which begins before `end`. */
function lastBefore<T extends Region>(regions: readonly T[], end: number): T | undefined {
  let from = 0;
  let to = regions.length;
  while (from < to) {
    const middle = (from + to) >> 1;
    if (regions[middle]!.address < end) from = middle + 1;
    else to = middle;
  }
  return regions[from - 1];
}

/** Constants of SPECIAL_WEIGHTS are read whole by the steps that are marked so, and by nothing else. */
function verifySpecialWeights(
  words: Int32Array,
  reads: readonly Region[],
  special: readonly SpecialRegion[],
  refuse: (problem: string) => never,
): void {
  const marked = markedPacking(words);
  if (marked !== undefined) {
    const { name, mark } = SPECIAL_WEIGHTS.get(marked)!;
    const region = lastBefore(special, words[ConvI8.WEIGHTS]! + 1);
    if (region?.address !== words[ConvI8.WEIGHTS] || region?.constant.packing !== marked)
      return refuse(`it is marked ${mark}, its weights are not`);
    const { constant } = region;
    const groups = words[ConvI8.GROUPS]!;
    const patch = [
      words[ConvI8.KERNEL_H]!,
      words[ConvI8.KERNEL_W]!,
      words[ConvI8.IN_C]!,
      groups,
      words[ConvI8.DILATION_W]!,
      words[ConvI8.SRC_PITCH]!,
    ] as const;
    const outputs = words[ConvI8.OUT_C]! / groups;
    const segments = ConvI8.segments(...patch);
    const length = ConvI8.segmentLength(...patch);
    const { p0, p1, p2 } = constant;
    const isShape = isSparse(marked) ? p1 === segments * length : p1 === segments && p2 === length;
    if (p0 !== outputs || !isShape || canonicalBytes(constant) !== groups * outputs * segments * length)
      refuse(`its ${name} weights are of another shape`);
  }
  let own = marked === undefined ? -1 : words[ConvI8.WEIGHTS]!;
  for (let i = 0; i < reads.length; i++) {
    const read = reads[i]!;
    if (read.address === own) {
      // The first read of that address is of the weights.
      own = -1;
      continue;
    }
    const region = lastBefore(special, read.address + read.bytes);
    if (region && overlap(read, region)) refuse(`it reads ${SPECIAL_WEIGHTS.get(region.constant.packing)!.name} weights as something else`);
  }
}

interface Region {
  readonly address: number;
  readonly bytes: number;
}

function overlap(a: Region, b: Region): boolean {
  return a.address < b.address + b.bytes && b.address < a.address + a.bytes;
}

function verifyMetadata({ metadata, plan }: Program, fail: Fail): void {
  const place: Place = { part: "metadata" };
  const { inputs, outputs, steps } = metadata;
  if (outputs.length === 0) fail("bad-metadata", place, "The model has no outputs.");
  if (steps.length !== 0 && steps.length !== plan.steps.length)
    fail("bad-metadata", place, `The metadata names ${steps.length} steps, the plan has ${plan.steps.length}.`);
  for (const region of [...inputs, ...outputs]) verifyRegion(region, plan, (problem) => fail("bad-metadata", place, problem));
  const problem = batchProblem(metadata) ?? statesProblem(metadata);
  if (problem !== undefined) fail("bad-metadata", place, problem);
}

/** A batch has an axis for each tensor, which it divides; an output lies along one, and the data do not decide its size. */
function batchProblem({ inputs, outputs, batch }: Metadata): string | undefined {
  if (!batch) return undefined;
  const { size } = batch;
  const divides = ({ shape }: TensorRegion, axis: number | undefined): boolean =>
    axis !== undefined && shape[axis] !== undefined && shape[axis]! % size === 0;
  if (batch.inputs.length !== inputs.length || batch.outputs.length !== outputs.length)
    return "The batch's axes are not those of the inputs and outputs.";
  const wrong =
    inputs.find((input, i) => batch.inputs[i] !== -1 && !divides(input, batch.inputs[i])) ??
    outputs.find((output, i) => !divides(output, batch.outputs[i]) || output.counted !== undefined);
  return wrong && `The tensor ${JSON.stringify(wrong.name)} does not hold a batch of ${size}.`;
}

/** What is carried over is an output of the very type of the input; each of both at most once. */
function statesProblem({ inputs, outputs, states = [] }: Metadata): string | undefined {
  for (const [i, { input, output }] of states.entries()) {
    const to = inputs.find(({ name }) => name === input);
    const from = outputs.find(({ name }) => name === output);
    const link = `${JSON.stringify(output)} to ${JSON.stringify(input)}`;
    if (!to || !from) return `There is no such state as ${link}.`;
    if (from.counted || !isOneType(to, from) || !sameShape(to.shape, from.shape)) return `The state ${link} is of two types.`;
    if (states.slice(0, i).some((other) => other.input === input || other.output === output)) return `The state ${link} is carried twice.`;
  }
  return undefined;
}

/** All plans of a program share its memory, and differ to a caller in the sizes of dimensions alone. */
function verifyAlike(first: Program, { plan, metadata }: Program, fail: Fail): void {
  for (const key of ["constantsBytes", "arenaBytes", "stagingBytes"] as const) {
    if (plan[key] !== first.plan[key])
      fail("bad-plan", { part: "plan" }, `The plan's ${key} is ${plan[key]}, the first plan's ${first.plan[key]}.`);
  }
  for (const side of ["inputs", "outputs"] as const) {
    const others = first.metadata[side];
    const isAlike = (region: TensorRegion, other: TensorRegion | undefined): boolean =>
      other !== undefined &&
      region.name === other.name &&
      isOneType(region, other) &&
      region.shape.length === other.shape.length &&
      region.counted?.axis === other.counted?.axis;
    if (metadata[side].length !== others.length || !metadata[side].every((region, i) => isAlike(region, others[i])))
      fail("bad-metadata", { part: "metadata" }, `The plan's ${side} are not those of the first plan.`);
  }
}

function isOneType(a: TensorRegion, b: TensorRegion): boolean {
  return a.dtype === b.dtype && a.scale === b.scale && a.zeroPoint === b.zeroPoint;
}

function verifyGolden({ metadata, plan, golden }: Program, fail: Fail): void {
  if (!golden) return;
  if (golden.ranges.length !== metadata.inputs.length || golden.steps.length !== plan.steps.length) {
    fail(
      "bad-golden",
      { part: "golden" },
      `The golden vector is of ${golden.ranges.length} inputs and ${golden.steps.length} steps, the model of ${metadata.inputs.length} and ${plan.steps.length}.`,
    );
  }
  for (const [i, { name, dtype }] of metadata.inputs.entries()) {
    if (!rangeHolds(golden.ranges[i]!, dtype))
      fail("bad-golden", { part: "golden" }, `The golden range of the input ${JSON.stringify(name)} does not go with ${dtype}.`);
  }
}

function verifyRegion({ name, dtype, shape, address, counted }: TensorRegion, plan: Plan, fail: (problem: string) => never): void {
  const bytes = elementCount(shape) * dtypeBytes(dtype);
  const end = plan.constantsBytes + plan.arenaBytes;
  if (address % dtypeBytes(dtype) !== 0)
    fail(`The tensor ${JSON.stringify(name)} lies at ${address}, no multiple of ${dtypeBytes(dtype)}.`);
  if (counted && (counted.address % 4 !== 0 || counted.address < plan.constantsBytes || counted.address + 4 > end))
    fail(`The count of ${JSON.stringify(name)} lies at ${counted.address}, the arena is ${plan.constantsBytes} to ${end}.`);
  if (address < plan.constantsBytes || address + bytes > end) {
    fail(`The tensor ${JSON.stringify(name)} takes ${bytes} bytes at ${address}, the arena is ${plan.constantsBytes} to ${end}.`);
  }
}
