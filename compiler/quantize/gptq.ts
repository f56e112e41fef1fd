/**
 * Rounds the weights of a layer so that its result changes least (GPTQ: Frantar et al. 2022, "asymmetric": the inputs are those of the
 * network whose earlier layers are quantized already, the aim is the float32 network's result).
 *
 *   minimise over integers q:  E ‖ w·(x − E x) − s·q·(x̂ − E x̂) ‖²      for each output; the means go into the bias
 *
 * With H = Cov(x̂) + damping and C = Cov(x, x̂) the best real weights are w' = (w·C + ridge·w)·(Cov(x̂) + ridge)⁻¹, and the error above theirs
 * is ‖(w' − s·q)·R‖² with H = R·Rᵀ (cholesky.ts). Its component k holds the first k weights only, so they are rounded in order, each to the
 * nearest of what the earlier ones' errors leave it to compensate:
 *
 *   t_k = w'_k + Σ_{i<k} (w'_i − s·q_i)·R_ik / R_kk,   q_k = round(t_k / s)
 *
 * which is GPTQ's column sweep without the inverse of H. Columns of large variance come first.
 *
 * Run-safe and pair-safe weights (format/packings.ts, weight-sets.ts): a weight has the range that those of its set leave over which are rounded already;
 * what it and those to come are too much is taken off all of them alike. What that clips the later columns compensate like any other error, so that the
 * scale need not be that of the largest set: of several scales the one with the least error is taken, for each output, or the largest whose error does not matter.
 *
 * Groups of columns (groups.ts) have factors, chosen before anything is rounded: their weights are rounded to multiples of s·factor.
 *
 * Weights that were pruned stay 0: the others are fitted on what is left, and the sweep rounds those to 0 whatever it would compensate.
 */

import { type Bound, MATES, matesOf, type WeightSets } from "../lower/weight-sets.ts";
import { LANES, multiply, workspace } from "./algebra.ts";
import { type Factor, factor, solve } from "./cholesky.ts";
import { type ColumnGroups, columnGroups, type Grouping } from "./groups.ts";
import { ridged, type Support, solveOnSupport, targetsOf } from "./least-squares.ts";
import { addLargeScales, groupFactors, promisingScales, TRIED } from "./scale-candidates.ts";
import { type WeightBits, weightLevels } from "./weight-bits.ts";

/** Second moments of a layer's inputs in its two forms, over a number of observations; both in the same unit. */
export interface Moments {
  readonly depth: number;
  /** How many independent observations they are worth. */
  readonly observations: number;
  /** Cov(x̂): [depth][depth] */
  readonly covariance: Float64Array;
  /** Cov(x, x̂): [depth of x][depth of x̂] */
  readonly cross: Float64Array;
}

/** What integers and scales are allowed. */
export interface RoundingRule {
  readonly bits: WeightBits;
  /** The greatest magnitude, where it is to be less than what the bits hold. */
  readonly levels?: number;
  /** Groups with a factor each; one scale an output is all there is unless given. */
  readonly grouping?: Grouping | null;
  /** What sets of an output's weights keep to; null: any weights do. */
  readonly sets: WeightSets | null;
  /** The least scale of each output. */
  readonly leastScales: Float64Array;
  /** Error of each output that does not matter: of scales within it the largest is taken, whose integers are the smallest. 0: the best scale is. */
  readonly negligible?: Float64Array;
  /** A scale for an output, close to a given one, that takes fewer bytes in the file. */
  readonly shorten?: (scale: number) => number;
}

/** Weights of a layer, rounded. */
export interface Rounded {
  /** Integers that the scales are multiplied by, factors of groups included: [outputs][depth] */
  readonly values: Int8Array;
  readonly scales: Float32Array;
  /** For each output, the mean square that rounding adds to the error of the best real weights. */
  readonly errors: Float64Array;
}

/** What is prepared once for a layer, whatever the rule. */
export interface Prepared {
  readonly depth: number;
  /** Column that is rounded k-th. */
  readonly order: Int32Array;
  readonly factor: Factor;
  /** w', in the order of rounding: [outputs][depth] */
  readonly refitted: Float64Array;
  /** Which weights are not fixed at 0, likewise; null: none is. */
  readonly support: Support | null;
}

/** Damping is at least this part of the mean variance. */
const DAMPING = 0.01;
/** What real weights are held to the given ones by, as a part of the mean variance: inputs of other samples have other errors. */
const RIDGE = 1;
/** And where moments are uncertain, as a part of their damping. */
const RIDGE_PER_DAMPING = 20;

