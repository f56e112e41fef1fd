/**
 * Threads at work on one schedule (schedule.ts): the caller's own, and further ones in workers.
 *
 * Everyone who has nothing to do claims a slot of the current phase that nobody has claimed, its own first; who finishes the last slot of a phase
 * opens the next one. So a thread that starts late, or is not given a processor, holds up nobody: the others do its part. Only a slot
 * that was claimed has to be waited for: the caller waits for it for a bounded time, the others until they are ended.
 *
 * The control block, int32 words on a shared buffer of its own, a cache line to each:
 *
 *   PHASE     number of the open phase; those of a run are FIRST, FIRST + 1, …, and one more, in which all rest. Never goes back but by wrapping.
 *   FIRST     the first phase of the run; beside it FAILED: the first status that was not OK; QUIT: 1 where all is over; PLAN: which plan runs.
 *             PLAN changes behind FIRST and before PHASE: who reads the same FIRST before and after it has the plan of that run
 *   DONE      slots of the open phase that are done
 *   SLEEPERS  threads that sleep until PHASE changes
 *   CLAIMS    for each slot the last phase in which it was claimed
 */
import * as Status from "../format/status.ts";
import { now } from "./clock.ts";

/** The phases of one plan. */
export interface Phases {
  /** For each phase how many slots it has. */
  readonly counts: Int32Array;
  /** For each phase and slot the addresses where its steps begin and end. */
  readonly ranges: Int32Array;
}

/** What a thread has to know of the schedules, and how it runs steps. */
export interface Duty {
  /** The control block. */
  readonly control: Int32Array;
  /** How many slots there are at most: as many as threads. */
  readonly slots: number;
  readonly plans: readonly Phases[];
  /** How long to watch for the next phase, in ms, before sleeping. */
  readonly spinMs: number;
  /** Runs the steps from one address to another; gives a status. */
  readonly run: (from: number, to: number) => number;
}

/** A status of format/status.ts, or this: the code trapped. */
export const TRAPPED = -1;

const LINE = 16;
const PHASE = 0;
const FIRST = LINE;
const FAILED = LINE + 1;
const QUIT = LINE + 2;
const PLAN = LINE + 3;
const DONE = 2 * LINE;
const SLEEPERS = 3 * LINE;
const CLAIMS = 4 * LINE;

/** How long the caller sleeps at most before it looks whether to go on waiting. */
const NAP_MS = 100;
/** How long the others do: in Deno a thread cannot be ended in its sleep. */
const REST_MS = 1000;
/** How long the caller waits for a slot at least, before it takes the thread that claimed it for dead. */
const PATIENCE_MS = 10_000;
/** And how many times as long as the run has taken until then: slots are of about the same size. */
const PATIENCE_FACTOR = 20;

/** Int32 words of a control block for `slots` slots. */
export function controlWords(slots: number): number {
  return CLAIMS + slots * LINE;
}

/**
 * One run of a plan on the caller's thread: opens the first phase, takes part, and returns when the last one is done, with the first status that was not
 * OK. Gives undefined where a slot that another thread claimed has not been done in all patience: that thread is dead.
 */
export function runTogether(duty: Duty, plan: number, patienceMs = PATIENCE_MS): number | undefined {
  const { control } = duty;
  const phases = duty.plans[plan]!;
  const start = now();
  const first = (Atomics.load(control, PHASE) + 1) | 0;
  Atomics.store(control, FAILED, Status.OK);
  Atomics.store(control, FIRST, first);
  Atomics.store(control, PLAN, plan);
  open(control, first);
  for (let i = 0; i < phases.counts.length; i++) {
    const phase = (first + i) | 0;
    takePart(duty, phases, phase, i, 0);
    if (Atomics.load(control, PHASE) === phase && !awaitNext(duty, phase, patienceMs, start)) return undefined;
  }
  return Atomics.load(control, FAILED);
}

