/** `eqm bench`: how fast a .eqm loads and runs here, and where the time goes. */

import { basename } from "node:path";
import { chooseBuild } from "../../../host/builds.ts";
import type { TensorDescription } from "../../../host/description.ts";
import { fillGolden, type GoldenRange } from "../../../host/golden.ts";
import type { LoadStage } from "../../../host/load.ts";
import type { Model } from "../../../host/model.ts";
import { programsOf } from "../../../host/program.ts";
import { readEqm } from "../../../host/reader.ts";
import { createScanner } from "../../../host/scanner.ts";
import { elementCount, newArray, type Tensor } from "../../../host/tensor.ts";
import { bindingText } from "../../bindings.ts";
import { readBytes } from "../data/file.ts";
import { plansWith, type SizeChoice } from "../data/plan-choice.ts";
import { badFile } from "../errors.ts";
import { pause } from "../interruption.ts";
import { loadModel, modelKind, withPath } from "../model-file.ts";
import { startProgress } from "../output/progress.ts";
import type { Result } from "../output/result.ts";
import { formatFacts } from "../output/table.ts";
import { formatBytes, formatMs } from "../output/units.ts";
import { checkOutput, writeFileWhole } from "../output/write-file.ts";
import { median } from "../profile/median.ts";
import { type Profile, profileProgram } from "../profile/profile.ts";
import { profileTables } from "../profile/tables.ts";
import { chromeTrace } from "../profile/trace.ts";

/** Checked options of the command. */
export interface BenchOptions {
  readonly profile: boolean;
  /** Print only so many steps, the slowest first. */
  readonly top: number | undefined;
  /** Where a Chrome trace of one run goes. */
  readonly trace: string | undefined;
  /** Which plan of several is measured; all of them where nothing is said. */
  readonly shapes: SizeChoice;
  readonly force: boolean;
  readonly fastFloat: boolean;
  readonly threads: number;
}

const WARM_UP_MS = 300;
const MEASURED_MS = 600;
const LEAST_RUNS = 10;

/**
 * Runs the command. JSON: `{ warmMs: { median, min }, coldMs, loadMs, loadStagesMs, features, runs, memoryBytes, bytes }`, and of a profile `{ steps, kernels,
 * peaks, stepsMs, macs, rounds }` (profile/profile.ts) with every step. `coldMs` is load and first run in a process that loaded nothing before; `loadStagesMs` as LoadStage;
 * inputs are pseudo-random, in the calibrated ranges where the file has them. Of several plans the figures are the first one's, or that of
 * `shapes`, and `plans: [{ sizes, warmMs, runs }]` has all that were measured.
 *
 * @throws CompileError, EqmError
 */
export async function bench(
  path: string,
  { profile: wanted, top, trace, shapes, force, fastFloat, threads }: BenchOptions,
): Promise<Result> {
  if (trace !== undefined) checkOutput(trace, force, [path]);
  const bytes = readBytes(path);
  if (modelKind(bytes, path) !== "eqm") throw badFile(path, "it is no .eqm; compile the model first.");
  const started = performance.now();
  const stages: Partial<Record<LoadStage, number>> = {};
  const onStage = (stage: LoadStage, ms: number): void => {
    stages[stage] = ms;
  };
  const model = await withPath(path, () => loadModel(bytes, { fastFloat, threads, onStage }));
  const loadMs = performance.now() - started;
  const chosen = plansWith(model.plans, shapes);
  const inputs = feedsOf(chosen[0].inputs, undefined);
  const firstRun = performance.now();
  model.run(inputs);
  const firstRunMs = performance.now() - firstRun;
  const coldMs = loadMs + firstRunMs;

  const build = await chooseBuild();
  const programs = programsOf(readEqm(bytes, createScanner(build.module)));
  await model.warmup();
  const measured: (Warm & { readonly sizes: Readonly<Record<string, number>> })[] = [];
  for (const plan of chosen) {
    const feeds = feedsOf(plan.inputs, programs[model.plans.indexOf(plan)]!.golden?.ranges);
    measured.push({ sizes: Object.fromEntries(plan.sizes.map(({ name, size }) => [name, size])), ...(await warmTimes(model, feeds)) });
  }
  const { features, memoryBytes } = model;
  model.dispose();
  const program = programs[model.plans.indexOf(chosen[0])]!;
  const profile = wanted ? await profileProgram(program, build, fastFloat) : undefined;
  if (profile !== undefined && trace !== undefined) writeFileWhole(trace, chromeTrace(profile, basename(path)), force);
  const { warmMs, runs } = measured[0]!;
  const facts = formatFacts([
    ...measured.map(
      ({ sizes, warmMs, runs }) =>
        [
          measured.length === 1 ? "warm" : `warm, ${bindingText(sizes)}`,
          `${formatMs(warmMs.median)} median, ${formatMs(warmMs.min)} least, of ${runs} runs`,
        ] as const,
    ),
    [
      "cold",
      `${formatMs(coldMs)} to load and run once: ${Object.entries({ ...stages, "first run": firstRunMs })
        .map(([stage, ms]) => `${stage} ${formatMs(ms)}`)
        .join(", ")}`,
    ],
    ["memory", formatBytes(memoryBytes)],
    [
      "features",
      Object.entries(features)
        .map(([name, value]) => `${name} ${value}`)
        .join(", "),
    ],
  ]);
  return {
    json: {
      warmMs,
      coldMs,
      loadMs,
      loadStagesMs: stages,
      features,
      runs,
      memoryBytes,
      bytes: bytes.length,
      ...(model.plans.length > 1 && { plans: measured }),
      ...(profile !== undefined && profileJson(profile)),
    },
    text: profile === undefined ? facts : `${facts}\n${profileTables(profile, top)}`,
  };
}

function profileJson({ timeline: _, ...profile }: Profile): object {
  return profile;
}

/** Pseudo-random inputs, with their shapes, which choose the plan. */
function feedsOf(inputs: readonly TensorDescription[], ranges: readonly GoldenRange[] | undefined): Record<string, Tensor> {
  return Object.fromEntries(
    inputs.map(({ name, dtype, shape }, at) => {
      const array = newArray(dtype, elementCount(shape));
      const range = ranges?.[at] ?? { low: 0, high: dtype === "float32" ? 1 : 0 };
      fillGolden(array, at, range);
      return [name, { dtype, shape, data: array }];
    }),
  );
}

interface Warm {
  readonly warmMs: { readonly median: number; readonly min: number };
  readonly runs: number;
}

async function warmTimes(model: Model, feeds: Readonly<Record<string, Tensor>>): Promise<Warm> {
  const run = (): unknown => model.run(feeds);
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
    return { warmMs: { median: median(times), min: times.reduce((least, ms) => Math.min(least, ms)) }, runs: times.length };
  } finally {
    progress.stop();
  }
}
