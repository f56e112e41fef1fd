/**
 * Finds what each layer should be so that the whole file keeps to a budget: a loss database of every form of every layer, the best
 * allocations for all budgets at once, then models that are really made and judged by samples to which nothing was fitted.
 *
 *   with a target:          the best allocation whose model keeps to it; what the prediction is off by is corrected, a few times
 *   with a drop alone:      the smallest file that stays inside it, by bisection along the allocations
 *   with both:              the first, judged by the second; where that fails the smallest file inside the drop is looked for, to say how far it is
 *
 * Layers are pruned, too, where multiply-accumulates are limited, where a pattern is given, and where a file cannot be small enough by bits
 * alone. Times of steps take part where time is limited, and only as a table holds them: with the same table, the same on every engine.
 */
import type { Scanner } from "../../host/scanner.ts";
import { CompileError } from "../errors.ts";
import type { Graph } from "../ir/graph.ts";
import { type CompileOptions, DEFAULT_MIN_SQNR_DB } from "../options.ts";
import { describe, insertAll, keptNames, observeGraph, type Quantized, watches, worstOutput } from "../pipeline.ts";
import type { WeightPattern } from "../prune/pattern.ts";
import { lossCurves } from "../prune/prune-graph.ts";
import type { LossCurve } from "../prune/support.ts";
import type { Sample } from "../quantize/calibrate.ts";
import { innerLayers, WEIGHT_BITS } from "../quantize/weight-bits.ts";
import { Allocations, type Amounts, type Plan } from "./allocations.ts";
import { timeForms } from "./form-times.ts";
import { formsOf, type LayerForms } from "./forms.ts";
import { HeldOut } from "./held-out.ts";
import { measureLayers } from "./loss-database.ts";
import { heldOutOf, type Model, makeModel, type Recipe, type Source, usedMacs } from "./make.ts";
import type { BudgetPoint, BudgetReport, Target } from "./report.ts";
import { StepClock } from "./step-clock.ts";

/** Models that are made until one keeps to its target, and to find out what lies below and above. */
const ATTEMPTS = 4;
const SURVEYED = 4;
/** Multiply-accumulates that a survey may take, each model all samples once: of large models those that the search makes have to do. */
const SURVEY_MACS = 20e9;
/** A model that leaves more than this part of its target free may grow. */
const WASTE = 0.01;

/** A model that was made from a plan. */
interface Made extends Model {
  readonly plan: Plan;
}

/**
 * Compresses `float` to what `options.target` and `options.maxDrop` ask for. Throws `budget-unmet` where that cannot be, unless forced, and
 * `no-classes`, `useless-labels`, `no-samples`.
 */
export async function compressToBudget(
  float: Graph,
  module: WebAssembly.Module,
  scanner: Scanner,
  options: CompileOptions,
): Promise<{ readonly quantized: Quantized; readonly prunedLayers: Model["prunedLayers"]; readonly budget: BudgetReport }> {
  const { target, maxDrop } = options;
  let search = await Search.create(float, module, scanner, options);
  let best = target === undefined ? await search.smallestWithin(maxDrop!) : await search.bestWithin(target);
  if (target !== undefined && !isWithin(best.amounts, target) && search.withPruning) {
    search = await search.withPruning("unstructured");
    best = await search.bestWithin(target);
  }
  if (target !== undefined && maxDrop !== undefined && search.unmetBy(best).length > 0 && isWithin(best.amounts, target)) {
    const other = await search.smallestWithin(maxDrop);
    if (search.unmetBy(other).length <= search.unmetBy(best).length) best = other;
  }
  await search.survey();
  const budget = search.reportOf(best);
  if (!budget.met && !options.force) throw budgetUnmet(budget);
  return { quantized: best.quantized, prunedLayers: best.prunedLayers, budget };
}

class Search {
  private readonly layers: readonly LayerForms[];
  private readonly allocations: Allocations;
  private readonly made = new Map<string, Made>();
  private readonly source: Source;
  private readonly build: (recipe: Recipe) => Promise<Model>;
  /** The same search in which layers are pruned, too; null where they are, or cannot be. */
  readonly withPruning: ((pattern: WeightPattern) => Promise<Search>) | null;

