/** Compares the int8 model with the float32 one on samples: outputs, and every quantized value in between. */
import { shareOut } from "../crew/share.ts";
import type { Trade } from "../crew/trade.ts";
import type { Graph } from "../ir/graph.ts";
import { NoiseMeter, type NoiseSums } from "../report/sqnr.ts";
import { type Compiled, compileGraph, GraphRunner, type Runnable, runnable } from "../run/graph-runner.ts";
import { crewOf, portableSample, type Sample, type Watch } from "./calibrate.ts";
import type { QuantizedForm } from "./insert.ts";

/** Agreement of one tensor over all samples. */
export interface Agreement {
  readonly name: string;
  readonly sqnrDb: number;
  readonly maxAbs: number;
}

/** Agreement of the outputs and of the quantized values, in the order of computation. */
export interface Comparison {
  readonly outputs: readonly Agreement[];
  readonly values: readonly Agreement[];
}

type NamedSums = readonly (readonly [string, NoiseSums])[];

/** Compares two models on a sample. */
export const comparing: Trade<
  { readonly float: Runnable; readonly int8: Runnable; readonly parameters: ReadonlyMap<string, QuantizedForm> },
  Sample,
  { readonly outputs: NamedSums; readonly values: NamedSums }
> = {
  name: "comparing",
  open({ float, int8, parameters }, { module }) {
    const reference = new GraphRunner(float, module);
    const measured = new GraphRunner(int8, module);
    const originals = new Map([...parameters].map(([name, { quantized }]) => [quantized, name]));
    const wanted = new Set(originals.keys());
    const kept = new Set(parameters.keys());
    return {
      call(sample) {
        const seen = new Map<string, { readonly data: Float32Array; readonly isChannelsLast: boolean }>();
        reference.run(
          sample,
          ({ name, data, isChannelsLast }) => {
            seen.set(name, { data: (data as Float32Array).slice(), isChannelsLast });
          },
          kept,
        );
        const values: (readonly [string, NoiseSums])[] = [];
        measured.run(
          sample,
          ({ name, data, isChannelsLast }) => {
            const original = originals.get(name)!;
            const value = seen.get(original);
            if (!value || value.isChannelsLast !== isChannelsLast || value.data.length !== data.length) return;
            const { scale, zeroPoint } = parameters.get(original)!;
            const meter = new NoiseMeter();
            meter.addQuantized(value.data, data as Int8Array, scale, zeroPoint);
            values.push([original, meter.sums]);
          },
          wanted,
        );
        const outputs = reference.outputNames.map((name) => {
          const meter = new NoiseMeter();
          meter.add(numbers(reference.output(name)), numbers(measured.output(name)));
          return [name, meter.sums] as const;
        });
        return { outputs, values };
      },
      dispose() {
        reference.dispose();
        measured.dispose();
      },
    };
  },
};

/** Runs both models on the samples. `parameters` name the values that are quantized, by their names in the float32 graph. */
export async function compareModels(
  float: Compiled,
  int8: Compiled,
  module: WebAssembly.Module,
  samples: readonly Sample[],
  parameters: ReadonlyMap<string, QuantizedForm>,
  watch: Watch,
): Promise<Comparison> {
  const init = { float: runnable(float), int8: runnable(int8), parameters };
  const { results } = await shareOut(crewOf(watch, module), comparing, init, samples.map(portableSample), {
    pause: watch.pause,
    done: (count) => watch.step(count, samples.length),
  });
  return { outputs: agreements(results.map(({ outputs }) => outputs)), values: agreements(results.map(({ values }) => values)) };
}

/** As `compareModels`, a quantized graph with a model that has values of the same names. */
export function compareQuantized(
  float: Compiled,
  { graph, parameters }: { readonly graph: Graph; readonly parameters: ReadonlyMap<string, QuantizedForm> },
  module: WebAssembly.Module,
  samples: readonly Sample[],
  watch: Watch,
): Promise<Comparison> {
  return compareModels(float, compileGraph(graph, float.program.metadata), module, samples, parameters, watch);
}

/** Of all samples together, in the order in which they came. */
function agreements(all: readonly NamedSums[]): readonly Agreement[] {
  const meters = new Map<string, NoiseMeter>();
  for (const [name, sums] of all.flat()) {
    const meter = meters.get(name) ?? new NoiseMeter();
    meters.set(name, meter);
    meter.addSums(sums);
  }
  return [...meters].map(([name, { sqnrDb, maxAbs }]) => ({ name, sqnrDb, maxAbs }));
}

function numbers(data: ArrayLike<number> | BigInt64Array): ArrayLike<number> {
  return data instanceof BigInt64Array ? Float64Array.from(data, Number) : data;
}
