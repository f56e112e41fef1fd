/** What a .eqm holds, decoded: the same form whether it came from a file or straight from the compiler. */
import type { Golden } from "./golden.ts";
import type { Metadata } from "./metadata.ts";

/** A constant: its canonical bytes and where they go, packed (format/packings.ts). */
export interface Constant {
  readonly packing: number;
  readonly p0: number;
  readonly p1: number;
  readonly p2: number;
  /** Canonical bytes. */
  readonly bytes: Uint8Array;
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

/** A whole model. Constants ascend by address. */
export interface Program {
  readonly metadata: Metadata;
  readonly constants: readonly Constant[];
  readonly plan: Plan;
  readonly golden?: Golden;
}

/** Words of all steps of a plan. */
export function planWords(plan: Plan): number {
  let words = 0;
  for (const step of plan.steps) words += step.length;
  return words;
}
