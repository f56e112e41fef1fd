/** What a .eqm holds, decoded: the same form whether it came from a file or straight from the compiler. */
import type { Coding } from "./coding.ts";
import type { Golden } from "./golden.ts";
import type { Metadata } from "./metadata.ts";

/** A constant: its bytes and where they go, packed (format/packings.ts). */
export interface Constant {
  readonly packing: number;
  readonly p0: number;
  readonly p1: number;
  readonly p2: number;
  /** Canonical bytes, or what `coding` makes them from. */
  readonly bytes: Uint8Array;
  /** How `bytes` are coded; canonical bytes without it. */
  readonly coding?: Coding;
  /** Offset of the packed constant in the data region, a multiple of 64. */
  readonly address: number;
}

/** Steps and the memory they need. */
export interface Plan {
  /** Bytes of the data region that hold packed constants, a multiple of 64. */
  readonly constantsBytes: number;
  readonly arenaBytes: number;
  /** As memory-layout.ts computes it. */
  readonly stagingBytes: number;
  /** Each step's words, [opcode, length, fields…]. */
  readonly steps: readonly Int32Array[];
}

/** A model for one choice of sizes for its dynamic dimensions. */
export interface Variant {
  readonly metadata: Metadata;
  readonly plan: Plan;
  readonly golden?: Golden;
}

/**
 * A whole model. Constants ascend by address. Its variants are the same model for other sizes, over the same constants: their plans have the same
 * constantsBytes, arenaBytes and stagingBytes, their metadata differ in `inputs`, `outputs`, `steps`, `sizes` and `batch` alone.
 */
export interface Program extends Variant {
  readonly constants: readonly Constant[];
  readonly variants?: readonly Variant[];
}

/** The program of each plan, in their order. */
export function programsOf(program: Program): readonly [Program, ...Program[]] {
  const { metadata, constants, plan, golden, variants = [] } = program;
  return [{ metadata, constants, plan, ...(golden && { golden }) }, ...variants.map((variant) => ({ ...variant, constants }))];
}

/** Programs over the same constants as one; the mirror of `programsOf`. */
export function joinPrograms([first, ...others]: readonly [Program, ...Program[]]): Program {
  const variants = others.map(({ metadata, plan, golden }) => ({ metadata, plan, ...(golden && { golden }) }));
  return variants.length > 0 ? { ...first, variants } : first;
}

/** The size of a constant in its canonical order. */
export function canonicalBytes({ bytes, coding }: Pick<Constant, "bytes" | "coding">): number {
  return coding ? coding.decodedBytes : bytes.length;
}

/** Words of all steps of a plan. */
export function planWords(plan: Plan): number {
  let words = 0;
  for (let i = 0; i < plan.steps.length; i++) words += plan.steps[i]!.length;
  return words;
}
