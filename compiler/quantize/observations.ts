/** What a layer is given in two models, gathered from samples that walk through both side by side, and its moments. */
import { quadraticForms } from "./algebra.ts";
import type { CenteredMoments, MomentProducts } from "./moments.ts";
import type { PairWalk, Side } from "./pair-walk.ts";
import { depthOf, pixelsOf } from "./patches.ts";

/** Inputs of a layer in two models, the same pixels of the same samples. */
export interface Seen {
  readonly observations: number;
  /** In the model that is aimed at: [groups][observations][depth]. */
  readonly x: Float32Array;
  /** In the compressed one, likewise. */
  readonly quantized: Float32Array;
}

/** What was gathered. */
export interface Observed extends Seen {
  /** How many independent observations they are worth: neighbouring pixels are alike. */
  readonly independent: number;
  /** What is kept from fitting; null where nothing is. */
  readonly check: Seen | null;
  /** What the compressed model's addend lacks, [observations][channels]; null where there is none. */
  readonly missing: Float32Array | null;
}

/** How much to gather. */
export interface Wanted {
  readonly samples: number;
  /** Observations of all samples together, about. */
  readonly wanted: number;
  /** How many samples, every CHECK_EVERY-th, are kept from fitting; at most a CHECK_EVERY-th of them. */
  readonly checked: number;
}

export const CHECK_EVERY = 4;

/** Takes all samples to a layer and gathers what a part of its pixels sees, the same in both models. */
export async function observeLayer(walk: PairWalk, aim: Side, compressed: Side, { samples, wanted, checked }: Wanted): Promise<Observed> {
  const [pixels, depth] = [pixelsOf(compressed.window), depthOf(compressed.window)];
  const share = Math.min(pixels, Math.ceil(wanted / samples));
  const { groups } = compressed.window;
  const seenOf = (count: number): Seen => {
    const of = (): Float32Array => new Float32Array(groups * share * count * depth);
    return { observations: share * count, x: of(), quantized: of() };
  };
  const [fitted, check] = [seenOf(samples - checked), seenOf(checked)];
  const channels = aim.addend && compressed.addend ? aim.addend.channels : 0;
  const missing = channels > 0 ? new Float32Array(fitted.observations * channels) : null;
  for (const [sample, glimpse] of (await walk.look({ aim, compressed, share })).entries()) {
    const checkedBefore = Math.min(checked, Math.floor(sample / CHECK_EVERY));
    const isChecked = sample % CHECK_EVERY === CHECK_EVERY - 1 && checkedBefore < checked;
    const [into, at] = isChecked ? [check, checkedBefore] : [fitted, sample - checkedBefore];
    const size = share * depth;
    for (const form of ["x", "quantized"] as const) {
      for (let g = 0; g < groups; g++)
        into[form].set(glimpse[form].subarray(g * size, (g + 1) * size), (g * into.observations + at * share) * depth);
    }
    if (!isChecked && glimpse.missing) missing?.set(glimpse.missing, at * share * channels);
  }
  return { ...fitted, independent: (samples - checked) * Math.sqrt(share), check: checked > 0 ? check : null, missing };
}

/** The moments of a group; about the means where `centered`. */
export function momentsOf(observed: Observed, products: MomentProducts, group: number, depth: number, centered: boolean): CenteredMoments {
  const { x, quantized } = seenBy(observed, group, depth);
  return { ...products.of(x, quantized, depth, centered), observations: observed.independent };
}

/** What the layers of a group see. */
export function seenBy({ observations, x, quantized }: Seen, group: number, depth: number): Pick<Seen, "x" | "quantized"> {
  const part = (data: Float32Array): Float32Array => data.subarray(group * observations * depth, (group + 1) * observations * depth);
  return { x: part(x), quantized: part(quantized) };
}

/** What the mean of each output loses where `rows` become `replaced`: w·E x − ŵ·E x̂. Both are [outputs][depth]. */
export function meanLosses(
  rows: ArrayLike<number>,
  replaced: ArrayLike<number>,
  { depth, mean, quantizedMean }: CenteredMoments,
): Float64Array {
  return Float64Array.from({ length: rows.length / depth }, (_, o) => {
    let sum = 0;
    for (let k = 0; k < depth; k++) sum += rows[o * depth + k]! * mean[k]! - replaced[o * depth + k]! * quantizedMean[k]!;
    return sum;
  });
}

/** Variance of the results of these rows, summed: of independent inputs of variance 1 where there are no moments. */
export function signalOf(rows: Float32Array, depth: number, moments: CenteredMoments | null): number {
  if (moments) return quadraticForms(rows, moments.covariance, depth);
  let total = 0;
  for (const w of rows) total += w * w;
  return total;
}

/** What the addends of a group lack: its covariance with the inputs, [outputs][depth], and its means. */
export interface Missing {
  readonly cross: Float64Array;
  readonly mean: Float64Array;
}

/** Takes `missing`, [observations][channels], together with a group's inputs, [observations][depth]. */
export function missingOf(
  missing: Float32Array,
  inputs: Float32Array,
  { depth, quantizedMean }: CenteredMoments,
  channels: number,
  { group, outputs }: { readonly group: number; readonly outputs: number },
): Missing {
  const observations = missing.length / channels;
  const cross = new Float64Array(outputs * depth);
  const mean = new Float64Array(outputs);
  for (let n = 0; n < observations; n++) {
    const row = n * depth;
    for (let o = 0; o < outputs; o++) {
      const m = missing[n * channels + group * outputs + o]!;
      mean[o] = mean[o]! + m;
      const to = o * depth;
      for (let k = 0; k < depth; k++) cross[to + k] = cross[to + k]! + m * inputs[row + k]!;
    }
  }
  for (let o = 0; o < outputs; o++) {
    mean[o] = mean[o]! / observations;
    for (let k = 0; k < depth; k++) cross[o * depth + k] = cross[o * depth + k]! / observations - mean[o]! * quantizedMean[k]!;
  }
  return { cross, mean };
}