/**
 * Orders the columns, factors H and fits real weights: `weights` is [outputs][depth]; those outside of `support` are 0 and stay it. `shareOf`
 * says how much of the way to the fitted weights, [outputs][depth] too, to go; all of it unless given. Null where the moments are not finite.
 */
export async function prepare(
  weights: Float32Array,
  moments: Moments,
  support: Support | null,
  pause: () => Promise<void>,
  shareOf: (fitted: Float64Array) => number = () => 1,
): Promise<Prepared | null> {
  const { depth, observations, covariance } = moments;
  const variances = Float64Array.from({ length: depth }, (_, k) => covariance[k * depth + k]!);
  const order = Int32Array.from({ length: depth }, (_, k) => k).sort((a, b) => variances[b]! - variances[a]! || a - b);
  const mean = variances.reduce((a, b) => a + b, 0) / depth;
  const uncertain = uncertainty(covariance, depth, observations);
  const damping = mean * Math.max(DAMPING, uncertain) || 1;
  const ridge = mean * Math.max(RIDGE, RIDGE_PER_DAMPING * uncertain) || 1;
  const rounding = factor(damped(covariance, order, damping), depth);
  if (!rounding) return null;
  const targets = targetsOf(weights, moments, ridge);
  const fitted = support
    ? await solveOnSupport(ridged(moments, ridge), depth, targets, support, pause)
    : solveAll(damped(covariance, order, ridge), order, targets);
  if (!fitted) return null;
  const share = shareOf(fitted);
  const placeOf = (at: number): number => at - (at % depth) + order[at % depth]!;
  const refitted = Float64Array.from(fitted, (_, at) => {
    const place = placeOf(at);
    return weights[place]! + share * (fitted[place]! - weights[place]!);
  });
  if (!refitted.every(Number.isFinite)) return null;
  return { depth, order, factor: rounding, refitted, support: support?.map((_, at) => support[placeOf(at)]!) ?? null };
}

/** Solves for all rows; the matrix is in `order`. */
function solveAll(matrix: Float64Array, order: Int32Array, targets: Float64Array): Float64Array | null {
  const depth = order.length;
  const factored = factor(matrix, depth);
  if (!factored) return null;
  const placeOf = (at: number): number => at - (at % depth) + order[at % depth]!;
  const rows = targets.map((_, at) => targets[placeOf(at)]!);
  solve(factored, rows);
  const solved = new Float64Array(targets.length);
  rows.forEach((x, at) => {
    solved[placeOf(at)] = x;
  });
  return solved;
}

/** Rounding without data: every input varies by itself, as much as any other. */
export function prepareBlind(weights: Float32Array, depth: number): Prepared {
  const upper = new Float64Array(depth * depth);
  for (let k = 0; k < depth; k++) upper[k * depth + k] = 1;
  const order = Int32Array.from({ length: depth }, (_, k) => k);
  return {
    depth,
    order,
    factor: { size: depth, upper, lower: upper, isDiagonal: true },
    refitted: Float64Array.from(weights),
    support: null,
  };
}

function damped(covariance: Float64Array, order: Int32Array, damping: number): Float64Array {
  const depth = order.length;
  const matrix = new Float64Array(depth * depth);
  for (let i = 0; i < depth; i++) {
    for (let j = 0; j < depth; j++) matrix[i * depth + j] = covariance[order[i]! * depth + order[j]!]!;
    matrix[i * depth + i] = matrix[i * depth + i]! + damping;
  }
  return matrix;
}

/**
 * How much of the mean variance to add to a covariance that was estimated from few observations (after the oracle approximating
 * shrinkage of Chen et al. 2010): with r = tr²/‖·‖², the number of directions that matter, ρ ≈ (1 + r) / (n·(1 − r/depth)), ρ/(1 − ρ).
 */
export function uncertainty(covariance: Float64Array, depth: number, observations: number): number {
  let trace = 0;
  let squares = 0;
  for (let i = 0; i < depth; i++) trace += covariance[i * depth + i]!;
  for (const c of covariance) squares += c * c;
  if (!(squares > 0)) return 0;
  const rank = (trace * trace) / squares;
  const rho = Math.min(0.9, (1 + rank) / (observations * Math.max(1e-3, 1 - rank / depth)));
  return rho / (1 - rho);
}

/** Rounds prepared weights by a rule. Outputs that lose no less in groups have one scale. */
export function roundWeights(prepared: Prepared, rule: RoundingRule): Rounded {
  const { grouping, ...whole } = rule;
  const alone = roundRows(prepared, whole);
  if (!grouping) return alone;
  const grouped = roundRows(prepared, rule);
  const { depth } = prepared;
  grouped.errors.forEach((error, o) => {
    if (error < alone.errors[o]!) return;
    grouped.values.set(alone.values.subarray(o * depth, (o + 1) * depth), o * depth);
    grouped.scales[o] = alone.scales[o]!;
    grouped.errors[o] = alone.errors[o]!;
  });
  return grouped;
}

