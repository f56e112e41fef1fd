/** Compares the int8 model with the float32 one on samples: outputs, and every quantized value in between. */
import { NoiseMeter } from "../report/sqnr.ts";
import { type Compiled, GraphRunner } from "../run/graph-runner.ts";
import type { Sample, Watch } from "./calibrate.ts";
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

/** Runs both models on the samples. `parameters` name the values that are quantized, by their names in the float32 graph. */
export async function compareModels(
  float: Compiled,
  int8: Compiled,
  module: WebAssembly.Module,
  samples: readonly Sample[],
  parameters: ReadonlyMap<string, QuantizedForm>,
  watch: Watch,
): Promise<Comparison> {
  const reference = new GraphRunner(float, module);
  const measured = new GraphRunner(int8, module);
  const meters = new Map<string, NoiseMeter>();
  const outputs = new Map(reference.outputNames.map((name) => [name, new NoiseMeter()]));
  const originals = new Map([...parameters].map(([name, { quantized }]) => [quantized, name]));
  const wanted = new Set(originals.keys());
  const values = new Set(parameters.keys());
  for (const [i, sample] of samples.entries()) {
    await watch.pause();
    const seen = new Map<string, { readonly data: Float32Array; readonly isChannelsLast: boolean }>();
    reference.run(
      sample,
      ({ name, data, isChannelsLast }) => {
        seen.set(name, { data: (data as Float32Array).slice(), isChannelsLast });
      },
      values,
    );
    measured.run(
      sample,
      ({ name, data, isChannelsLast }) => {
        const original = originals.get(name)!;
        const value = seen.get(original);
        if (!value || value.isChannelsLast !== isChannelsLast || value.data.length !== data.length) return;
        const { scale, zeroPoint } = parameters.get(original)!;
        let meter = meters.get(original);
        if (!meter) {
          meter = new NoiseMeter();
          meters.set(original, meter);
        }
        meter.addQuantized(value.data, data as Int8Array, scale, zeroPoint);
      },
      wanted,
    );
    for (const [name, meter] of outputs) meter.add(numbers(reference.output(name)), numbers(measured.output(name)));
    watch.step(i + 1, samples.length);
  }
  reference.dispose();
  measured.dispose();
  const agreements = (from: ReadonlyMap<string, NoiseMeter>): Agreement[] =>
    [...from].map(([name, { sqnrDb, maxAbs }]) => ({ name, sqnrDb, maxAbs }));
  return { outputs: agreements(outputs), values: agreements(meters) };
}

function numbers(data: ArrayLike<number> | BigInt64Array): ArrayLike<number> {
  return data instanceof BigInt64Array ? Float64Array.from(data, Number) : data;
}