  private constructor(
    layers: readonly LayerForms[],
    source: Source,
    build: (recipe: Recipe) => Promise<Model>,
    withPattern: ((pattern: WeightPattern) => Promise<Search>) | null,
  ) {
    this.layers = layers;
    this.withPruning = source.options.calibration === undefined ? null : withPattern;
    this.source = source;
    this.allocations = new Allocations(
      layers.map(({ forms }) => forms),
      source.options.target ?? {},
    );
    this.build = build;
  }

  static async create(float: Graph, module: WebAssembly.Module, scanner: Scanner, given: CompileOptions): Promise<Search> {
    const { options, labelsOf } = withLabels(given);
    const excluded = keptNames(float, options.exclude ?? []);
    const observed = await observeGraph(float, module, options, heldOutOf);
    const { pause, watch } = watches(options);
    const description = describe(float, options, undefined);
    const heldOut = await HeldOut.create(float, description, module, observed.compared, labelsOf, pause);
    if (options.maxDrop !== undefined && heldOut.measure === null) throw noClasses();
    const database = {
      float,
      inserted: insertAll(float, observed.calibration, options, new Map()).graph,
      floatCompiled: observed.floatCompiled,
      description,
      samples: observed.fitted,
      synthetic: observed.synthetic,
      bits: WEIGHT_BITS.filter((bits) => bits <= (options.weights ?? 8)),
      options,
    };
    const choices = await measureLayers(database, module, watch("weigh layers"));
    const inner = new Set(innerLayers(float, float.nodes).flatMap(({ name }) => (excluded.has(name) ? [] : [name])));
    const isInner = (layer: string): boolean => inner.has(layer);
    const clock = options.target?.latencyMs === undefined ? null : await StepClock.create(options.latencyTable);
    const withPattern = async (pattern: WeightPattern | null): Promise<Search> => {
      const curves: ReadonlyMap<string, LossCurve> = pattern
        ? await lossCurves(float, observed.floatCompiled, module, observed.fitted, pattern, isInner, watch("weigh pruning"))
        : new Map();
      const source = { float, observed, heldOut, pattern: pattern ?? "block", options, clock };
      const times = { float, dense: database.inserted, observed, pattern: source.pattern, options, isInner };
      const timeOf = clock ? await timeForms(times, module, clock, watch("time layers")) : (): number => 0;
      const build = (recipe: Recipe): Promise<Model> => makeModel(source, recipe, module, scanner);
      return new Search(formsOf(choices, curves, source.pattern, timeOf), source, build, pattern ? null : withPattern);
    };
    return withPattern(patternFor(options, float));
  }

