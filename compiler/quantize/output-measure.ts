/**
 * How well a model's outputs agree with the float32 model's, in one number to choose by: the SQNR of each sample by itself, in dB, averaged
 * over the samples, of the output where that is least. One sample on which a network is undecided does not outweigh the others.
 */
import { NoiseMeter } from "../report/sqnr.ts";
import { type Compiled, GraphRunner } from "../run/graph-runner.ts";
import type { Sample } from "./calibrate.ts";

/** What a model gives for one sample: its outputs, in their order. */
export type Outputs = readonly ArrayLike<number>[];

/** Runs a model on samples. */
export async function outputsOf(
  compiled: Compiled,
  module: WebAssembly.Module,
  samples: readonly Sample[],
  pause: () => Promise<void>,
): Promise<readonly Outputs[]> {
  const runner = new GraphRunner(compiled, module);
  const found: Outputs[] = [];
  try {
    for (const sample of samples) {
      await pause();
      runner.run(sample);
      found.push(runner.outputNames.map((name) => numbers(runner.output(name))));
    }
  } finally {
    runner.dispose();
  }
  return found;
}

/** The agreement of what was measured with what was expected of the same samples, in dB. */
export function meanSqnrDb(expected: readonly Outputs[], measured: readonly Outputs[]): number {
  const decibels = expected[0]!.map((_, output) => {
    let total = 0;
    for (const [i, outputs] of expected.entries()) {
      const meter = new NoiseMeter();
      meter.add(outputs[output]!, measured[i]![output]!);
      total += meter.sqnrDb;
    }
    return total / expected.length;
  });
  return Math.min(...decibels);
}

/** A measure of models against `float`, which runs once. */
export function outputMeasure(
  float: Compiled,
  module: WebAssembly.Module,
  samples: readonly Sample[],
  pause: () => Promise<void>,
): (compiled: Compiled) => Promise<number> {
  let reference: Promise<readonly Outputs[]> | null = null;
  return async (compiled) => {
    reference ??= outputsOf(float, module, samples, pause);
    return meanSqnrDb(await reference, await outputsOf(compiled, module, samples, pause));
  };
}

function numbers(data: ArrayLike<number> | BigInt64Array): ArrayLike<number> {
  return data instanceof BigInt64Array ? Float64Array.from(data, Number) : data;
}
