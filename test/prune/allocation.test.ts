/** How a sparsity is shared out over layers: against trying everything, and at its ends. */
import { expect, it } from "vitest";
import { allocateSparsity, type PrunableLayer } from "../../compiler/prune/allocation.ts";

/** A layer that loses `scale`·s^power. */
function layer(name: string, weights: number, scale: number, power: number, most = 1, weight = 1): PrunableLayer {
  return { name, weights, curve: { most, at: (s) => scale * Math.min(s, most) ** power, weight } };
}

/** What is lost for what is left, of all layers. */
function lossOf(layers: readonly PrunableLayer[], sparsities: ReadonlyMap<string, number>): number {
  return layers.reduce((sum, { name, curve }) => {
    const lost = curve.at(sparsities.get(name)!);
    return sum + lost / (1 - lost);
  }, 0);
}

function removed(layers: readonly PrunableLayer[], sparsities: ReadonlyMap<string, number>): number {
  return layers.reduce((sum, { name, weights }) => sum + weights * sparsities.get(name)!, 0);
}

it("takes the asked part of the weights where they cost least: no grid of sparsities does better", () => {
  const layers = [layer("a", 1000, 0.6, 2), layer("b", 4000, 0.5, 3), layer("c", 3000, 0.9, 2.5)];
  for (const fraction of [0.1, 0.5, 0.8]) {
    const found = allocateSparsity(layers, fraction);
    expect(removed(layers, found)).toBeCloseTo(8000 * fraction, 6);
    const uniform = new Map(layers.map(({ name }) => [name, fraction]));
    expect(lossOf(layers, found)).toBeLessThan(lossOf(layers, uniform));
    for (let a = 0; a <= 0.93; a += 0.02) {
      for (let b = 0; b <= 0.93; b += 0.02) {
        const c = (8000 * fraction - 1000 * a - 4000 * b) / 3000;
        if (c < 0 || c > 0.93) continue;
        const other = new Map([
          ["a", a],
          ["b", b],
          ["c", c],
        ]);
        // The grid of the search is 1/64.
        expect(lossOf(layers, found)).toBeLessThan(lossOf(layers, other) + 2e-3);
      }
    }
  }
});

it("leaves dense what costs too much, stops at what may go, and shares alike what is alike", () => {
  const dear = [layer("dear", 100, 1e6, 1), layer("cheap", 900, 1e-6, 1)];
  expect(allocateSparsity(dear, 0.5)).toEqual(
    new Map([
      ["dear", 0],
      ["cheap", expect.closeTo(500 / 900, 9)],
    ]),
  );
  const few = [layer("few", 100, 1, 1, 0.25), layer("none", 100, 1, 1, 0)];
  expect(allocateSparsity(few, 0.9)).toEqual(
    new Map([
      ["few", 0.25],
      ["none", 0],
    ]),
  );
  const convex = [layer("a", 100, 1, 2), layer("b", 100, 1, 2)];
  for (const sparsity of allocateSparsity(convex, 0.5).values()) expect(Math.abs(sparsity - 0.5)).toBeLessThanOrEqual(1 / 64);
  // A curve that falls off to the side of its chord is walked along the chord: all of it or none.
  const concave = [layer("a", 100, 0.01, 0.5), layer("b", 100, 0.01, 0.5)];
  const [a, b] = [...allocateSparsity(concave, 0.46875).values()];
  expect([a, b]).toEqual([0.9375, 0]);
  expect(allocateSparsity([], 0.5).size).toBe(0);
  // A small layer that would be lost whole stays, though its losses add up to little beside those of the others.
  const [whole, others] = [layer("whole", 100, 1, 1), layer("others", 900, 0.1, 1)];
  expect(allocateSparsity([whole, others], 0.9).get("whole")!).toBeLessThan(0.6);
});

it("takes less from a layer whose loss counts for more, and goes by the losses alone where no weight says anything", () => {
  const weighted = (...weights: readonly number[]): ReadonlyMap<string, number> =>
    allocateSparsity(
      weights.map((weight, i) => layer(`${i}`, 100, 0.5, 2, 1, weight)),
      0.4,
    );
  const found = weighted(1, 4);
  expect(found.get("1")!).toBeLessThan(found.get("0")!);
  expect(found.get("0")! + found.get("1")!).toBeCloseTo(0.8, 6);
  // Weights are relative.
  expect(weighted(3, 12)).toEqual(found);
  expect(weighted(0, 0)).toEqual(weighted(1, 1));
  expect(weighted(1, Number.POSITIVE_INFINITY).get("1")).toBe(0);
  expect(weighted(1, Number.NaN).get("1")).toBe(0);
});
