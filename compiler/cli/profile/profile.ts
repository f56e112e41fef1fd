/**
 * The time of every step of a plan, beside what the step has to do and what the machine could do at most.
 *
 * A round runs the whole plan once, step by step, as a run does, then samples the machine's limits, so that a slow spell meets both. A step's
 * time is its median over the rounds, less that of an empty call.
 */
import { OPCODE } from "../../../format/plan.ts";
import type { BuildName, ChosenBuild } from "../../../host/builds.ts";
import { fillGolden } from "../../../host/golden.ts";
import { type Inspectable, openProgram } from "../../../host/inspection.ts";
import { layoutOf } from "../../../host/layouts.ts";
import type { Program } from "../../../host/program.ts";
import { weightsOf } from "../../report/step-weights.ts";
import { pause } from "../interruption.ts";
import { startProgress } from "../output/progress.ts";
import { median } from "./median.ts";
import { openPeakMeter, type PeakName, type Peaks } from "./peak.ts";
import { workOf } from "./work.ts";

/** One step. */
export interface StepProfile {
  readonly step: number;
  readonly kernel: string;
  /** The ONNX op that the step comes from, and the nodes. */
  readonly op: string;
  readonly nodes: readonly string[];
  readonly shape: string;
  readonly ms: number;
  /** Of the time of all steps, in [0, 1]. */
  readonly share: number;
  readonly macs: number;
  /** Of weights in blocks: what there would be with all of them. */
  readonly denseMacs?: number;
  /** The limit that the rate is held against. */
  readonly peak?: PeakName;
  /** Rate and its fraction of the peak; only where there are MACs, and time enough to be measured. */
  readonly gmacPerS?: number;
  readonly ofPeak?: number;
}

/** All steps of one kernel. */
export type KernelProfile = Omit<StepProfile, "step" | "op" | "nodes" | "shape" | "denseMacs" | "peak"> & { readonly steps: number };

/** One run as it happened. Times in ms, from the run's beginning. */
export interface Timeline {
  readonly ms: number;
  readonly steps: readonly { readonly startMs: number; readonly ms: number }[];
}

/** A plan's profile. */
export interface Profile {
  /** In the plan's order. */
  readonly steps: readonly StepProfile[];
  /** The longest first. */
  readonly kernels: readonly KernelProfile[];
  readonly build: BuildName;
  /** The machine's limits, GMAC/s. */
  readonly peaks: Peaks;
  /** Sum over the steps. */
  readonly stepsMs: number;
  readonly macs: number;
  readonly rounds: number;
  /** The round of the median length. */
  readonly timeline: Timeline;
}

const WARM_UP_MS = 200;
const MEASURED_MS = 1000;
const LEAST_ROUNDS = 30;
const MOST_ROUNDS = 3000;

/** Profiles a verified program on one thread, on inputs in the calibrated ranges where the file has them; `fastFloat` as in LoadOptions. */
export async function profileProgram(program: Program, { name: build, module }: ChosenBuild, fastFloat: boolean): Promise<Profile> {
  const model = openProgram(program, module, fastFloat);
  try {
    const inputs = [...model.inputs.values()];
    // Before every round: a plan reuses the memory of its inputs.
    const fill = (): void =>
      inputs.forEach((array, at) =>
        fillGolden(array, at, program.golden?.ranges[at] ?? { low: 0, high: array instanceof Float32Array ? 1 : 0 }),
      );
    return summarise(program, build, fastFloat, await measure(model, fill, build));
  } finally {
    model.dispose();
  }
}

interface Measurement {
  readonly rounds: readonly Timeline[];
  readonly callMs: number;
  readonly peaks: Peaks;
}

async function measure(model: Inspectable, fill: () => void, build: BuildName): Promise<Measurement> {
  const progress = startProgress();
  try {
    const meter = await openPeakMeter(build);
    for (const end = performance.now() + WARM_UP_MS; performance.now() < end; ) timeRound(model, fill);
    const rounds: Timeline[] = [];
    const calls: number[] = [];
    const began = performance.now();
    for (let spent = 0; rounds.length < LEAST_ROUNDS || (spent < MEASURED_MS && rounds.length < MOST_ROUNDS); ) {
      calls.push(timeStep(model, 0, 0));
      rounds.push(timeRound(model, fill));
      meter.sample();
      spent = performance.now() - began;
      if (rounds.length % 16 === 0 || (rounds.at(-1) as Timeline).ms > 50) {
        progress.update("profiling", Math.round(Math.min(spent, MEASURED_MS)), MEASURED_MS);
        await pause();
      }
    }
    return { rounds, callMs: median(calls), peaks: meter.result() };
  } finally {
    progress.stop();
  }
}

function timeRound(model: Inspectable, fill: () => void): Timeline {
  fill();
  const began = performance.now();
  const steps: { startMs: number; ms: number }[] = [];
  for (let step = 0; step < model.plan.steps.length; step++) {
    const startMs = performance.now() - began;
    steps.push({ startMs, ms: timeStep(model, step, step + 1) });
  }
  return { ms: performance.now() - began, steps };
}

function timeStep(model: Inspectable, from: number, to: number): number {
  const start = performance.now();
  model.runSteps(from, to);
  return performance.now() - start;
}

function summarise(
  { plan, metadata, constants }: Program,
  build: BuildName,
  fastFloat: boolean,
  { rounds, callMs, peaks }: Measurement,
): Profile {
  const times = plan.steps.map((_, step) => Math.max(0, median(rounds.map(({ steps }) => steps[step]?.ms ?? 0)) - callMs));
  const stepsMs = sum(times);
  const rows = plan.steps.map((words, step) => {
    const { macs, denseMacs, peak, shape } = workOf(words, build, fastFloat, weightsOf(words, constants)?.blocks);
    const ms = times[step] as number;
    const { op = "", nodes = [] } = metadata.steps[step] ?? {};
    const kernel = layoutOf(words[OPCODE] as number)?.name ?? "?";
    const row = {
      step,
      kernel,
      op,
      nodes,
      shape,
      ms,
      share: share(ms, stepsMs),
      macs,
      ...(denseMacs && { denseMacs }),
      ...(peak && { peak }),
    };
    return { ...row, ...rateOf(macs, ms, macs / ((peak && peaks[peak]) ?? Number.POSITIVE_INFINITY)) };
  });
  const kernels = [...new Set(rows.map(({ kernel }) => kernel))].map((kernel) => {
    const own = rows.filter((row) => row.kernel === kernel);
    const [ms, macs] = [sum(own.map((row) => row.ms)), sum(own.map((row) => row.macs))];
    const peakTime = sum(own.map((row) => (row.ofPeak ?? 0) * row.ms * 1e6));
    return { kernel, steps: own.length, ms, share: share(ms, stepsMs), macs, ...rateOf(macs, ms, peakTime) };
  });
  const timeline = [...rounds].sort((a, b) => a.ms - b.ms)[rounds.length >> 1] as Timeline;
  return {
    steps: rows,
    kernels: kernels.sort((a, b) => b.ms - a.ms),
    build,
    peaks,
    stepsMs,
    macs: sum(rows.map(({ macs }) => macs)),
    rounds: rounds.length,
    timeline,
  };
}

/** @param leastNs the time that the MACs would take at the peak */
function rateOf(macs: number, ms: number, leastNs: number): { readonly gmacPerS?: number; readonly ofPeak?: number } {
  return macs === 0 || ms === 0 ? {} : { gmacPerS: macs / ms / 1e6, ofPeak: leastNs / ms / 1e6 };
}

function share(part: number, whole: number): number {
  return whole === 0 ? 0 : part / whole;
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
