/** Which weights of a layer stay: its support, chosen by what removing costs. */
import type { Support } from "../quantize/least-squares.ts";
import type { Removals } from "./elimination.ts";
import type { Shape } from "./pattern.ts";

/** What a layer loses by its sparsity. */
export interface LossCurve {
  /** Weights that can go, as a part of all. */
  readonly most: number;
  /** The sum of losses where this part of the weights (0 to 1) goes, in units of the removals' losses; what is beyond `most` costs nothing more. */
  at(sparsity: number): number;
}

interface Entry {
  readonly index: number;
  readonly loss: number;
  readonly weights: number;
}

/** All removals of a layer in the order of their losses; those of a panel in their own. */
function ranked({ panels, units, order, losses }: Removals, outputs: number, depth: number, shape: Shape): readonly Entry[] {
  const entries: Entry[] = [];
  for (let p = 0; p < panels; p++) {
    const rows = Math.min(shape.outputs, outputs - p * shape.outputs);
    for (let i = 0; i < units; i++) {
      const index = p * units + i;
      const unit = order[index]!;
      if (unit < 0) break;
      entries.push({ index, loss: losses[index]!, weights: rows * Math.min(shape.inputs, depth - unit * shape.inputs) });
    }
  }
  return entries.sort((a, b) => a.loss - b.loss || a.index - b.index);
}

/** What stays of a layer that is to lose this part of its weights, as nearly as whole units allow; of groups all goes that may. */
export function supportAt(removals: Removals, outputs: number, depth: number, shape: Shape, sparsity: number): Support {
  const support = new Uint8Array(outputs * depth).fill(1);
  let left = shape.groups ? Number.POSITIVE_INFINITY : sparsity * outputs * depth;
  for (const { index, weights } of ranked(removals, outputs, depth, shape)) {
    if (left < weights / 2) break;
    left -= weights;
    const row = Math.floor(index / removals.units) * shape.outputs;
    const column = removals.order[index]! * shape.inputs;
    for (let o = row; o < Math.min(outputs, row + shape.outputs); o++)
      for (let k = column; k < Math.min(depth, column + shape.inputs); k++) support[o * depth + k] = 0;
  }
  return support;
}

/** The losses of a layer, summed up. */
export function lossCurve(removals: Removals, outputs: number, depth: number, shape: Shape): LossCurve {
  const entries = ranked(removals, outputs, depth, shape);
  const gone = new Float64Array(entries.length + 1);
  const lost = new Float64Array(entries.length + 1);
  for (const [i, { loss, weights }] of entries.entries()) {
    gone[i + 1] = gone[i]! + weights;
    lost[i + 1] = lost[i]! + loss * weights;
  }
  const all = outputs * depth;
  return {
    most: gone[entries.length]! / all,
    at(sparsity) {
      const wanted = sparsity * all;
      let [low, high] = [0, entries.length];
      while (low < high) {
        const middle = Math.floor((low + high) / 2);
        if (gone[middle]! < wanted) low = middle + 1;
        else high = middle;
      }
      return lost[low]!;
    },
  };
}

/**
 * Removals by a score of each weight: the units of the least sums of squares first. `norms` are those of the inputs (Wanda: Sun et al. 2024),
 * by which rows then lose alike, or null for the weights' magnitudes alone.
 */
export function rankByScore(
  weights: ArrayLike<number>,
  outputs: number,
  depth: number,
  norms: Float64Array | null,
  shape: Shape,
): Removals {
  const panels = Math.ceil(outputs / shape.outputs);
  const units = Math.ceil(depth / shape.inputs);
  const order = new Int32Array(panels * units).fill(-1);
  const losses = new Float64Array(panels * units).fill(Number.POSITIVE_INFINITY);
  for (let p = 0; p < panels; p++) {
    const scores = new Float64Array(units);
    const rows = Math.min(shape.outputs, outputs - p * shape.outputs);
    for (let o = p * shape.outputs; o < p * shape.outputs + rows; o++) {
      for (let k = 0; k < depth; k++) {
        const unit = Math.floor(k / shape.inputs);
        scores[unit] = scores[unit]! + weights[o * depth + k]! ** 2 * (norms ? norms[k]! : 1);
      }
    }
    for (let u = 0; u < units; u++) scores[u] = scores[u]! / (rows * Math.min(shape.inputs, depth - u * shape.inputs));
    const left = new Map<number, number>();
    const mayGo = (unit: number): boolean => {
      if (!shape.groups) return true;
      const { keep, of } = shape.groups;
      const group = Math.floor(unit / of);
      const rest = left.get(group) ?? Math.max(0, Math.min(of, depth - group * of) - keep);
      left.set(group, Math.max(0, rest - 1));
      return rest > 0;
    };
    const going = Array.from(scores.keys())
      .sort((a, b) => scores[a]! - scores[b]! || a - b)
      .filter(mayGo);
    going.forEach((unit, i) => {
      order[p * units + i] = unit;
      losses[p * units + i] = norms ? i / units : scores[unit]!;
    });
  }
  return { panels, units, order, losses };
}
