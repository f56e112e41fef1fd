/**
 * How well a model's outputs agree with the float32 model's, in one number to choose by: the SQNR of each sample by itself, in dB, averaged
 * over the samples, of the output where that is least. One sample on which a network is undecided does not outweigh the others. Probabilities are
 * compared by their logarithms: of a network that is sure of itself hardly anything can be seen in the probabilities.
 */
import * as Opcode from "../../format/opcodes.ts";
import { OPCODE } from "../../format/plan.ts";
import * as Softmax from "../../format/steps/softmax.ts";
import { shareOut } from "../crew/share.ts";
import type { Trade } from "../crew/trade.ts";
import { log } from "../ops/mathematics.ts";
import { NoiseMeter } from "../report/sqnr.ts";
import { type Compiled, GraphRunner, type Runnable, runnable } from "../run/graph-runner.ts";
import { crewOf, portableSample, type Sample, type Watch } from "./calibrate.ts";

/** Less than this is as good as none. */
const LEAST_PROBABILITY = 2 ** -40;

/** What a model gives for one sample: its outputs, in their order; of probabilities the logarithms, less their mean. */
type Outputs = readonly ArrayLike<number>[];

/** Runs a model on a sample; of outputs that are probabilities `classes` says how many make one distribution. */
export const running: Trade<{ readonly compiled: Runnable; readonly classes: readonly number[] }, Sample, Outputs> = {
  name: "running",
  open({ compiled, classes }, { module }) {
    const runner = new GraphRunner(compiled, module);
    return {
      call(sample) {
        runner.run(sample);
        return runner.outputNames.map((name, i) => centredLogarithms(numbers(runner.output(name)), classes[i]!));
      },
      dispose: () => runner.dispose(),
    };
  },
};

/** Runs a model on samples. */
async function outputsOf(
  compiled: Compiled,
  module: WebAssembly.Module,
  samples: readonly Sample[],
  watch: Pick<Watch, "pause" | "crew">,
): Promise<readonly Outputs[]> {
  const classes = compiled.program.metadata.outputs.map(({ address }) => classesAt(compiled, address));
  const init = { compiled: runnable(compiled), classes };
  return (await shareOut(crewOf(watch, module), running, init, samples.map(portableSample), watch)).results;
}

/** The agreement of what was measured with what was expected of the same samples, in dB. */
function meanSqnrDb(expected: readonly Outputs[], measured: readonly Outputs[]): number {
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

/** The lower of that and the SQNR of all samples together, which loud ones decide, of the output where it is least, in dB. */
export function leastSqnrDb(expected: readonly Outputs[], measured: readonly Outputs[]): number {
  const meters = expected[0]!.map(() => new NoiseMeter());
  for (const [i, outputs] of expected.entries()) {
    for (const [output, meter] of meters.entries()) meter.add(outputs[output]!, measured[i]![output]!);
  }
  return Math.min(meanSqnrDb(expected, measured), ...meters.map(({ sqnrDb }) => sqnrDb));
}

/** A measure of models against `float`, which runs once; `judge` compares outputs. */
export function outputMeasure(
  float: Compiled,
  module: WebAssembly.Module,
  samples: readonly Sample[],
  watch: Pick<Watch, "pause" | "crew">,
  judge: (expected: readonly Outputs[], measured: readonly Outputs[]) => number = meanSqnrDb,
): (compiled: Compiled) => Promise<number> {
  let reference: Promise<readonly Outputs[]> | null = null;
  return async (compiled) => {
    reference ??= outputsOf(float, module, samples, watch);
    return judge(await reference, await outputsOf(compiled, module, samples, watch));
  };
}

/** How many probabilities make one distribution in the output at an address of the data region; 0: they are none. */
function classesAt({ program: { plan } }: Compiled, address: number): number {
  const step = [...plan.steps].reverse().find((words) => words[OPCODE] === Opcode.SOFTMAX && words[Softmax.DST] === address);
  return step && step[Softmax.LOG] === 0 && step[Softmax.INNER] === 1 ? step[Softmax.COUNT]! : 0;
}

function centredLogarithms(data: ArrayLike<number>, classes: number): ArrayLike<number> {
  if (classes === 0) return data;
  const logarithms = Float64Array.from(data, (p) => log(Math.max(p, LEAST_PROBABILITY)));
  for (let first = 0; first < logarithms.length; first += classes) {
    const row = logarithms.subarray(first, first + classes);
    const mean = row.reduce((a, b) => a + b, 0) / classes;
    row.forEach((x, i) => {
      row[i] = x - mean;
    });
  }
  return logarithms;
}

function numbers(data: ArrayLike<number> | BigInt64Array): ArrayLike<number> {
  return data instanceof BigInt64Array ? Float64Array.from(data, Number) : data;
}
