/**
 * What the outputs lose by one value alone being quantized: the float32 model runs up to the value, the value is rounded as its int8 form
 * would be, and the rest of the model runs on. What is alive at that point is put back, so that each value costs the steps behind it only.
 */
import { openProgram } from "../../host/inspection.ts";
import { elementCount, viewArray } from "../../host/tensor.ts";
import { roundHalfEven } from "../lower/rescale.ts";
import { type Compiled, GraphRunner } from "../run/graph-runner.ts";
import { livePieces } from "../run/sample-walk.ts";
import type { Sample, Watch } from "./calibrate.ts";
import type { Parameters } from "./ranges.ts";

/** Noise over signal of each output, in the order of the model's outputs. */
export type OutputNoise = readonly number[];

/** The noise that each of `values` alone brings to the outputs of `float`, summed over the samples; values that cannot be observed are left out. */
export async function sensitivities(
  float: Compiled,
  module: WebAssembly.Module,
  samples: readonly Sample[],
  values: ReadonlyMap<string, Parameters>,
  watch: Watch,
): Promise<ReadonlyMap<string, OutputNoise>> {
  const wanted = [...float.observables]
    .filter(([name, { dtype }]) => values.has(name) && dtype === "float32")
    .sort(([, a], [, b]) => a.readyAfter - b.readyAfter);
  const references = referenceOutputs(float, module, samples);
  const noise = new Map(wanted.map(([name]) => [name, new Float64Array(float.program.metadata.outputs.length)]));
  const model = openProgram(float.program, module);
  const outputs = float.program.metadata.outputs.map(({ name }) => model.outputs.get(name)!);
  try {
    for (const [i, sample] of samples.entries()) {
      for (const [name, view] of model.inputs) (view as Uint8Array).set(sample[name]!.data as Uint8Array);
      let done = 0;
      for (const [k, [name, { address, shape, readyAfter }]] of wanted.entries()) {
        await watch.pause();
        if (readyAfter > done) model.runSteps(done, readyAfter);
        done = Math.max(done, readyAfter);
        const saved = livePieces(float, done).map((piece) => ({ address: piece.address, bytes: model.read(piece.address, piece.bytes) }));
        const bytes = model.view(address, elementCount(shape) * 4);
        roundAsInt8(viewArray("float32", bytes.buffer, bytes.byteOffset, elementCount(shape)) as Float32Array, values.get(name)!);
        model.runSteps(done);
        const sums = noise.get(name)!;
        for (const [o, output] of outputs.entries()) sums[o] = sums[o]! + squaredDistance(output, references[i]![o]!);
        for (const piece of saved) model.write(piece.address, piece.bytes);
        watch.step(i * wanted.length + k + 1, samples.length * wanted.length);
      }
    }
  } finally {
    model.dispose();
  }
  const signal = float.program.metadata.outputs.map((_, o) => references.reduce((sum, of) => sum + squaredDistance(of[o]!, null), 0));
  return new Map([...noise].map(([name, sums]) => [name, [...sums].map((sum, o) => (sum === 0 ? 0 : sum / signal[o]!))]));
}

function referenceOutputs(
  float: Compiled,
  module: WebAssembly.Module,
  samples: readonly Sample[],
): readonly (readonly ArrayLike<number>[])[] {
  const runner = new GraphRunner(float, module);
  try {
    return samples.map((sample) => {
      runner.run(sample);
      return runner.outputNames.map((name) => runner.output(name) as ArrayLike<number>);
    });
  } finally {
    runner.dispose();
  }
}

/** Rounds values to the nearest that int8 of these parameters stands for, in place. */
function roundAsInt8(data: Float32Array, { scale, zeroPoint }: Parameters): void {
  const s = Math.fround(scale);
  for (let i = 0; i < data.length; i++) {
    const q = Math.max(-128, Math.min(127, roundHalfEven(Math.fround(data[i]! / s)) + zeroPoint));
    data[i] = (q - zeroPoint) * s;
  }
}

/** Σ(a − b)², or Σa² where b is null; int64 counts as its numbers. */
function squaredDistance(a: ArrayLike<number | bigint>, b: ArrayLike<number | bigint> | null): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) {
    const d = Number(a[i]!) - (b ? Number(b[i]!) : 0);
    sum += d * d;
  }
  return sum;
}
