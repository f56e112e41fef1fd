import { expect, test } from "vitest";
import { Histogram } from "../../compiler/quantize/histogram.ts";
import { randomNumbers } from "../passes/evaluation.ts";

const BINS = 8192;

function histogramOf(...parts: readonly (readonly number[])[]): Histogram {
  const histogram = new Histogram();
  for (const part of parts) histogram.add(Float32Array.from(part));
  return histogram;
}

/** Every value's bin is the one whose centre is nearest. */
function expectNearest(values: readonly number[], histogram: Histogram): void {
  const counts = new Map<number, number>();
  const width = histogram.centre(1) - histogram.centre(0);
  for (const x of Float32Array.from(values)) {
    if (x === 0 || !Number.isFinite(x)) continue;
    const bin = Math.floor((x - (histogram.centre(0) - width / 2)) / width);
    counts.set(bin, (counts.get(bin) ?? 0) + 1);
  }
  for (let bin = 0; bin < BINS; bin++)
    if (histogram.counts[bin] !== (counts.get(bin) ?? 0)) expect([bin, histogram.counts[bin]]).toEqual([bin, counts.get(bin) ?? 0]);
}

test("values are counted in the bin that holds them, whatever order they come in", () => {
  const random = randomNumbers(1);
  for (const scale of [1e-30, 1e-3, 1, 1000, 1e30]) {
    const values = Array.from({ length: 5000 }, () => (random() - 0.4) * scale * 10 ** (-3 * random()));
    const once = histogramOf(values);
    const split = histogramOf(values.slice(0, 10), values.slice(10, 11), values.slice(11, 4000), values.slice(4000));
    const backwards = histogramOf([...values].reverse());
    expectNearest(values, once);
    // Counted apart, and put together in another order.
    const merged = new Histogram();
    for (const part of [values.slice(4000), values.slice(0, 10), [0], values.slice(11, 4000), values.slice(10, 11)])
      merged.merge(histogramOf(part).data);
    merged.zeros--;
    for (const other of [split, backwards, merged]) {
      expect(other.counts).toEqual(once.counts);
      expect([other.min, other.max, other.zeros, other.total]).toEqual([once.min, once.max, once.zeros, once.total]);
    }
    expect(once.total).toBe(5000);
    expect(once.min).toBe(Math.fround(values.reduce((a, b) => Math.min(a, b))));
    expect(once.max).toBe(Math.fround(values.reduce((a, b) => Math.max(a, b))));
  }
});

test("growing by many powers of two loses no value", () => {
  const histogram = histogramOf([1e-20, -1e-20]);
  for (let e = -19; e <= 38; e++) histogram.add(Float32Array.of(10 ** e, -(10 ** e)));
  expect(histogram.total).toBe(118);
  expect(histogram.max).toBe(Math.fround(1e38));
  const { x, count } = histogram.points();
  expect(count.reduce((a, b) => a + b, 0)).toBe(118);
  expect([...x].every((value) => value >= histogram.min && value <= histogram.max)).toBe(true);
});

test("zeros of both signs, NaN and infinities stand apart", () => {
  const histogram = histogramOf([0, -0, 1, Number.NaN, Infinity, -Infinity, -2]);
  expect([histogram.zeros, histogram.notFinite, histogram.total, histogram.min, histogram.max]).toEqual([2, 3, 4, -2, 1]);
});

test("nothing but zeros, nothing but NaN, and nothing at all are no reason to fail", () => {
  const zeros = histogramOf([0, 0, -0]);
  expect([zeros.zeros, zeros.total, zeros.min, zeros.max, zeros.points().x.length]).toEqual([3, 3, 0, 0, 0]);
  const nothing = histogramOf([], [Number.NaN, -Infinity]);
  expect([nothing.notFinite, nothing.total, nothing.min, nothing.max, nothing.points().x.length]).toEqual([2, 0, Infinity, -Infinity, 0]);
  nothing.add(Float32Array.of(3));
  expect([nothing.total, nothing.min, nothing.max]).toEqual([1, 3, 3]);
});

test("a value on a power of two, and the largest float, have a bin", () => {
  for (const x of [1, -1, 2 ** 20, -(2 ** -20), 3.4028234663852886e38, -3.4028234663852886e38, 2 ** -149]) {
    const histogram = histogramOf([x]);
    expect([x, histogram.total, [...histogram.points().x]]).toEqual([x, 1, [x]]);
  }
});

test("memory does not grow with the data", () => {
  const histogram = new Histogram();
  for (let i = 0; i < 50; i++) histogram.add(Float32Array.from({ length: 1000 }, (_, j) => (i * 1000 + j) ** 3));
  expect(histogram.counts.length).toBe(BINS);
  expect(histogram.total).toBe(50_000);
});

test("values far smaller than the widest are in the bin next to zero on their side, whoever counted them first", () => {
  const [tiny, wide] = [
    [-1e-30, 1e-30, -1e-12],
    [-3, 2.5],
  ];
  const orders = [histogramOf(tiny, wide), histogramOf(wide, tiny)];
  const merged = histogramOf(wide);
  merged.merge(histogramOf(tiny).data);
  merged.merge(histogramOf([0, Number.NaN]).data);
  for (const { counts } of [...orders, merged]) {
    expect(counts[BINS / 2 - 1]).toBe(2);
    expect(counts[BINS / 2]).toBe(1);
  }
  expect([merged.zeros, merged.notFinite, merged.min, merged.max]).toEqual([1, 1, -3, 2.5]);
});
