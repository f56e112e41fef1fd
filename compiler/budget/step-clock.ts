/**
 * How long steps take on this machine, by their keys (plan/step-key.ts), in the build that `load` would choose here. What a table knows is not
 * measured again: with the same complete table the same models are made everywhere.
 */
import { type ChosenBuild, chooseBuild } from "../../host/builds.ts";
import { fillGolden } from "../../host/golden.ts";
import { type Inspectable, openProgram } from "../../host/inspection.ts";
import { CompileError } from "../errors.ts";
import type { Pause } from "../event-loop.ts";
import type { Compiled } from "../run/graph-runner.ts";

/** Times of steps. */
export interface LatencyTable {
  /** The build that they were measured with. */
  readonly build: string;
  /** Milliseconds by key. */
  readonly ms: Readonly<Record<string, number>>;
}

/** Rounds of a whole plan: to warm it up, and to take the median of. */
const WARM_UP_MS = 30;
const MEASURED_MS = 200;
const FEWEST_ROUNDS = 9;
const MOST_ROUNDS = 500;

/** Times of steps, measured as they are asked for. */
export class StepClock {
  private readonly build: ChosenBuild;
  private readonly known: Map<string, number>;
  /** Keys that no given table held. */
  measured = 0;

  private constructor(build: ChosenBuild, known: Map<string, number>) {
    this.build = build;
    this.known = known;
  }

  /** Throws `other-build` where the table was measured with a build that would not run here. */
  static async create(given: LatencyTable | undefined): Promise<StepClock> {
    const build = await chooseBuild();
    if (given && given.build !== build.name) {
      throw new CompileError(
        "other-build",
        `The latency table was measured with the ${given.build} build, and here the ${build.name} build runs. Measure another table here.`,
        { expected: build.name, got: given.build },
        "usage",
      );
    }
    return new StepClock(build, new Map(Object.entries(given?.ms ?? {})));
  }

  /** The time of each step of a model as it ships, in ms. */
  async msOf(compiled: Compiled, pause: Pause): Promise<readonly number[]> {
    const keys = compiled.stepKeys();
    if (keys.some((key) => !this.known.has(key))) {
      const times = await this.measure(compiled, pause);
      for (const key of new Set(keys)) {
        if (this.known.has(key)) continue;
        const own = times.filter((_, step) => keys[step] === key);
        this.known.set(key, own.reduce((sum, ms) => sum + ms, 0) / own.length);
        this.measured++;
      }
    }
    return keys.map((key) => this.known.get(key)!);
  }

  /** All times that are known, by ascending keys. */
  table(): LatencyTable {
    const ms = Object.fromEntries([...this.known].sort(([a], [b]) => (a < b ? -1 : 1)));
    return { build: this.build.name, ms };
  }

  private async measure({ program }: Compiled, pause: Pause): Promise<readonly number[]> {
    const model = openProgram(program, this.build.module);
    try {
      const rounds: (readonly number[])[] = [];
      const calls: number[] = [];
      for (const end = performance.now() + WARM_UP_MS; performance.now() < end; ) timeRound(model);
      for (const end = performance.now() + MEASURED_MS; rounds.length < FEWEST_ROUNDS || performance.now() < end; ) {
        await pause();
        calls.push(timeSteps(model, 0, 0));
        rounds.push(timeRound(model));
        if (rounds.length === MOST_ROUNDS) break;
      }
      const call = median(calls);
      return model.plan.steps.map((_, step) => Math.max(0, median(rounds.map((times) => times[step]!)) - call));
    } finally {
      model.dispose();
    }
  }
}

function timeRound(model: Inspectable): readonly number[] {
  for (const [i, input] of [...model.inputs.values()].entries())
    fillGolden(input, i, { low: 0, high: input instanceof Float32Array ? 1 : 0 });
  return model.plan.steps.map((_, step) => timeSteps(model, step, step + 1));
}

function timeSteps(model: Inspectable, from: number, to: number): number {
  const start = performance.now();
  model.runSteps(from, to);
  return performance.now() - start;
}

function median(times: readonly number[]): number {
  return [...times].sort((a, b) => a - b)[times.length >> 1]!;
}
