/**
 * A plan shared out among threads: phases, in each of which every slot has steps of its own that any one thread runs, one slot beside the other.
 *
 * A step is cut into slices (slices.ts), one for each slot, or stays whole in the first. Where steps take long there are more slots than threads:
 * a thread that gets less of its processor than the others runs fewer of them. Where what one slot touches and what another one writes
 * would overlap, a new phase begins, and it begins when all of the phase before it is done: from what the steps state they touch, no two
 * threads ever meet at a byte that one of them writes.
 */
import type { Extents } from "../format/extents.ts";
import { ALIGNMENT } from "../format/memory.ts";
import { OPCODE } from "../format/plan.ts";
import { KERNEL_SCRATCH_BYTES } from "../format/threads.ts";
import { estimateNs } from "./estimate.ts";
import { layoutOf } from "./layouts.ts";
import { dataBytes, memoryBytes } from "./memory-layout.ts";
import { type Plan, type Program, planWords, programsOf } from "./program.ts";
import { cutStep, scratchWord } from "./slices.ts";

/** For each slot of a phase the steps that it runs, in this order. */
export type Phase = readonly (readonly Int32Array[])[];

/** A plan for several threads. */
export interface Schedule {
  readonly threads: number;
  /** The most slots that a phase has: one for each thread, or several. */
  readonly slots: number;
  readonly phases: readonly Phase[];
  /** Bytes behind the data region that the scratch of the further threads' kernels and of all slots' steps takes. */
  readonly scratchBytes: number;
  /** Offset in the data region of the kernel scratch of each further thread. */
  readonly kernelScratch: readonly number[];
}

/** Cutting a step that takes less does not pay for a phase of its own. */
const WORTH_A_PHASE_NS = 5_000;
/** Cutting a step that takes less does not pay for the calls. */
const WORTH_CUTTING_NS = 1_500;

/** What a slice takes at least, on the average of a plan, where there are several for each thread; and how many then at most. */
const LONG_SLICE_NS = 50_000;
const SLOTS_PER_THREAD = 4;

/** Steps of a slot in one phase at most: each new one is held against all of them. */
const PHASE_STEPS = 32;

/** Shares each plan of a proved program out among `threads` threads, 2 or more; a thread's scratch is in one place for all of them. */
export function schedules(program: Program, threads: number): readonly [Schedule, ...Schedule[]] {
  const [first, ...others] = programsOf(program);
  const all = [first, ...others].map(({ plan }) => plan);
  const slots = Math.max(...all.map((plan) => slotsOf(plan, threads)));
  const most = Math.max(...all.map((plan) => largestScratch(plan, slots)));
  const shared = ({ plan }: Program): Schedule => schedule(plan, threads, slots, most);
  return [shared(first), ...others.map(shared)];
}

/** Shares a proved plan out among `threads` threads, 2 or more, in `slots` slots; `scratchBytes` is what a slice's scratch may take. */
export function schedule(
  plan: Plan,
  threads: number,
  slots: number = slotsOf(plan, threads),
  scratchBytes: number = largestScratch(plan, slots),
): Schedule {
  const start = aligned(dataBytes(plan));
  const kernelScratch = Array.from({ length: threads - 1 }, (_, i) => start + i * aligned(KERNEL_SCRATCH_BYTES));
  const stepScratch = start + kernelScratch.length * aligned(KERNEL_SCRATCH_BYTES);
  const scratchOf = (slot: number): number => stepScratch + slot * aligned(scratchBytes);
  const phases: Int32Array[][][] = [];
  let touched: Touched[] = [];
  let phase: Int32Array[][] = [];

  function place(parts: readonly Int32Array[], touches: readonly Touched[]): void {
    if (!canJoin(touches)) {
      phase = [];
      touched = [];
    }
    if (phase.length === 0) phases.push(phase);
    for (const [slot, words] of parts.entries()) {
      phase[slot] ??= [];
      phase[slot].push(words);
      touched[slot] ??= { reads: [], writes: [] };
      touched[slot].reads.push(...touches[slot]!.reads);
      touched[slot].writes.push(...touches[slot]!.writes);
    }
  }

  function canJoin(touches: readonly Touched[]): boolean {
    if (phase.some((steps) => steps.length >= PHASE_STEPS)) return false;
    return touches.every((own, slot) => touched.every((other, i) => i === slot || areApart(own, other)));
  }

  for (const words of plan.steps) {
    const ns = estimateNs(words);
    const slices = ns < WORTH_CUTTING_NS ? undefined : cutApart(words, slots, scratchOf);
    if (slices && (ns >= WORTH_A_PHASE_NS || canJoin(slices.touches))) place(slices.parts, slices.touches);
    else place([words], [touchedBy(words)!]);
  }
  return { threads, slots, phases, scratchBytes: scratchOf(slots) - dataBytes(plan), kernelScratch };
}

