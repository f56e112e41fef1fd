/** How long one inference takes on this machine, in both precisions: a number for people, which no byte of a file depends on. */
import type { Sample } from "../quantize/calibrate.ts";
import type { GraphRunner } from "./graph-runner.ts";

/** Medians in milliseconds. */
export interface Latency {
  readonly float32Ms: number;
  readonly int8Ms: number;
}

const WARM_UP_MS = 10;
const MEASURE_MS = 50;
const FEWEST_ROUNDS = 3;

/**
 * Runs both models in turns, first to warm them up, then to measure: at least three rounds, then as many as fit into 50 ms.
 * Calibration has let the engine optimise the code before.
 */
export function measureLatency(float: GraphRunner, int8: GraphRunner, sample: Sample): Latency {
  rounds(float, int8, sample, WARM_UP_MS);
  const times = rounds(float, int8, sample, MEASURE_MS);
  return { float32Ms: median(times.float), int8Ms: median(times.int8) };
}

function rounds(
  float: GraphRunner,
  int8: GraphRunner,
  sample: Sample,
  budgetMs: number,
): { readonly float: number[]; readonly int8: number[] } {
  const times = { float: [] as number[], int8: [] as number[] };
  const end = performance.now() + budgetMs;
  while (times.float.length < FEWEST_ROUNDS || performance.now() < end) {
    times.float.push(timeOne(float, sample));
    times.int8.push(timeOne(int8, sample));
  }
  return times;
}

function timeOne(runner: GraphRunner, sample: Sample): number {
  const start = performance.now();
  runner.run(sample);
  return performance.now() - start;
}

function median(times: readonly number[]): number {
  const sorted = [...times].sort((a, b) => a - b);
  return sorted[sorted.length >> 1]!;
}
