/**
 * Shares out a sparsity over layers: some lose more of their weights than others, so that what the layers' results lose, each relative to what
 * is left of its own variance and by its weight, adds up to least. A layer that loses all of its result's variance would ruin the model, however many others lose nothing.
 *
 * Each layer's loss is convexified over a grid of sparsities; of all steps between them those of the least loss per weight are taken first.
 */
import type { LossCurve } from "./support.ts";

/** What a layer loses, and how much it counts that it does. */
export interface WeightedCurve extends LossCurve {
  /** Not negative; infinite where the layer's loss ruins the outputs. */
  readonly weight: number;
}

/** A layer that may lose weights. */
export interface PrunableLayer {
  readonly name: string;
  readonly weights: number;
  readonly curve: WeightedCurve;
}

/** Steps of a layer's sparsity, and the most of them that it may lose. */
const STEPS = 64;
const MOST_STEPS = 60;
/** As a part of the variance. */
const MOST_LOSS = 0.999;
/** The least and the most weight of a layer, as parts of the average: a few samples don't show all. */
const [LEAST_WEIGHT, MOST_WEIGHT] = [0.01, 1000];

interface Step {
  readonly layer: number;
  readonly to: number;
  readonly weights: number;
  readonly slope: number;
}

/** The sparsity of each layer by name, for `fraction` (0 to 1) of all weights to go, or as many as may. */
export function allocateSparsity(layers: readonly PrunableLayer[], fraction: number): ReadonlyMap<string, number> {
  const finite = layers.map(({ curve }) => curve.weight).filter(Number.isFinite);
  const mean = finite.reduce((a, b) => a + b, 0) / finite.length || 1;
  const weightOf = ({ curve }: PrunableLayer): number => Math.min(MOST_WEIGHT, Math.max(LEAST_WEIGHT, curve.weight / mean));
  const steps = layers
    .flatMap((layer, i) => hullSteps(layer, i, weightOf(layer)))
    .sort((a, b) => a.slope - b.slope || a.layer - b.layer || a.to - b.to);
  const sparsities = new Array<number>(layers.length).fill(0);
  let left = fraction * layers.reduce((sum, { weights }) => sum + weights, 0);
  for (const { layer, to, weights } of steps) {
    if (left <= 0) break;
    const from = sparsities[layer]!;
    sparsities[layer] = from + (to - from) * Math.min(1, left / weights);
    left -= weights;
  }
  return new Map(layers.map(({ name }, i) => [name, sparsities[i]!]));
}

/** From corner to corner of the lower convex hull of a layer's losses; slopes rise. */
function hullSteps({ weights, curve }: PrunableLayer, layer: number, weight: number): readonly Step[] {
  const corners: { at: number; loss: number }[] = [];
  for (let step = 0; step <= MOST_STEPS; step++) {
    const at = step / STEPS;
    if (at > curve.most) break;
    const lost = Math.min(curve.at(at), MOST_LOSS);
    const point = { at, loss: (weight * lost) / (1 - lost) };
    while (corners.length >= 2 && slopeOf(corners.at(-2)!, corners.at(-1)!) >= slopeOf(corners.at(-1)!, point)) corners.pop();
    corners.push(point);
  }
  return corners.slice(1).map((corner, i) => ({
    layer,
    to: corner.at,
    weights: weights * (corner.at - corners[i]!.at),
    slope: slopeOf(corners[i]!, corner) / weights,
  }));
}

function slopeOf(from: { readonly at: number; readonly loss: number }, to: { readonly at: number; readonly loss: number }): number {
  return (to.loss - from.loss) / (to.at - from.at);
}
