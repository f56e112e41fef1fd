/** The allocations of least loss, held against all that there are. */
import { expect, test } from "vitest";
import { allocate, type Choice } from "../../compiler/budget/knapsack.ts";
import { randomNumbers } from "../passes/evaluation.ts";

/** Every allocation, one after the other. */
function all(layers: readonly (readonly Choice[])[]): readonly Choice[] {
  return layers.reduce<readonly Choice[]>(
    (sums, choices) => sums.flatMap((sum) => choices.map(({ cost, loss }) => ({ cost: sum.cost + cost, loss: sum.loss + loss }))),
    [{ cost: 0, loss: 0 }],
  );
}

test.each([1, 2, 3, 4, 5])("no allocation beats those of the front, seed %i", (seed) => {
  const random = randomNumbers(seed);
  const layers = Array.from({ length: 5 }, () =>
    Array.from({ length: 1 + Math.floor(random() * 4) }, () => ({ cost: Math.floor(random() * 50), loss: Math.floor(random() * 50) })),
  );
  const front = allocate(layers);
  for (const { cost, loss } of all(layers)) expect(front.some((point) => point.cost <= cost && point.loss <= loss)).toBe(true);
  for (const { cost, loss, picks } of front) {
    const chosen = layers.map((choices, i) => choices[picks[i]!]!);
    expect([cost, loss]).toEqual([chosen.reduce((sum, c) => sum + c.cost, 0), chosen.reduce((sum, c) => sum + c.loss, 0)]);
  }
  const [costs, losses] = [front.map(({ cost }) => cost), front.map(({ loss }) => loss)];
  expect(costs).toEqual([...new Set(costs)].sort((a, b) => a - b));
  expect(losses).toEqual([...new Set(losses)].sort((a, b) => b - a));
});

test("many layers stay within a part of the dearest of what is best", () => {
  const random = randomNumbers(9);
  const layers = Array.from({ length: 60 }, () => {
    const size = 1000 + random() * 100_000;
    return [8, 4, 3, 2].map((bits) => ({ cost: (size * bits) / 8, loss: random() * 2 ** (-2 * bits) }));
  });
  const front = allocate(layers);
  expect(front.length).toBeGreaterThan(100);
  expect(front.length).toBeLessThan(5000);
  expect(front[0]!.picks).toEqual(layers.map(() => 3));
  const least = layers.reduce((sum, choices) => sum + Math.min(...choices.map(({ loss }) => loss)), 0);
  expect(front[front.length - 1]!.loss).toBeCloseTo(least, 12);
});

test("no layer at all costs nothing", () => {
  expect(allocate([])).toEqual([{ cost: 0, loss: 0, picks: [] }]);
});
