/**
 * A proved program on a WebAssembly memory of its own: the plan at PLAN_ADDRESS, constants packed behind it, the arena, the guard
 * (format/memory.ts). The memory never grows and goes with `dispose`. Several plans stand one behind the other, and share all the rest. With
 * schedules it is a shared memory, the schedules' steps stand behind the plans', slot by slot, and the scratch of further threads behind the
 * arena; `startThreads` brings those.
 */
import { dataAddress, PAGE_BYTES, PLAN_ADDRESS } from "../format/memory.ts";
import * as Status from "../format/status.ts";
import { now } from "./clock.ts";
import { Crew } from "./crew.ts";
import { disposed, outOfMemory, RunError } from "./errors.ts";
import { programBytes } from "./memory-layout.ts";
import type { TensorRegion } from "./metadata.ts";
import { Pace } from "./pace.ts";
import { packConstants } from "./pack-constants.ts";
import { type Plan, type Program, planWords, programsOf } from "./program.ts";
import { instantiate, type Runtime } from "./runtime.ts";
import { type Schedule, scheduledMemoryBytes, scheduleWords } from "./schedule.ts";
import type { Sharing } from "./sharing.ts";
import { controlWords, type Duty, dissolve, type Phases, runTogether, TRAPPED } from "./team.ts";
import { elementCount, type TypedArray, viewArray } from "./tensor.ts";

/** A program ready to run. Everything throws RunError `disposed` after `dispose`. */
export class Instance {
  /** Bytes of its memory, as the file's header states them. */
  readonly memoryBytes: number;
  #memory: WebAssembly.Memory | undefined;
  #runtime: Runtime | undefined;
  readonly #data: number;
  /** For each plan the address of each step, then of the plan's end. */
  readonly #stepAddresses: readonly Int32Array[];
  readonly #module: WebAssembly.Module;
  readonly #schedules: readonly [Schedule, ...Schedule[]] | undefined;
  #team: { readonly duty: Duty; readonly crew: Crew; readonly patienceMs: number | undefined; readonly paces: readonly Pace[] } | undefined;

