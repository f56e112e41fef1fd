/** Which weights of a layer go first, against removing one after the other and solving anew each time; supports and loss curves. */
import { expect, test } from "vitest";
import { alone, type Hands } from "../../compiler/crew/crew.ts";
import { eliminate, type Removals } from "../../compiler/prune/elimination.ts";
import { isPattern, type Shape, shapeOf } from "../../compiler/prune/pattern.ts";
import { lossCurve, rankByScore, supportAt } from "../../compiler/prune/support.ts";
import { factor } from "../../compiler/quantize/cholesky.ts";
import { invert, type Support, solveOnSupport } from "../../compiler/quantize/least-squares.ts";
import { compilerRuntime } from "../../compiler/run/graph-runner.ts";
import { randomNumbers } from "../passes/evaluation.ts";

const noPause = async (): Promise<void> => {};
const HANDS: Hands = { crew: alone((await compilerRuntime()).module, noPause), pause: noPause };

/** A positive definite matrix whose neighbouring columns are alike. */
function matrixOf(depth: number, seed: number): Float64Array {
  const random = randomNumbers(seed);
  const rows = Array.from({ length: 2 * depth }, () => {
    const row = Float64Array.from({ length: depth }, () => random() * 2 - 1);
    for (let k = 1; k < depth; k++) row[k] = row[k]! + 0.7 * row[k - 1]!;
    return row;
  });
  const matrix = new Float64Array(depth * depth);
  for (const row of rows)
    for (let i = 0; i < depth; i++) for (let j = 0; j < depth; j++) matrix[i * depth + j]! += (row[i]! * row[j]!) / rows.length;
  for (let k = 0; k < depth; k++) matrix[k * depth + k]! += 0.05;
  return matrix;
}

function weightsOf(length: number, seed: number): Float64Array {
  const random = randomNumbers(seed);
  return Float64Array.from({ length }, () => random() * 2 - 1);
}

/** (a − b)·H·(a − b)ᵀ over the rows. */
function distance(a: Float64Array, b: Float64Array, matrix: Float64Array, depth: number): number {
  let total = 0;
  for (let first = 0; first < a.length; first += depth)
    for (let i = 0; i < depth; i++)
      for (let j = 0; j < depth; j++) total += (a[first + i]! - b[first + i]!) * matrix[i * depth + j]! * (a[first + j]! - b[first + j]!);
  return total;
}

/** The best weights on a support, and what they lose. */
async function fitted(rows: Float64Array, matrix: Float64Array, depth: number, support: Support): Promise<number> {
  const targets = new Float64Array(rows.length);
  for (let first = 0; first < rows.length; first += depth)
    for (let i = 0; i < depth; i++) for (let j = 0; j < depth; j++) targets[first + i]! += matrix[i * depth + j]! * rows[first + j]!;
  const solved = (await solveOnSupport(matrix, depth, targets, support, noPause))!;
  expect(solved.every((w, i) => support[i] === 1 || w === 0)).toBe(true);
  return distance(rows, solved, matrix, depth);
}

const SHAPES: readonly (readonly [string, Shape])[] = [
  ["unstructured", shapeOf("unstructured", 0.5)],
  ["block", shapeOf("block", 0.5)],
  ["block8x2", shapeOf("block8x2", 0.5)],
  ["2:4", shapeOf("2:4", 0.5)],
];

async function removalsOf(rows: Float64Array, matrix: Float64Array, depth: number, shape: Shape): Promise<Removals> {
  return eliminate(rows, depth, await invert(factor(matrix, depth)!, noPause), shape, HANDS);
}

test.each(SHAPES)("%s: each removal is the one that costs least, and costs what solving anew says", async (_, shape) => {
  const depth = 21;
  const outputs = shape.outputs === 8 ? 11 : 3;
  const [rows, matrix] = [weightsOf(outputs * depth, 5), matrixOf(depth, 6)];
  const { panels, units, order, losses } = await removalsOf(rows, matrix, depth, shape);
  expect(panels).toBe(Math.ceil(outputs / shape.outputs));
  for (let p = 0; p < panels; p++) {
    const from = p * shape.outputs;
    const count = Math.min(shape.outputs, outputs - from);
    const panel = rows.slice(from * depth, (from + count) * depth);
    const support = new Uint8Array(panel.length).fill(1);
    const without = (unit: number): Support => {
      const tried = support.slice();
      for (let o = 0; o < count; o++)
        for (let k = unit * shape.inputs; k < Math.min(depth, (unit + 1) * shape.inputs); k++) tried[o * depth + k] = 0;
      return tried;
    };
    let before = 0;
    let worst = 0;
    for (let i = 0; i < 6; i++) {
      const unit = order[p * units + i]!;
      const live = Array.from({ length: units }, (_, u) => u).filter(
        (u) => support[u * shape.inputs] === 1 && mayGo(support, u, shape, depth),
      );
      const costs = await Promise.all(live.map(async (u) => (await fitted(panel, matrix, depth, without(u))) - before));
      expect(live[costs.indexOf(Math.min(...costs))]).toBe(unit);
      support.set(without(unit));
      const after = await fitted(panel, matrix, depth, support);
      worst = Math.max(worst, (after - before) / (count * Math.min(shape.inputs, depth - unit * shape.inputs)));
      expect(losses[p * units + i]! / worst).toBeCloseTo(1, 6);
      before = after;
    }
  }
});