/** Bytes of the memory of a program whose plans run by schedules. */
export function scheduledMemoryBytes(program: Program, schedules: readonly [Schedule, ...Schedule[]]): number {
  const words = [...programsOf(program).map(({ plan }) => planWords(plan)), ...schedules.map(scheduleWords)];
  const all = words.reduce((sum, count) => sum + count, 0);
  return memoryBytes({ ...program.plan, planWords: all, threadBytes: schedules[0].scratchBytes });
}

/** Words of all steps of a schedule. */
export function scheduleWords({ phases }: Schedule): number {
  let words = 0;
  for (const slots of phases) for (const steps of slots) for (const step of steps) words += step.length;
  return words;
}

/**
 * The slices of a step, each with a scratch of its own, where each of them is a step that holds and touches nothing that the whole step does not,
 * and none touches what another one writes.
 */
function cutApart(
  words: Int32Array,
  slots: number,
  scratchOf: (slot: number) => number,
): { readonly parts: readonly Int32Array[]; readonly touches: readonly Touched[] } | undefined {
  const parts = cutStep(words, slots);
  if (!parts) return undefined;
  const scratch = scratchWord(words[OPCODE]!);
  // The whole step's own lies over memory that other slots may still use.
  if (scratch !== undefined) for (const [slot, part] of parts.entries()) part[scratch] = scratchOf(slot);
  const whole = touchedBy(words)!;
  const touches: Touched[] = [];
  for (const part of parts) {
    const own = touchedBy(part);
    const elsewhere = scratch !== undefined ? part[scratch] : undefined;
    const within = (some: readonly Region[], all: readonly Region[]): boolean =>
      some.every(({ address, end }) => address === elsewhere || all.some((other) => other.address <= address && end <= other.end));
    if (!own || !within(own.reads, whole.reads) || !within(own.writes, whole.writes)) return undefined;
    if (!touches.every((other) => areApart(own, other))) return undefined;
    touches.push(own);
  }
  return { parts, touches };
}

/** How many slots the phases of a plan have at most. */
function slotsOf({ steps }: Plan, threads: number): number {
  const ns = steps.reduce((sum, words) => sum + estimateNs(words), 0) / steps.length;
  return threads * Math.min(SLOTS_PER_THREAD, Math.max(1, Math.floor(ns / (threads * LONG_SLICE_NS))));
}

/** The most scratch that a slice of a plan's step needs. */
function largestScratch(plan: Plan, slots: number): number {
  let most = 0;
  for (const words of plan.steps) {
    const scratch = scratchWord(words[OPCODE]!);
    if (scratch === undefined) continue;
    for (const part of cutStep(words, slots) ?? []) {
      const region = touchedBy(part)?.writes.find(({ address }) => address === part[scratch]);
      most = Math.max(most, region ? region.end - region.address : 0);
    }
  }
  return most;
}

interface Region {
  readonly address: number;
  readonly end: number;
}

/** What a slot's steps touch since the last phase began. */
interface Touched {
  readonly reads: Region[];
  readonly writes: Region[];
}

/** What a step touches, or undefined where it does not hold. */
function touchedBy(words: Int32Array): Touched | undefined {
  let allHolds = true;
  const reads: Region[] = [];
  const writes: Region[] = [];
  const extents: Extents = {
    read: (address, bytes) => void reads.push({ address, end: address + bytes }),
    write: (address, bytes) => void writes.push({ address, end: address + bytes }),
    check: (holds) => {
      allHolds &&= holds;
    },
  };
  layoutOf(words[OPCODE]!)!.extents(words, extents);
  return allHolds ? { reads, writes } : undefined;
}

function areApart(a: Touched, b: Touched): boolean {
  return !(overlap(a.writes, b.writes) || overlap(a.writes, b.reads) || overlap(a.reads, b.writes));
}

function overlap(some: readonly Region[], others: readonly Region[]): boolean {
  return some.some((a) => others.some((b) => a.address < b.end && b.address < a.end));
}

function aligned(bytes: number): number {
  return Math.ceil(bytes / ALIGNMENT) * ALIGNMENT;
}