/** Takes part in every run, with slot `own` before all others, until the team is dissolved. */
export function takePartInAll(duty: Duty, own: number): void {
  const { control, plans, spinMs } = duty;
  while (Atomics.load(control, QUIT) === 0) {
    const phase = Atomics.load(control, PHASE);
    const first = Atomics.load(control, FIRST);
    const phases = plans[Atomics.load(control, PLAN)]!;
    if (Atomics.load(control, FIRST) !== first) continue;
    const index = (phase - first) | 0;
    if (index >= 0 && index < phases.counts.length) takePart(duty, phases, phase, index, own);
    if (!watch(control, phase, spinMs)) sleep(control, phase, REST_MS);
  }
}

/** Lets all threads go, at once and of themselves. */
export function dissolve({ control }: Duty): void {
  Atomics.store(control, QUIT, 1);
  open(control, (Atomics.load(control, PHASE) + 1) | 0);
}

/** Whether this thread may sleep: the main thread of a page may not. */
export function maySleep(): boolean {
  try {
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 1, 0);
    return true;
  } catch {
    return false;
  }
}

/** Runs what is left to claim of phase `phase`, the one of index `index` in its run. */
function takePart({ control, slots, run }: Duty, { counts, ranges }: Phases, phase: number, index: number, own: number): void {
  const count = counts[index]!;
  for (let i = 0; i < slots; i++) {
    const slot = (own + i) % slots;
    if (slot >= count || !claim(control, phase, slot)) continue;
    const range = 2 * (index * slots + slot);
    let status: number;
    try {
      status = run(ranges[range]!, ranges[range + 1]!);
    } catch {
      status = TRAPPED;
    }
    if (status !== Status.OK) Atomics.compareExchange(control, FAILED, Status.OK, status);
    if (count > 1 && Atomics.add(control, DONE, 1) + 1 < count) continue;
    Atomics.store(control, DONE, 0);
    open(control, (phase + 1) | 0);
  }
}

/** Claims a slot, unless someone has it, or the phase is over. */
function claim(control: Int32Array, phase: number, slot: number): boolean {
  const word = CLAIMS + slot * LINE;
  const last = Atomics.load(control, word);
  return ((phase - last) | 0) > 0 && Atomics.compareExchange(control, word, last, phase) === last;
}

/** Opens a phase. Who is about to sleep has counted itself before it looks at PHASE for the last time. */
function open(control: Int32Array, phase: number): void {
  Atomics.store(control, PHASE, phase);
  if (Atomics.load(control, SLEEPERS) > 0) Atomics.notify(control, PHASE);
}

/** Watches for the phase after `phase`; false where it has not come after `ms`. */
function watch(control: Int32Array, phase: number, ms: number): boolean {
  const start = now();
  do {
    for (let i = 0; i < 200; i++) if (Atomics.load(control, PHASE) !== phase) return true;
  } while (now() - start < ms);
  return false;
}

function sleep(control: Int32Array, phase: number, ms: number): void {
  Atomics.add(control, SLEEPERS, 1);
  Atomics.wait(control, PHASE, phase, ms);
  Atomics.sub(control, SLEEPERS, 1);
}

/** Waits on the caller's thread for the phase after `phase`; false where patience ran out. */
function awaitNext({ control, spinMs }: Duty, phase: number, patienceMs: number, start: number): boolean {
  if (watch(control, phase, spinMs)) return true;
  const sleeps = maySleep();
  const patience = Math.max(patienceMs, (now() - start) * PATIENCE_FACTOR);
  // Time in which the whole machine stood still, asleep, does not count.
  for (let waited = 0; waited < patience; ) {
    const before = now();
    if (sleeps) sleep(control, phase, NAP_MS);
    else watch(control, phase, NAP_MS);
    if (Atomics.load(control, PHASE) !== phase) return true;
    waited += Math.min(now() - before, 2 * NAP_MS);
  }
  return false;
}