  /**
   * Throws LoadError `out-of-memory` or `other-build`, RunError `unknown-packing`, FormatError `bad-constants` where the coded bytes of a
   * constant are not sound or weights not as pair-safe, small or sparse as they claim. `program` must be verified.
   */
  constructor(program: Program, module: WebAssembly.Module, schedules?: readonly [Schedule, ...Schedule[]]) {
    const plans = programsOf(program).map(({ plan }) => plan);
    const words = [...plans.map(planWords), ...(schedules ?? []).map(scheduleWords)];
    this.memoryBytes = schedules ? scheduledMemoryBytes(program, schedules) : programBytes(program);
    this.#memory = allocate(this.memoryBytes, schedules !== undefined);
    this.#module = module;
    this.#runtime = instantiate(module, this.#memory);
    this.#data = dataAddress(words.reduce((sum, count) => sum + count, 0));
    this.#schedules = schedules;
    this.#stepAddresses = writePlans(plans, this.#memory.buffer);
    packConstants(program, this.#runtime, this.#memory.buffer, this.#data);
  }

  /** Starts the further threads of the schedules. Throws LoadError `worker-failed`, or the signal's reason. */
  async startThreads({ start, processors, patienceMs }: Omit<Sharing, "module" | "schedules">, signal?: AbortSignal): Promise<void> {
    const [schedules, memory, runtime, data] = [this.#schedules, this.#memory, this.#runtime, this.#data];
    if (!schedules || !memory || !runtime) throw new Error("unreachable: threads without a schedule");
    const { threads, kernelScratch } = schedules[0];
    const slots = schedules.reduce((most, schedule) => Math.max(most, schedule.slots), 0);
    const control = new Int32Array(new SharedArrayBuffer(controlWords(slots) * 4));
    const crowded = processors !== undefined && threads > processors;
    const common = {
      control,
      slots,
      spinMs: crowded ? CROWDED_SPIN_MS : SPIN_MS,
      plans: writeSchedules(schedules, slots, this.#stepAddresses.at(-1)!.at(-1)!, memory.buffer),
    };
    const assignments = kernelScratch.map((address, i) => ({
      ...common,
      module: this.#module,
      memory,
      slot: Math.floor(((i + 1) * slots) / threads),
      data,
      kernelScratch: data + address,
    }));
    const crew = await Crew.start(start, assignments, signal);
    this.#team = {
      duty: { ...common, run: (from, to) => runtime.run(from, to, data) },
      crew,
      patienceMs,
      paces: schedules.map(() => new Pace()),
    };
  }

  /** Runs the steps `from` to `to` of a plan, the latter not included; all of the first one unless said. Throws RunError. */
  run(plan = 0, from = 0, to?: number): void {
    if (!this.#runtime) throw disposed();
    if (!this.#team) return this.#runAlone(plan, from, to);
    this.#team.crew.check();
    const pace = this.#team.paces[plan]!;
    const start = now();
    if (pace.together) this.#runTogether(plan);
    else this.#runAlone(plan);
    pace.ran(now() - start);
  }

  #runAlone(plan: number, from = 0, to?: number): void {
    const addresses = this.#stepAddresses[plan]!;
    let status: number;
    try {
      status = this.#runtime!.run(addresses[from]!, addresses[to ?? addresses.length - 1]!, this.#data);
    } catch (cause) {
      throw trapped(cause);
    }
    if (status !== Status.OK) throw statusError(status);
  }

  #runTogether(plan: number): void {
    const { duty, crew, patienceMs } = this.#team!;
    const status = runTogether(duty, plan, patienceMs);
    if (status === undefined) {
      dissolve(duty);
      throw crew.giveUp();
    }
    if (status === TRAPPED) throw trapped();
    if (status !== Status.OK) throw statusError(status);
  }

  /** Takes the fused form of the relaxed dot where asked for and exact; gives whether it is taken. */
  useFusedDot(fused: boolean): boolean {
    if (!this.#runtime) throw disposed();
    return this.#runtime.useFusedDot(fused ? 1 : 0) === 1;
  }

  /** Takes the fused multiply-add of float32 where asked for and present; gives whether it is taken. Results then differ between machines. */
  useFusedMultiplyAdd(fused: boolean): boolean {
    if (!this.#runtime) throw disposed();
    return this.#runtime.useFusedMultiplyAdd(fused ? 1 : 0) === 1;
  }

  /** A view of a tensor in the memory; it stays valid until `dispose`. */
  tensor({ dtype, shape, address }: TensorRegion): TypedArray {
    return viewArray(dtype, this.#buffer(), this.#data + address, elementCount(shape));
  }

  /** A view of `bytes` bytes at `address` of the data region; it stays valid until `dispose`. */
  bytes(address: number, bytes: number): Uint8Array {
    return new Uint8Array(this.#buffer(), this.#data + address, bytes);
  }

  /** Ends further threads and lets go of the memory. Views that were handed out keep it alive. */
  dispose(): void {
    if (this.#team) {
      dissolve(this.#team.duty);
      this.#team.crew.end();
    }
    this.#team = undefined;
    this.#memory = undefined;
    this.#runtime = undefined;
  }

  #buffer(): ArrayBuffer {
    if (!this.#memory) throw disposed();
    return this.#memory.buffer;
  }
}

/** How long a thread watches for work before it sleeps; where there are more threads than processors, watching takes one from another. */
const SPIN_MS = 0.3;
const CROWDED_SPIN_MS = 0.005;

function allocate(bytes: number, shared: boolean): WebAssembly.Memory {
  const pages = bytes / PAGE_BYTES;
  try {
    return new WebAssembly.Memory({ initial: pages, maximum: pages, shared });
  } catch (cause) {
    throw outOfMemory(bytes, cause);
  }
}

/** Writes steps one after the other from `start` on; gives the address of each, then of their end. */
function writeSteps(steps: readonly Int32Array[], start: number, buffer: ArrayBuffer): Int32Array {
  const addresses = new Int32Array(steps.length + 1);
  const memory = new Int32Array(buffer);
  let at = start;
  for (let i = 0; i < steps.length; i++) {
    const words = steps[i]!;
    addresses[i] = at;
    memory.set(words, at / 4);
    at += words.length * 4;
  }
  addresses[steps.length] = at;
  return addresses;
}

/** Writes the plans one after the other; gives the addresses of each one's steps. */
function writePlans(plans: readonly Plan[], buffer: ArrayBuffer): readonly Int32Array[] {
  let at: number = PLAN_ADDRESS;
  return plans.map(({ steps }) => {
    const addresses = writeSteps(steps, at, buffer);
    at = addresses.at(-1) as number;
    return addresses;
  });
}

/** Writes the steps of schedules one after the other from `start` on, as team.ts wants them told, where a phase has `most` slots at most. */
function writeSchedules(schedules: readonly Schedule[], most: number, start: number, buffer: ArrayBuffer): readonly Phases[] {
  let at = start;
  return schedules.map(({ phases }) => {
    const counts = new Int32Array(phases.length);
    const ranges = new Int32Array(phases.length * most * 2);
    for (const [phase, slots] of phases.entries()) {
      counts[phase] = slots.length;
      for (const [slot, steps] of slots.entries()) {
        const end = writeSteps(steps, at, buffer).at(-1) as number;
        ranges.set([at, end], (phase * most + slot) * 2);
        at = end;
      }
    }
    return { counts, ranges };
  });
}

function trapped(cause?: unknown): RunError {
  return new RunError(
    "trap",
    "The runtime trapped. The file passed every check, so this is a fault of eqm: please report it with the model.",
    {},
    cause,
  );
}

function statusError(status: number): RunError {
  switch (status) {
    case Status.UNKNOWN_STEP:
      return new RunError("unknown-step", "The plan holds a step that this build of the runtime does not have: update eqm.");
    case Status.INDEX_OUT_OF_RANGE:
      return new RunError(
        "index-out-of-range",
        "An index that the model was given or computed lies outside its axis: check the inputs that hold indices.",
      );
    default:
      throw new Error(`unreachable: status ${status}`);
  }
}