function roundRows(
  prepared: Prepared,
  { bits, levels = weightLevels(bits), grouping = null, sets, leastScales, negligible, shorten = (scale) => scale }: RoundingRule,
): Rounded {
  const { depth, order, factor: factored, refitted, support } = prepared;
  const outputs = refitted.length / depth;
  const bound = sets && { ...sets, mates: matesOf(sets, order) };
  const pivots = Float64Array.from({ length: depth }, (_, k) => factored.upper[k * depth + k]! ** 2);
  const groups = columnGroups(order, grouping);
  const asked = { rows: refitted, depth, levels, bound, groups, pivots };
  const candidates = promisingScales(asked, leastScales);
  for (let o = 0; o < outputs; o++) {
    const found = candidates.subarray(o * TRIED, (o + 1) * TRIED);
    const enough = negligible?.[o] ?? 0;
    if (enough > 0) addLargeScales(found, refitted.subarray(o * depth, (o + 1) * depth), enough, pivots);
    found.forEach((scale, i) => {
      found[i] = shorten(scale);
    });
  }
  const factors = grouping && groupFactors(asked, candidates);
  const noises = negligible ?? new Float64Array(outputs);
  const { integers, best } = sweep(factored, refitted, candidates, noises, levels, bound, support, groups, factors);
  const values = new Int8Array(refitted.length);
  integers.forEach((q, at) => {
    values[at - (at % depth) + order[at % depth]!] = q;
  });
  return {
    values,
    scales: Float32Array.from({ length: outputs }, (_, o) => candidates[o * TRIED + best[2 * o]!]!),
    errors: Float64Array.from({ length: outputs }, (_, o) => best[2 * o + 1]!),
  };
}

/** The mean square that given integers add to the error of the best real weights, for each output. */
export function roundingErrors(
  { depth, order, factor: { lower, isDiagonal }, refitted }: Prepared,
  values: Int8Array,
  scales: Float32Array,
): Float64Array {
  const missed = refitted.map((w, at) => w - values[at - (at % depth) + order[at % depth]!]! * scales[Math.floor(at / depth)]!);
  const errors = isDiagonal
    ? missed.map((e, at) => e * lower[(at % depth) * (depth + 1)]!)
    : multiply(missed, { matrix: lower, size: depth, isLower: true });
  return Float64Array.from(scales, (_, o) => errors.subarray(o * depth, (o + 1) * depth).reduce((error, s) => error + s * s, 0));
}

/**
 * Rounds all rows, each with its TRIED scales at once: the integers of the largest of those whose error is negligible, else of that with the least, in
 * the order of rounding; its index and error, row by row.
 */
function sweep(
  { size, lower, isDiagonal }: Factor,
  rows: Float64Array,
  scales: Float64Array,
  negligible: Float64Array,
  levels: number,
  bound: Bound | null,
  support: Support | null,
  groups: ColumnGroups,
  factors: Uint8Array | null,
): { readonly integers: Int8Array; readonly best: Float64Array } {
  const count = rows.length / size;
  const bytes = Math.ceil(rows.length / 8);
  const scratch = LANES * (2 + size) + Math.ceil((size * LANES) / 8);
  const factorBytes = Math.ceil((factors?.length ?? 0) / 8);
  const room = workspace(lower.length + rows.length + scales.length + (1 + MATES) * size + 2 * bytes + factorBytes + 3 * count + scratch);
  const [matrix, from, tried, enough] = [room.put(lower), room.put(rows), room.put(scales), room.put(negligible)];
  const [pairs, kept] = [bound ? room.putBytes(bound.mates) : 0, support ? room.putBytes(support) : 0];
  const [numbers, grouped] = [room.putBytes(groups.groupOf), factors ? room.putBytes(factors) : 0];
  const [integers, best] = [room.take(bytes), room.take(2 * count)];
  const limits = [levels, bound?.limit ?? 0, bound?.bySign ? 1 : 0] as const;
  room.kernels.sweep(
    matrix,
    size,
    isDiagonal ? 1 : 0,
    from,
    count,
    tried,
    enough,
    ...limits,
    pairs,
    kept,
    numbers,
    groups.count,
    grouped,
    integers,
    best,
    room.take(scratch),
  );
  return {
    integers: new Int8Array(room.bytes(integers, rows.length).slice().buffer),
    best: room.doubles(best, 2 * count).slice(),
  };
}
