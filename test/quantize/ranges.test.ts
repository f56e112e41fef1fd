import { expect, test } from "vitest";
import { Histogram } from "../../compiler/quantize/histogram.ts";
import { chooseRange, type Observer, type Parameters, parametersOf, type Range } from "../../compiler/quantize/ranges.ts";
import { randomNumbers } from "../passes/evaluation.ts";

const OBSERVERS: readonly Observer[] = ["mse", "minmax", "percentile", "entropy"];

function histogramOf(values: ArrayLike<number>): Histogram {
  const histogram = new Histogram();
  histogram.add(Float32Array.from(values));
  return histogram;
}

const random = randomNumbers(42);
const normal = (): number => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
const draw = (f: () => number, count = 20_000): Float32Array => Float32Array.from({ length: count }, f);

const DISTRIBUTIONS: Readonly<Record<string, Float32Array>> = {
  uniform: draw(() => random() * 3 - 1),
  normal: draw(normal),
  "normal with outliers": draw(() => normal() * (random() < 0.001 ? 30 : 1)),
  laplace: draw(() => Math.sign(random() - 0.5) * Math.log(1 - random())),
  "after a ReLU": draw(() => Math.max(0, normal())),
  "a ReLU with a long tail": draw(() => Math.exp(normal() * 1.2) * (random() < 0.5 ? 0 : 1)),
  "negative only": draw(() => -Math.abs(normal())),
  "far from zero": draw(() => 10 + normal() * 0.1),
  "large numbers": draw(() => normal() * 1e30),
  "small numbers": draw(() => normal() * 1e-25),
};

/** Mean squared error of the values themselves. */
function errorOf(values: Float32Array, { scale, zeroPoint }: Parameters): number {
  let sum = 0;
  for (const x of values) {
    const q = Math.max(-128, Math.min(127, Math.round(x / scale) + zeroPoint));
    sum += ((q - zeroPoint) * scale - x) ** 2;
  }
  return sum / values.length;
}

test.each(Object.keys(DISTRIBUTIONS))(
  "%s: every observer's range contains 0, lies within the extremes and gives valid parameters",
  (name) => {
    const values = DISTRIBUTIONS[name]!;
    const histogram = histogramOf(values);
    for (const observer of OBSERVERS) {
      const { low, high } = chooseRange(histogram, observer);
      expect(low <= 0 && high >= 0 && high > low, observer).toBe(true);
      expect(low >= Math.min(0, histogram.min) && high <= Math.max(0, histogram.max), observer).toBe(true);
      // One-sided data have a one-sided range.
      if (histogram.min >= 0) expect([observer, low]).toEqual([observer, 0]);
      if (histogram.max <= 0) expect([observer, high]).toEqual([observer, 0]);
      const { scale, zeroPoint } = parametersOf({ low, high });
      expect(scale > 0 && Math.fround(scale) === scale, observer).toBe(true);
      expect(Number.isInteger(zeroPoint) && zeroPoint >= -128 && zeroPoint <= 127, observer).toBe(true);
      // Both ends are represented to a step.
      expect((-128 - zeroPoint) * scale).toBeLessThanOrEqual(low + scale);
      expect((127 - zeroPoint) * scale).toBeGreaterThanOrEqual(high - scale);
    }
  },
);

test.each(Object.keys(DISTRIBUTIONS))(
  "%s: the mse range has at most 4 %% more error than the best of a fine grid over both ends",
  (name) => {
    const values = DISTRIBUTIONS[name]!.subarray(0, 2000);
    const histogram = histogramOf(values);
    const [low, high] = [Math.min(0, histogram.min), Math.max(0, histogram.max)];
    let best = Infinity;
    for (let i = 1; i <= 25; i++) {
      for (let j = 1; j <= 25; j++) {
        if ((low === 0 && i > 1) || (high === 0 && j > 1)) continue;
        best = Math.min(best, errorOf(values, parametersOf({ low: (low * i) / 25, high: (high * j) / 25 })));
      }
    }
    const chosen = errorOf(values, parametersOf(chooseRange(histogram, "mse")));
    expect(chosen / best).toBeLessThanOrEqual(1.04);
    expect(chosen).toBeLessThanOrEqual(errorOf(values, parametersOf(chooseRange(histogram, "minmax"))) * 1.001);
  },
);

test("minmax is the extremes", () => {
  expect(chooseRange(histogramOf([1, -3, 2.5]), "minmax")).toEqual({ low: -3, high: 2.5 });
  expect(chooseRange(histogramOf([1, 3]), "minmax")).toEqual({ low: 0, high: 3 });
});

test("percentile cuts what sorting says, to the width of a bin", () => {
  for (const name of ["normal with outliers", "laplace", "a ReLU with a long tail", "uniform"]) {
    const values = DISTRIBUTIONS[name]!;
    const sorted = [...values].sort((a, b) => a - b);
    const cut = Math.floor(values.length * 0.00005);
    const histogram = histogramOf(values);
    const { low, high } = chooseRange(histogram, "percentile");
    const width = histogram.centre(1) - histogram.centre(0);
    expect(Math.abs(low - Math.min(0, sorted[cut]!)), name).toBeLessThanOrEqual(width);
    expect(Math.abs(high - Math.max(0, sorted[sorted.length - 1 - cut]!)), name).toBeLessThanOrEqual(width);
  }
});