function mayGo(support: Support, unit: number, { groups }: Shape, depth: number): boolean {
  if (!groups) return true;
  const first = unit - (unit % groups.of);
  return support.slice(first, Math.min(depth, first + groups.of)).reduce((sum, stays) => sum + stays, 0) > groups.keep;
}

test("a support has the asked part of zeros in whole blocks, and what it loses is what the curve says", async () => {
  for (const [, shape] of SHAPES.slice(0, 3)) {
    const [depth, outputs] = [19, 20];
    const [rows, matrix] = [weightsOf(outputs * depth, 8), matrixOf(depth, 9)];
    const removals = await removalsOf(rows, matrix, depth, shape);
    const curve = lossCurve(removals, outputs, depth, shape);
    expect(curve.most).toBe(1);
    expect(curve.at(0)).toBe(0);
    let before = 0;
    for (const sparsity of [0.25, 0.5, 0.75, 1]) {
      const support = supportAt(removals, outputs, depth, shape, sparsity);
      const zeros = support.reduce((sum, stays) => sum + 1 - stays, 0);
      expect(Math.abs(zeros - sparsity * support.length)).toBeLessThanOrEqual((shape.outputs * shape.inputs) / 2);
      for (let o = 0; o < outputs; o++) {
        for (let k = 0; k < depth; k++) {
          const block = Math.floor(o / shape.outputs) * shape.outputs * depth + Math.floor(k / shape.inputs) * shape.inputs;
          expect(support[o * depth + k]).toBe(support[block]);
        }
      }
      // The curve's losses never fall, so that their sum is an upper bound; a loose one where the greedy order is not monotone.
      const lost = await fitted(rows, matrix, depth, support);
      expect(curve.at(zeros / support.length)).toBeGreaterThanOrEqual(lost * (1 - 1e-9));
      expect(curve.at(zeros / support.length)).toBeLessThan(lost * 1.3);
      expect(curve.at(sparsity)).toBeGreaterThanOrEqual(before);
      before = curve.at(sparsity);
    }
  }
});

test("N:M leaves N of each M, whatever is asked, and fewer of what is left over", async () => {
  const [depth, outputs] = [22, 5];
  const [rows, matrix] = [weightsOf(outputs * depth, 1), matrixOf(depth, 2)];
  for (const [pattern, keep, of] of [
    ["2:4", 2, 4],
    ["1:4", 1, 4],
    ["3:5", 3, 5],
  ] as const) {
    const shape = shapeOf(pattern, 0.5);
    for (const removals of [await removalsOf(rows, matrix, depth, shape), rankByScore(rows, outputs, depth, null, shape)]) {
      const support = supportAt(removals, outputs, depth, shape, 0.1);
      for (let o = 0; o < outputs; o++) {
        for (let first = 0; first < depth; first += of) {
          const group = support.subarray(o * depth + first, o * depth + Math.min(depth, first + of));
          expect(group.reduce((sum, stays) => sum + stays, 0)).toBe(Math.min(group.length, keep));
        }
      }
    }
  }
  expect(["2:4", "1:16", "nm", "block"].every(isPattern)).toBe(true);
  expect(["4:4", "0:4", "5:4", "2:65", "2:4:8", "-1:4", "blocks", ""].some(isPattern)).toBe(false);
});

test("magnitudes go by one threshold for a layer, Wanda's scores by each row", () => {
  const shape = shapeOf("unstructured", 0.5);
  const weights = Float64Array.of(1, 2, 3, 4, 10, 20, 30, 40);
  expect([...supportAt(rankByScore(weights, 2, 4, null, shape), 2, 4, shape, 0.5)]).toEqual([0, 0, 0, 0, 1, 1, 1, 1]);
  const norms = Float64Array.of(100, 1, 1, 0.01);
  expect([...supportAt(rankByScore(weights, 2, 4, norms, shape), 2, 4, shape, 0.5)]).toEqual([1, 0, 1, 0, 1, 0, 1, 0]);
});

test("layers too wide for one elimination are pruned in parts: as one where these do not depend on each other, and to little more loss", async () => {
  const [depth, outputs] = [128, 6];
  for (const [, shape] of SHAPES) {
    const rows = weightsOf(outputs * depth, 3);
    const apart = new Float64Array(depth * depth);
    const near = matrixOf(32, 4);
    for (let i = 0; i < depth; i++)
      for (let j = i - (i % 32); j < i - (i % 32) + 32; j++) apart[i * depth + j] = near[(i % 32) * 32 + (j % 32)]!;
    for (const [matrix, allowed] of [
      [apart, 1 + 1e-9],
      [matrixOf(depth, 5), 1.25],
    ] as const) {
      const inverse = await invert(factor(matrix, depth)!, noPause);
      const [parts, whole] = [
        await eliminate(rows, depth, inverse, shape, HANDS, 1000),
        await eliminate(rows, depth, inverse, shape, HANDS),
      ];
      const [a, b] = [parts, whole].map((removals) => supportAt(removals, outputs, depth, shape, 0.5)) as [Support, Support];
      expect(a.reduce((sum, stays) => sum + stays, 0)).toBe(b.reduce((sum, stays) => sum + stays, 0));
      expect(await fitted(rows, matrix, depth, a)).toBeLessThanOrEqual((await fitted(rows, matrix, depth, b)) * allowed);
    }
  }
});