  /** The best model that keeps to the target, or the one that comes nearest. */
  async bestWithin(target: Target): Promise<Made> {
    const finest = await this.make(this.allocations.finest);
    if (isWithin(finest.amounts, target)) return finest;
    let best: Made | null = null;
    let last = finest;
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const next = await this.make(this.allocations.bestWithin(rest(target, last)));
      if (next === last) break;
      last = next;
      const fits = isWithin(next.amounts, target);
      if (fits && (!best || isBetter(next, best))) best = next;
      if (fits && !isWithin(next.amounts, scaled(target, 1 - WASTE))) break;
    }
    if (best) return best;
    const least = await this.make(this.allocations.bestWithin(scaled(target, 0)));
    return isWithin(least.amounts, target) || excess(least, target) < excess(last, target) ? least : last;
  }

  /** The model that takes least and loses at most `drop` points, found by bisection; the one of least loss where none does. */
  async smallestWithin(drop: number): Promise<Made> {
    const { front, by } = this.allocations;
    let high = front.length - 1;
    let best = await this.make(front[high]!);
    for (let low = 0; low < high && this.lost(best) <= drop; ) {
      const middle = this.between(low, high);
      const made = await this.make(front[middle]!);
      if (this.isSound(made) && this.lost(made) <= drop) {
        high = middle;
        if (made.amounts[by] <= best.amounts[by]) best = made;
      } else low = middle + 1;
    }
    return best;
  }

  /** Makes models between the smallest and the largest, so that the front can be seen, as far as they are small enough. */
  async survey(): Promise<void> {
    const { front, by } = this.allocations;
    const last = front.length - 1;
    const { float, observed } = this.source;
    const steps = Math.min(SURVEYED, Math.floor(SURVEY_MACS / Math.max(1, usedMacs(float) * observed.samples.length)));
    for (let i = 0; steps > 0 && i <= steps; i++) {
      const [least, most] = [front[0]![by], front[last]![by]];
      await this.make(front[i === steps ? last : this.within(least + ((most - least) * i) / steps)]!);
    }
  }

  /** What was asked and does not hold of a model, in words. */
  unmetBy(made: Made): readonly string[] {
    const { target = {}, maxDrop, minSqnrDb = DEFAULT_MIN_SQNR_DB } = this.source.options;
    const { bytes, macs, latencyMs } = made.amounts;
    const worst = worstOutput(made.quantized.comparison);
    return [
      ...(target.bytes !== undefined && bytes > target.bytes ? [`${bytes} bytes of ${target.bytes}`] : []),
      ...(target.macs !== undefined && macs > target.macs ? [`${macs} multiply-accumulates of ${target.macs}`] : []),
      ...(target.latencyMs !== undefined && latencyMs > target.latencyMs ? [`${latencyMs.toFixed(3)} ms of ${target.latencyMs}`] : []),
      ...(maxDrop !== undefined && this.lost(made) > maxDrop ? [`a drop of ${this.lost(made).toFixed(2)} points of ${maxDrop}`] : []),
      ...(worst < minSqnrDb ? [`an SQNR of ${worst.toFixed(1)} dB, the floor is ${minSqnrDb}`] : []),
    ];
  }

  reportOf(best: Made): BudgetReport {
    const { options, heldOut, pattern, clock } = this.source;
    const { target = {}, maxDrop = null } = options;
    const unmet = this.unmetBy(best);
    const isPruned = this.recipeOf(best.plan).sparsities.size > 0;
    return {
      target,
      maxDrop,
      pattern: isPruned ? pattern : null,
      met: unmet.length === 0,
      unmet,
      dropBy: heldOut.measure,
      heldOut: heldOut.size,
      latencyTable: clock?.table() ?? null,
      measuredTimes: clock?.measured ?? 0,
      point: this.point(best),
      chosen: this.layers.map(({ name, forms }, i) => {
        const { bits, sparsity, bytes, loss } = forms[best.plan.picks[i]!]!;
        return { layer: name, bits, sparsity, bytes: Math.round(bytes), predictedLoss: loss };
      }),
      front: unbeaten([...this.made.values()]).map((made) => this.point(made)),
    };
  }

  private point({ plan, amounts, verdict }: Made): BudgetPoint {
    const { bits, sparsities } = this.recipeOf(plan);
    const layersByBits: Record<string, number> = {};
    for (const own of bits.values()) layersByBits[own] = (layersByBits[own] ?? 0) + 1;
    const { sqnrDb, agreement, drop } = verdict;
    const latencyMs = this.source.clock ? amounts.latencyMs : null;
    return {
      ...amounts,
      latencyMs,
      predictedLoss: plan.loss,
      measuredDb: sqnrDb,
      agreement,
      drop,
      layersByBits,
      prunedLayers: sparsities.size,
    };
  }

  private recipeOf({ picks }: Plan): Recipe {
    const chosen = this.layers.map(({ name, forms }, i) => [name, forms[picks[i]!]!] as const);
    return {
      bits: new Map(chosen.map(([name, { bits }]) => [name, bits])),
      sparsities: new Map(chosen.flatMap(([name, { sparsity }]) => (sparsity > 0 ? [[name, sparsity] as const] : []))),
    };
  }

  private lost({ verdict }: Made): number {
    return verdict.drop ?? 0;
  }

  private isSound({ quantized }: Made): boolean {
    return worstOutput(quantized.comparison) >= (this.source.options.minSqnrDb ?? DEFAULT_MIN_SQNR_DB);
  }

  private async make(plan: Plan): Promise<Made> {
    const key = plan.picks.join(" ");
    const known = this.made.get(key);
    if (known) return known;
    const made = { plan, ...(await this.build(this.recipeOf(plan))) };
    this.made.set(key, made);
    this.source.options.onProgress?.({ phase: "try models", done: this.made.size, total: 0 });
    return made;
  }

  /** Index of the last plan of the front that takes at most so much, or of the first. */
  private within(amount: number): number {
    const { front, by } = this.allocations;
    const beyond = front.findIndex((plan) => plan[by] > amount);
    return Math.max(0, (beyond < 0 ? front.length : beyond) - 1);
  }

  /** The index of what takes about the middle between two, in [low, high). */
  private between(low: number, high: number): number {
    const { front, by } = this.allocations;
    return Math.min(high - 1, Math.max(low, this.within((front[low]![by] + front[high]![by]) / 2)));
  }
}

