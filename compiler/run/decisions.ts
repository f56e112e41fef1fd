/** What decides a model's outputs, and how far two models are apart in it. */
import type { Graph, Value } from "../ir/graph.ts";
import type { Description } from "../plan/plan.ts";
import type { Sample } from "../quantize/calibrate.ts";
import { type Compiled, compileGraph, GraphRunner } from "./graph-runner.ts";

/** Operators that only squeeze what a network has decided. */
const SQUEEZING = new Set(["Softmax", "LogSoftmax", "Sigmoid", "Identity"]);

/** Results of a graph, sample by sample: its outputs, each taken before a final Softmax or Sigmoid, which would hide what changes. */
export type Decisions = readonly (readonly Float64Array[])[];

/** Runs a graph and gathers what decides its outputs. */
export async function decisionsOf(
  graph: Graph,
  description: Description,
  module: WebAssembly.Module,
  samples: readonly Sample[],
  pause: () => Promise<void>,
): Promise<{ readonly compiled: Compiled; readonly decisions: Decisions }> {
  const compiled = compileGraph(graph, description);
  const names = graph.outputs.map((output) => decisive(output));
  const wanted = new Set(names.filter((name) => compiled.observables.has(name)));
  const runner = new GraphRunner(compiled, module);
  const decisions: Float64Array[][] = [];
  try {
    for (const sample of samples) {
      await pause();
      const seen = new Map<string, Float64Array>();
      runner.run(sample, ({ name, data }) => seen.set(name, Float64Array.from(data as ArrayLike<number>, Number)), wanted);
      decisions.push(
        names.map((name, i) => seen.get(name) ?? Float64Array.from(runner.output(runner.outputNames[i]!) as ArrayLike<number>, Number)),
      );
    }
  } finally {
    runner.dispose();
  }
  return { compiled, decisions };
}

function decisive(output: Value): string {
  let value = output;
  while (value.producer && SQUEEZING.has(value.producer.op) && value.producer.inputs[0]) value = value.producer.inputs[0];
  return value.name;
}

/** Mean square of the difference as a part of the signal's, of the output where it is largest. Infinite where a result is not finite. */
export function distance(expected: Decisions, measured: Decisions): number {
  let worst = 0;
  for (const output of expected[0]!.keys()) {
    let signal = 0;
    let noise = 0;
    for (const [i, results] of expected.entries()) {
      const [a, b] = [results[output]!, measured[i]![output]!];
      for (let k = 0; k < a.length; k++) {
        const d = b[k]! - a[k]!;
        signal += a[k]! * a[k]!;
        noise += d * d;
      }
    }
    const part = noise === 0 ? 0 : noise / signal;
    if (!(part <= worst)) worst = Number.isFinite(part) ? part : Number.POSITIVE_INFINITY;
  }
  return worst;
}
