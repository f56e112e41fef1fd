/** Chooses which weights of a layer stay, and fits them. */
import type { Hands } from "../crew/crew.ts";
import { CompileError } from "../errors.ts";
import type { Node } from "../ir/graph.ts";
import { quadraticForms } from "../quantize/algebra.ts";
import { factor, solve } from "../quantize/cholesky.ts";
import { uncertainty } from "../quantize/gptq.ts";
import { invert, ridged, type Support, solveOnSupport, targetsOf } from "../quantize/least-squares.ts";
import type { CenteredMoments } from "../quantize/moments.ts";
import { type Missing, meanLosses, signalOf } from "../quantize/observations.ts";
import { eliminate, type Removals } from "./elimination.ts";
import type { Layer } from "./layers.ts";
import type { Criterion, Shape } from "./pattern.ts";
import { meanVariance } from "./ridge.ts";
import { type LossCurve, lossCurve, rankByScore, supportAt } from "./support.ts";

/** What real weights are held to the given ones by, as a part of the mean variance. */
const RIDGE = 0.01;

/** How to fit. */
export interface FittingRule {
  readonly shape: Shape;
  readonly criterion: Criterion;
  readonly sparsity: number;
  /** What may stay where that is known: [outputs][depth]. With a sparsity of 0 it does stay. */
  readonly support?: Support;
  /** What weights are held to the given ones by, as a part of the mean variance; by default as the number of observations has it. */
  readonly ridge?: number;
}

/** A layer's new weights, and what they cost. */
export interface Fitted {
  readonly weights: Float32Array;
  readonly bias: Float32Array | null;
  /** Variance that pruning costs the results, summed over outputs, and theirs. */
  readonly lost: number;
  readonly signal: number;
  readonly curves: readonly LossCurve[];
  /** What it would cost to lose all weights, in the units of the curves. */
  readonly whole: number;
}

/** The same of one group; `shift` is to be added to its biases. */
export interface FittedGroup {
  readonly weights: Float64Array;
  readonly shift: Float64Array;
  readonly lost: number;
  readonly signal: number;
  readonly curve: LossCurve | null;
  readonly whole: number;
}

/** Fits the rows of a group, [outputs][depth], by the moments of their inputs. Throws `not-finite`. */
export async function fitGroup(
  node: Node,
  rows: Float32Array,
  moments: CenteredMoments,
  missing: Missing | null,
  { shape, criterion, sparsity, support: given, ridge: part }: FittingRule,
  withCurve: boolean,
  hands: Hands,
): Promise<FittedGroup> {
  const { depth } = moments;
  const outputs = rows.length / depth;
  const { ridge, matrix } = ridgeOf(moments, part);
  const whole = factor(matrix, depth);
  const targets = targetsOf(rows, moments, ridge);
  if (missing) for (let i = 0; i < targets.length; i++) targets[i] = targets[i]! + missing.cross[i]!;
  if (!whole || !targets.every(Number.isFinite)) throw notFinite(node);
  const best = targets.slice();
  solve(whole, best);
  let removals: Removals | null = null;
  let weights: Float64Array | null = best;
  if (sparsity > 0 || withCurve) {
    // What is 0 goes first: nothing is lost by it.
    const start = given ? await solveOnSupport(matrix, depth, targets, given, hands.pause) : best;
    if (!start) throw notFinite(node);
    removals =
      criterion === "obc"
        ? await eliminate(start, depth, await invert(whole, hands.pause), shape, hands)
        : rankByScore(within(rows, given), outputs, depth, criterion === "wanda" ? normsOf(moments) : null, shape);
  }
  const chosen = removals && sparsity > 0 ? supportAt(removals, outputs, depth, shape, sparsity) : null;
  const support = chosen && given ? chosen.map((stays, i) => stays & given[i]!) : (chosen ?? given ?? null);
  if (support) {
    weights = await solveOnSupport(matrix, depth, targets, support, hands.pause);
  }
  if (!weights) throw notFinite(node);
  return {
    weights,
    shift: meanLosses(rows, weights, moments).map((shift, o) => shift + (missing?.mean[o] ?? 0)),
    lost: weights === best ? 0 : distance(best, weights, moments.covariance, depth),
    signal: signalOf(rows, depth, moments),
    curve: withCurve && removals ? lossCurve(removals, outputs, depth, shape) : null,
    whole: withCurve ? distance(best, new Float64Array(best.length), matrix, depth) : 0,
  };
}

/** What is added to the variances, and Cov(x̂) with it. `part` is of the mean variance. */
export function ridgeOf(moments: CenteredMoments, part?: number): { readonly ridge: number; readonly matrix: Float64Array } {
  const { depth, covariance, observations } = moments;
  const ridge = meanVariance(moments) * (part ?? Math.max(RIDGE, uncertainty(covariance, depth, observations))) || 1;
  return { ridge, matrix: ridged(moments, ridge) };
}

/** A layer pruned by its weights' magnitudes. */
export function pruneBlindly({ weights, outputs, depth, window }: Layer, { shape, sparsity, support: given }: FittingRule): Float32Array {
  const pruned = within(weights.slice(), given);
  if (sparsity === 0) return pruned;
  const perGroup = outputs / window.groups;
  for (let first = 0; first < weights.length; first += perGroup * depth) {
    const rows = pruned.slice(first, first + perGroup * depth);
    const support = supportAt(rankByScore(rows, perGroup, depth, null, shape), perGroup, depth, shape, sparsity);
    support.forEach((stays, i) => {
      if (stays === 0) pruned[first + i] = 0;
    });
  }
  return pruned;
}

/** Weights, 0 where they may not stay. */
function within(weights: Float32Array, support: Support | undefined): Float32Array {
  return support ? weights.map((w, i) => (support[i] === 0 ? 0 : w)) : weights;
}

/** E x̂² of each input. */
function normsOf({ depth, covariance, quantizedMean }: CenteredMoments): Float64Array {
  return Float64Array.from({ length: depth }, (_, k) => covariance[k * depth + k]! + quantizedMean[k]! ** 2);
}

/** Σ over outputs of (a − b)·H·(a − b)ᵀ. */
function distance(a: Float64Array, b: Float64Array, matrix: Float64Array, depth: number): number {
  return quadraticForms(
    a.map((x, i) => x - b[i]!),
    matrix,
    depth,
  );
}

/** The error of a layer whose moments are of no use. */
export function notFinite(node: Node): CompileError {
  return new CompileError(
    "not-finite",
    `The inputs of ${node.op} "${node.name}" are not finite numbers on the calibration samples, so that it can't be pruned. Check the samples, or leave the layer as it is with --exclude.`,
    { node: node.name, op: node.op },
  );
}