/** What goes together where layers may be pruned from the start; null where bits are tried alone first. */
function patternFor({ target, pattern }: CompileOptions, float: Graph): WeightPattern | null {
  if (pattern === "channel") throw new Error("unreachable: a search of channels");
  if (pattern !== undefined) return pattern;
  const isFaster = target?.latencyMs !== undefined || (target?.macs !== undefined && target.macs < usedMacs(float));
  return isFaster ? "block" : null;
}

/** What the layers may take where the rest of a model takes what that of `made` does. */
function rest(target: Target, { amounts, plan }: Made): Target {
  return mapTarget(target, (limit, name) => limit - (amounts[name] - plan[name]));
}

function scaled(target: Target, factor: number): Target {
  return mapTarget(target, (limit) => limit * factor);
}

function mapTarget(target: Target, map: (limit: number, name: keyof Amounts) => number): Target {
  return Object.fromEntries(Object.entries(target).map(([name, limit]) => [name, map(limit, name as keyof Amounts)]));
}

function isWithin(amounts: Amounts, target: Target): boolean {
  return Object.entries(target).every(([name, limit]) => amounts[name as keyof Amounts] <= limit);
}

/** The largest part of a limit that a model takes. */
function excess({ amounts }: Made, target: Target): number {
  return Math.max(...Object.entries(target).map(([name, limit]) => amounts[name as keyof Amounts] / limit));
}

/** Of two models that fit, the one whose outputs are closer. */
function isBetter(a: Made, b: Made): boolean {
  return a.verdict.sqnrDb > b.verdict.sqnrDb;
}

/** Models that no smaller one beats in agreement of the outputs, smallest first. */
function unbeaten(made: readonly Made[]): readonly Made[] {
  const kept: Made[] = [];
  for (const next of [...made].sort((a, b) => a.amounts.bytes - b.amounts.bytes)) {
    const last = kept[kept.length - 1];
    if (!last || isBetter(next, last)) kept.push(next);
  }
  return kept;
}

/** Options whose samples are counted as they go by, so that each finds its labels again. */
function withLabels(options: CompileOptions): {
  readonly options: CompileOptions;
  readonly labelsOf: ((sample: Sample, rows: number) => readonly number[]) | null;
} {
  const { calibration, calibrationLabels } = options;
  if (!calibration || !calibrationLabels) return { options, labelsOf: null };
  const numbers = new Map<Sample, number>();
  const counted = async function* (): AsyncGenerator<Sample> {
    for await (const sample of calibration) {
      numbers.set(sample, numbers.size);
      yield sample;
    }
  };
  const labelsOf = (sample: Sample, rows: number): readonly number[] =>
    Array.from({ length: rows }, (_, row) => calibrationLabels[numbers.get(sample)! * rows + row] ?? -1);
  return { options: { ...options, calibration: counted() }, labelsOf };
}

function noClasses(): CompileError {
  return new CompileError(
    "no-classes",
    "maxDrop counts classes, and no output of this model is one score for each class. Ask for a target instead, and judge it by minSqnrDb.",
    {},
    "usage",
  );
}

function budgetUnmet(budget: BudgetReport): CompileError {
  const { point: best } = budget;
  const agreement =
    best.agreement === null ? "" : `, the top class agrees with the float32 model in ${(best.agreement * 100).toFixed(1)} %`;
  return new CompileError(
    "budget-unmet",
    `The budget cannot be met: ${budget.unmet.join(", ")}. That is the best model found, ${best.bytes} bytes, ${best.measuredDb.toFixed(1)} dB${agreement}. Ask for less, or write it nevertheless with --force.`,
    { budget },
    "quality",
  );
}