test("percentile keeps the range of a value that is nearly always 0", () => {
  const values = new Float32Array(100_000);
  values[5] = -1;
  values[7] = 7;
  const { low, high } = chooseRange(histogramOf(values), "percentile");
  expect({ low, high }).toEqual({ low: -1, high: 7 });
});

/** Kullback–Leibler divergence of a clipped histogram from its 256 levels, written from the definition. */
function divergence({ x, count }: { readonly x: Float64Array; readonly count: Float64Array }, range: Range): number {
  const { scale, zeroPoint } = parametersOf(range);
  const inside = [...x.keys()].filter((i) => x[i]! >= range.low && x[i]! <= range.high);
  if (inside.length === 0) return Infinity;
  const p = inside.map((i) => count[i]!);
  for (const i of x.keys()) {
    if (x[i]! < range.low) p[0] = p[0]! + count[i]!;
    if (x[i]! > range.high) p[p.length - 1] = p[p.length - 1]! + count[i]!;
  }
  const level = inside.map((i) => Math.max(-128, Math.min(127, Math.round(x[i]! / scale) + zeroPoint)));
  const q = inside.map((_, i) => {
    const same = inside.filter((_, j) => level[j] === level[i]);
    return same.reduce((sum, j) => sum + count[j]!, 0) / same.length;
  });
  const [totalP, totalQ] = [p, q].map((all) => all.reduce((a, b) => a + b, 0)) as [number, number];
  return p.reduce((sum, pi, i) => sum + (pi / totalP) * Math.log(pi / totalP / (q[i]! / totalQ)), 0);
}

test.each(["normal", "normal with outliers", "after a ReLU", "negative only"])(
  "%s: entropy takes the least divergence of its grid",
  (name) => {
    const histogram = histogramOf(DISTRIBUTIONS[name]!.subarray(0, 2000));
    const points = histogram.points();
    const [low, high] = [Math.min(0, histogram.min), Math.max(0, histogram.max)];
    const chosen = chooseRange(histogram, "entropy");
    let best = Infinity;
    for (let percent = 20; percent <= 100; percent += 8)
      best = Math.min(best, divergence(points, { low: (low * percent) / 100, high: (high * percent) / 100 }));
    expect(divergence(points, chosen)).toBeLessThanOrEqual(best + 1e-9);
  },
);

test("0 is exactly representable, and rounds to the zero point", () => {
  for (const range of [
    { low: -1, high: 3 },
    { low: 0, high: 7 },
    { low: -5, high: 0 },
    { low: -1e-30, high: 1e30 },
    { low: -3.4e38, high: 3.4e38 },
    { low: 0, high: 1e-44 },
  ]) {
    const { scale, zeroPoint } = parametersOf(range);
    expect(scale > 0 && Number.isFinite(scale)).toBe(true);
    expect(Number.isInteger(zeroPoint) && zeroPoint >= -128 && zeroPoint <= 127, JSON.stringify(range)).toBe(true);
  }
  expect(parametersOf({ low: 0, high: 255 })).toEqual({ scale: 1, zeroPoint: -128 });
  expect(parametersOf({ low: -255, high: 0 })).toEqual({ scale: 1, zeroPoint: 127 });
  expect(parametersOf({ low: -128, high: 127 })).toEqual({ scale: 1, zeroPoint: 0 });
});

test.each(OBSERVERS)("%s: a constant value is represented within half a step", (observer) => {
  for (const x of [5, -0.001, 1e20]) {
    const { scale, zeroPoint } = parametersOf(chooseRange(histogramOf([x, x, x]), observer));
    const q = Math.max(-128, Math.min(127, Math.round(x / scale) + zeroPoint));
    expect(Math.abs((q - zeroPoint) * scale - x), `${x}`).toBeLessThanOrEqual(scale / 2 + Math.abs(x) * 1e-6);
    expect(scale).toBeLessThanOrEqual((Math.abs(x) / 255) * 1.001);
  }
});

test.each(OBSERVERS)("%s: NaN and infinities do not move the range", (observer) => {
  const values = DISTRIBUTIONS.laplace!;
  const dirty = Float32Array.from([...values, Number.NaN, Infinity, -Infinity, Number.NaN]);
  const [clean, same] = [chooseRange(histogramOf(values), observer), chooseRange(histogramOf(dirty), observer)];
  expect(same).toEqual(clean);
});

test.each(OBSERVERS)("%s: a value that was always 0, or never finite, has an empty range and usable parameters", (observer) => {
  for (const values of [[0, 0, -0], [Number.NaN, Infinity], []]) {
    const range = chooseRange(histogramOf(values), observer);
    expect(range).toEqual({ low: 0, high: 0 });
    expect(parametersOf(range)).toEqual({ scale: Math.fround(1 / 255), zeroPoint: -128 });
  }
});
