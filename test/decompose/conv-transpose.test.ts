import { describe, expect, it } from "vitest";
import { elementCount, type Tensor } from "../../host/tensor.ts";
import { randomNumbers } from "../ops/operation.ts";
import { runOp } from "../support/one-op.ts";

interface Case {
  readonly spatial: readonly number[];
  readonly kernel: readonly number[];
  readonly strides: readonly number[];
  readonly dilations: readonly number[];
  readonly begin: readonly number[];
  readonly end: readonly number[];
  readonly extra: readonly number[];
  readonly group: number;
  readonly perGroup: number;
  readonly results: number;
}

/** Scatters every input value over the results that it reaches. */
function scattered(
  x: Tensor,
  w: Tensor,
  bias: Tensor,
  options: Case,
): { readonly shape: readonly number[]; readonly values: Float64Array } {
  const { spatial, kernel, strides, dilations, begin, end, extra, group, perGroup, results } = options;
  const out = spatial.map((d, i) => (d - 1) * strides[i]! + extra[i]! + (kernel[i]! - 1) * dilations[i]! + 1 - begin[i]! - end[i]!);
  const shape = [x.shape[0]!, results * group, ...out];
  const values = new Float64Array(elementCount(shape));
  const plane = elementCount(out);
  values.forEach((_, i) => (values[i] = Number(bias.data[Math.floor(i / plane) % (results * group)]!)));
  const places = (dims: readonly number[]): readonly (readonly number[])[] =>
    dims.reduce<readonly (readonly number[])[]>((all, d) => all.flatMap((at) => Array.from({ length: d }, (_, i) => [...at, i])), [[]]);
  const inputs = places(spatial);
  const taps = places(kernel);
  for (let n = 0; n < x.shape[0]!; n++)
    for (let c = 0; c < perGroup * group; c++)
      for (let k = 0; k < results; k++)
        inputs.forEach((from, p) => {
          taps.forEach((tap, t) => {
            const at = from.map((q, i) => q * strides[i]! + tap[i]! * dilations[i]! - begin[i]!);
            if (at.some((q, i) => q < 0 || q >= out[i]!)) return;
            const channel = Math.floor(c / perGroup) * results + k;
            const to = (n * results * group + channel) * plane + at.reduce((sum, q, i) => sum * out[i]! + q, 0);
            values[to]! +=
              Number(x.data[(n * perGroup * group + c) * inputs.length + p]!) * Number(w.data[(c * results + k) * taps.length + t]!);
          });
        });
  return { shape, values };
}

function randomCase(random: () => number): Case {
  const pick = (low: number, high: number): number => low + Math.floor(random() * (high - low + 1));
  const rank = pick(1, 3);
  const each = (low: number, high: number): readonly number[] => Array.from({ length: rank }, () => pick(low, high));
  const strides = each(1, 3);
  return {
    spatial: each(1, rank === 3 ? 3 : 5),
    kernel: each(1, rank === 3 ? 3 : 4),
    strides,
    dilations: each(1, 2),
    begin: each(0, 0),
    end: each(0, 0),
    extra: strides.map((s) => pick(0, s - 1)),
    group: pick(1, 2),
    perGroup: pick(1, 3),
    results: pick(1, 3),
  };
}

/** Pads that leave at least one result. */
function withPads(options: Case, random: () => number): Case {
  const size = (i: number): number =>
    (options.spatial[i]! - 1) * options.strides[i]! + options.extra[i]! + (options.kernel[i]! - 1) * options.dilations[i]! + 1;
  const begin = options.begin.map((_, i) => Math.floor(random() * Math.min(4, size(i))));
  const end = options.end.map((_, i) => Math.floor(random() * Math.min(4, size(i) - begin[i]!)));
  return { ...options, begin, end };
}

describe("ConvTranspose", () => {
  it.each(Array.from({ length: 30 }, (_, seed) => seed + 1))("scatters its input, random case %i", async (seed) => {
    const random = randomNumbers(seed);
    const options = withPads(randomCase(random), random);
    const tensor = (shape: readonly number[]): Tensor => ({
      dtype: "float32",
      shape,
      data: Float32Array.from({ length: elementCount(shape) }, () => Math.round(random() * 16 - 8)),
    });
    const x = tensor([seed % 3 === 0 ? 2 : 1, options.perGroup * options.group, ...options.spatial]);
    const w = tensor([options.perGroup * options.group, options.results, ...options.kernel]);
    const bias = tensor([options.results * options.group]);
    const attributes = {
      strides: options.strides,
      dilations: options.dilations,
      pads: [...options.begin, ...options.end],
      output_padding: options.extra,
      group: options.group,
    };
    const constants = seed % 2 === 0 ? [1, 2] : [];
    const [y] = await runOp("ConvTranspose", [x, w, bias], attributes, { constants });
    const expected = scattered(x, w, bias, options);
    expect(y!.shape).toEqual(expected.shape);
    // Small integers: every sum is exact.
    expect([...y!.data]).toEqual([...expected.values]);
  });
});
