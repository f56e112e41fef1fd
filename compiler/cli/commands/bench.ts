/** `eqm bench`: how fast a .eqm loads and runs here. */

import { OPCODE } from "../../../format/plan.ts";
import { runtimeModule } from "../../../host/builds.ts";
import { fillGolden, type GoldenRange } from "../../../host/golden.ts";
import { createHasher } from "../../../host/hash.ts";
import { openProgram } from "../../../host/inspection.ts";
import { layoutOf } from "../../../host/layouts.ts";
import { load } from "../../../host/load.ts";
import type { TensorDescription } from "../../../host/model.ts";
import type { Program } from "../../../host/program.ts";
import { readEqm } from "../../../host/reader.ts";
import { elementCount, newArray, type TypedArray } from "../../../host/tensor.ts";
import { readBytes } from "../data/file.ts";
import { badFile } from "../errors.ts";
import { pause } from "../interruption.ts";
import { modelKind, withPath } from "../model-file.ts";
import { startProgress } from "../output/progress.ts";
import type { Result } from "../output/result.ts";
import { formatFacts, formatTable } from "../output/table.ts";
import { formatBytes, formatMs, formatPercent } from "../output/units.ts";

/** Checked options of the command. */
export interface BenchOptions {
  readonly profile: boolean;
}

const WARM_UP_MS = 300;
const MEASURED_MS = 600;
const LEAST_RUNS = 10;
const PROFILE_ROUNDS = 15;

interface StepTime {
  readonly step: number;
  readonly kernel: string;
  readonly op: string;
  readonly nodes: readonly string[];
  readonly ms: number;
}

/**
 * Runs the command. JSON: `{ warmMs: { median, min }, coldMs, features, runs, memoryBytes, bytes, steps? }`. `coldMs` is load and first run in a
 * process that loaded nothing before; inputs are pseudo-random, in the calibrated ranges where the file has them.
 *
 * @throws CompileError, EqmError
 */
export async function bench(path: string, { profile }: BenchOptions): Promise<Result> {
  const bytes = readBytes(path);
  if (modelKind(bytes, path) !== "eqm") throw badFile(path, "it is no .eqm; compile the model first.");
  const started = performance.now();
  const model = await withPath(path, () => load(bytes));
  const loadMs = performance.now() - started;
  const inputs = feedsOf(model.inputs, undefined);
  const firstRun = performance.now();
  model.run(inputs);
  const coldMs = loadMs + performance.now() - firstRun;

  const module = await runtimeModule("plain");
  const program = readEqm(bytes, createHasher(module));
  const feeds = feedsOf(model.inputs, program.golden?.ranges);
  const times = await warmTimes(() => model.run(feeds));
  const { features, memoryBytes } = model;
  model.dispose();
  const steps = profile ? await profileSteps(program, module) : undefined;
  const warmMs = { median: median(times), min: Math.min(...times) };
  const facts = formatFacts([
    ["warm", `${formatMs(warmMs.median)} median, ${formatMs(warmMs.min)} least, of ${times.length} runs`],
    ["cold", `${formatMs(coldMs)} to load and run once (load ${formatMs(loadMs)})`],
    ["memory", formatBytes(memoryBytes)],
    [
      "features",
      Object.entries(features)
        .map(([name, value]) => `${name} ${value}`)
        .join(", "),
    ],
  ]);
  return {
    json: { warmMs, coldMs, loadMs, features, runs: times.length, memoryBytes, bytes: bytes.length, ...(steps !== undefined && { steps }) },
    text: steps === undefined ? facts : `${facts}\n${profileTable(steps)}`,
  };
}

function feedsOf(inputs: readonly TensorDescription[], ranges: readonly GoldenRange[] | undefined): Record<string, TypedArray> {
  return Object.fromEntries(
    inputs.map(({ name, dtype, shape }, at) => {
      const array = newArray(dtype, elementCount(shape));
      const range = ranges?.[at] ?? { low: 0, high: dtype === "float32" ? 1 : 0 };
      fillGolden(array, at, range);
      return [name, array];
    }),
  );
}

async function warmTimes(run: () => void): Promise<readonly number[]> {
  const progress = startProgress();
  try {
    for (const end = performance.now() + WARM_UP_MS; performance.now() < end; ) run();
    const times: number[] = [];
    for (let spent = 0; spent < MEASURED_MS || times.length < LEAST_RUNS; ) {
      const start = performance.now();
      run();
      const ms = performance.now() - start;
      times.push(ms);
      spent += ms;
      if (times.length % 16 === 0 || ms > 50) {
        progress.update("measuring", Math.round(Math.min(spent, MEASURED_MS)), MEASURED_MS);
        await pause();
      }
    }
    return times;
  } finally {
    progress.stop();
  }
}

async function profileSteps(program: Program, module: Awaited<ReturnType<typeof runtimeModule>>): Promise<readonly StepTime[]> {
  const model = openProgram(program, module);
  for (const [at, array] of [...model.inputs.values()].entries())
    fillGolden(array, at, program.golden?.ranges[at] ?? { low: 0, high: array instanceof Float32Array ? 1 : 0 });
  const times: number[][] = program.plan.steps.map(() => []);
  for (let round = 0; round < PROFILE_ROUNDS; round++) {
    for (let step = 0; step < times.length; step++) {
      const start = performance.now();
      model.runSteps(step, step + 1);
      (times[step] as number[]).push(performance.now() - start);
    }
    await pause();
  }
  model.dispose();
  return times.map((own, step) => ({
    step,
    kernel: layoutOf((program.plan.steps[step] as Int32Array)[OPCODE] as number)?.name ?? "?",
    op: program.metadata.steps[step]?.op ?? "",
    nodes: program.metadata.steps[step]?.nodes ?? [],
    ms: median(own),
  }));
}

function profileTable(steps: readonly StepTime[]): string {
  const total = steps.reduce((sum, { ms }) => sum + ms, 0);
  const columns = [
    { title: "step", align: "right" as const },
    { title: "kernel" },
    { title: "op" },
    { title: "time", align: "right" as const },
    { title: "share", align: "right" as const },
    { title: "nodes" },
  ];
  const rows = [...steps]
    .sort((a, b) => b.ms - a.ms || a.step - b.step)
    .map(({ step, kernel, op, nodes, ms }) => [String(step), kernel, op, formatMs(ms), formatPercent(ms / total), nodes.join(", ")]);
  return formatTable(columns, rows);
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? (sorted[middle] as number) : ((sorted[middle - 1] as number) + (sorted[middle] as number)) / 2;
}
