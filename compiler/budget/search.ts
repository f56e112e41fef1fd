/**
 * Finds what each layer should be so that the whole file keeps to a budget: a loss database of every form of every layer, the best
 * allocations for all budgets at once, then models that are really made and judged by samples to which nothing was fitted.
 *
 *   with a target:          the best allocation whose file fits; what the prediction is off by is corrected, a few times
 *   with a drop alone:      the smallest file that stays inside it, by bisection along the allocations
 *   with both:              the first, judged by the second; where that fails the smallest file inside the drop is looked for, to say how far it is
 *
 * Nothing that is measured in time takes part: the same on every engine.
 */
import type { Hasher } from "../../host/hash.ts";
import { finishFile } from "../emit/finish.ts";
import { CompileError } from "../errors.ts";
import type { Graph } from "../ir/graph.ts";
import { type CompileOptions, DEFAULT_MIN_SQNR_DB } from "../options.ts";
import { describe, insertAll, type Observed, observeGraph, type Quantized, quantizeGraph, watches, worstOutput } from "../pipeline.ts";
import type { Sample } from "../quantize/calibrate.ts";
import { WEIGHT_BITS, type WeightBits } from "../quantize/weight-bits.ts";
import { HeldOut, type Verdict } from "./held-out.ts";
import { type Allocation, allocate } from "./knapsack.ts";
import { type LayerChoices, measureLayers } from "./loss-database.ts";
import type { BudgetPoint, BudgetReport } from "./report.ts";

/** Every third sample is held out, and this many at least, where there are twice as many. */
const HELD_OUT_PART = 3;
const FEWEST_HELD_OUT = 32;
/** Models that are made until a file fits its target, and to find out what lies below and above. */
const ATTEMPTS = 4;
const SURVEYED = 4;
/** A file that leaves more than this part of its target free may grow. */
const WASTE = 0.01;

/** A model that was made from an allocation. */
interface Made {
  readonly allocation: Allocation;
  readonly quantized: Quantized;
  readonly bytes: number;
  readonly verdict: Verdict;
}

/** Compresses `float` to what `options.target` and `options.maxDrop` ask for. Throws `budget-unmet` where that cannot be, unless forced. */
export async function compressToBudget(
  float: Graph,
  module: WebAssembly.Module,
  hasher: Hasher,
  options: CompileOptions,
): Promise<{ readonly quantized: Quantized; readonly budget: BudgetReport }> {
  const search = await Search.create(float, module, hasher, options);
  const { target = {}, maxDrop } = options;
  let best = target.bytes === undefined ? await search.smallestWithin(maxDrop!) : await search.bestWithin(target.bytes);
  let unmet = search.unmetBy(best);
  if (unmet.length > 0 && target.bytes !== undefined && maxDrop !== undefined && best.bytes <= target.bytes) {
    const other = await search.smallestWithin(maxDrop);
    if (search.unmetBy(other).length === 0) best = other;
    unmet = search.unmetBy(best);
  }
  await search.survey();
  const budget = search.reportOf(best);
  if (!budget.met && !options.force) throw budgetUnmet(budget, search.point(best));
  return { quantized: best.quantized, budget };
}

class Search {
  private readonly layers: readonly LayerChoices[];
  private readonly allocations: readonly Allocation[];
  private readonly made = new Map<Allocation, Made>();
  private readonly heldOut: HeldOut;
  private readonly options: CompileOptions;
  private readonly build: (allocation: Allocation) => Promise<Made>;
  private readonly progress: (made: number) => void;

  private constructor(
    layers: readonly LayerChoices[],
    heldOut: HeldOut,
    options: CompileOptions,
    build: (bits: ReadonlyMap<string, WeightBits>) => Promise<Omit<Made, "allocation">>,
  ) {
    this.layers = layers;
    this.heldOut = heldOut;
    this.options = options;
    this.allocations = allocate(layers.map(({ choices }) => choices.map(({ bytes, loss }) => ({ cost: bytes, loss }))));
    this.build = async (allocation) => ({ allocation, ...(await build(bitsOf(layers, allocation))) });
    this.progress = (made) => options.onProgress?.({ phase: "try models", done: made, total: 0 });
  }

  static async create(float: Graph, module: WebAssembly.Module, hasher: Hasher, given: CompileOptions): Promise<Search> {
    const { options, labelsOf } = withLabels(given);
    const observed = await observeGraph(float, module, options, (count) => Math.max(FEWEST_HELD_OUT, Math.floor(count / HELD_OUT_PART)));
    const { pause, watch } = watches(options);
    const description = describe(float, options, undefined);
    const heldOut = await HeldOut.create(float, description, module, observed.compared, labelsOf, pause);
    if (options.maxDrop !== undefined && heldOut.measure === null) throw noClasses();
    const layers = await measureLayers(
      {
        float,
        inserted: insertAll(float, observed.calibration, options, new Map()).graph,
        floatCompiled: observed.floatCompiled,
        description,
        samples: observed.fitted,
        synthetic: observed.synthetic,
        bits: WEIGHT_BITS.filter((bits) => bits <= (options.weights ?? 8)),
        options,
      },
      module,
      watch("weigh layers"),
    );
    const { onProgress: _, ...quiet } = options;
    const build = async (bits: ReadonlyMap<string, WeightBits>): Promise<Omit<Made, "allocation">> => {
      const quantized = await quantizeGraph(float, module, { ...quiet, force: true }, observed, bits);
      const { bytes } = finishFile(quantized.compiled.program, module, hasher, options.compression, rangeIn(observed));
      return { quantized, bytes: bytes.length, verdict: await heldOut.judge(quantized.graph) };
    };
    return new Search(layers, heldOut, options, build);
  }

  /** The best model whose file has at most `target` bytes, or the smallest one. */
  async bestWithin(target: number): Promise<Made> {
    let best = await this.make(this.allocations.length - 1);
    if (best.bytes <= target) return best;
    let rest = best.bytes - best.allocation.cost;
    best = await this.make(0);
    if (best.bytes > target) return best;
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const next = await this.make(this.dearestWithin(target - rest));
      rest = next.bytes - next.allocation.cost;
      if (next.bytes > target) continue;
      if (isBetter(next, best)) best = next;
      if (next.bytes > target * (1 - WASTE)) break;
    }
    return best;
  }

  /** The smallest file that loses at most `drop` points, found by bisection; the one of least loss where none does. */
  async smallestWithin(drop: number): Promise<Made> {
    let high = this.allocations.length - 1;
    let best = await this.make(high);
    for (let low = 0; low < high && this.lost(best) <= drop; ) {
      const middle = this.between(low, high);
      const made = await this.make(middle);
      if (this.isSound(made) && this.lost(made) <= drop) {
        high = middle;
        if (made.bytes <= best.bytes) best = made;
      } else low = middle + 1;
    }
    return best;
  }

  /** Makes models between the smallest and the largest where none has been made, so that the front can be seen. */
  async survey(): Promise<void> {
    const last = this.allocations.length - 1;
    for (let i = 0; i <= SURVEYED; i++) {
      const cost = this.cost(0) + ((this.cost(last) - this.cost(0)) * i) / SURVEYED;
      await this.make(i === SURVEYED ? last : this.dearestWithin(cost));
    }
  }

  /** What was asked and does not hold of a model, in words. */
  unmetBy(made: Made): readonly string[] {
    const { target = {}, maxDrop, minSqnrDb = DEFAULT_MIN_SQNR_DB } = this.options;
    const worst = worstOutput(made.quantized.comparison);
    return [
      ...(target.bytes !== undefined && made.bytes > target.bytes ? [`${made.bytes} bytes of ${target.bytes}`] : []),
      ...(maxDrop !== undefined && this.lost(made) > maxDrop ? [`a drop of ${this.lost(made).toFixed(2)} points of ${maxDrop}`] : []),
      ...(worst < minSqnrDb ? [`an SQNR of ${worst.toFixed(1)} dB, the floor is ${minSqnrDb}`] : []),
    ];
  }

  reportOf(best: Made): BudgetReport {
    const { target = {}, maxDrop = null } = this.options;
    const unmet = this.unmetBy(best);
    return {
      target,
      maxDrop,
      met: unmet.length === 0,
      unmet,
      dropBy: this.heldOut.measure,
      heldOut: this.heldOut.size,
      chosen: this.layers.map(({ name, choices }, i) => {
        const { bits, bytes, loss } = choices[best.allocation.picks[i]!]!;
        return { layer: name, bits, bytes, predictedLoss: loss };
      }),
      front: unbeaten([...this.made.values()]).map((made) => this.point(made)),
    };
  }

  point({ allocation, bytes, verdict }: Made): BudgetPoint {
    const layersByBits: Record<string, number> = {};
    for (const bits of bitsOf(this.layers, allocation).values()) layersByBits[bits] = (layersByBits[bits] ?? 0) + 1;
    const { sqnrDb, agreement, drop } = verdict;
    const macs = this.layers.reduce((sum, layer) => sum + layer.macs, 0);
    return { bytes, macs, predictedLoss: allocation.loss, measuredDb: sqnrDb, agreement, drop, layersByBits };
  }

  private lost({ verdict }: Made): number {
    return verdict.drop ?? 0;
  }

  private isSound({ quantized }: Made): boolean {
    return worstOutput(quantized.comparison) >= (this.options.minSqnrDb ?? DEFAULT_MIN_SQNR_DB);
  }

  private async make(index: number): Promise<Made> {
    const allocation = this.allocations[index]!;
    const known = this.made.get(allocation);
    if (known) return known;
    const made = await this.build(allocation);
    this.made.set(allocation, made);
    this.progress(this.made.size);
    return made;
  }

  private cost(index: number): number {
    return this.allocations[index]!.cost;
  }

  /** The last allocation of at most this cost, or the first. */
  private dearestWithin(cost: number): number {
    const beyond = this.allocations.findIndex((each) => each.cost > cost);
    return Math.max(0, (beyond < 0 ? this.allocations.length : beyond) - 1);
  }

  /** The allocation whose cost is nearest to the middle between two, in [low, high). */
  private between(low: number, high: number): number {
    const middle = this.dearestWithin((this.cost(low) + this.cost(high)) / 2);
    return Math.min(high - 1, Math.max(low, middle));
  }
}

/** Bits of all layers. */
function bitsOf(layers: readonly LayerChoices[], { picks }: Allocation): ReadonlyMap<string, WeightBits> {
  return new Map(layers.map(({ name, choices }, i) => [name, choices[picks[i]!]!.bits]));
}

/** Of two models that fit, the one whose outputs are closer. */
function isBetter(a: Made, b: Made): boolean {
  return a.verdict.sqnrDb > b.verdict.sqnrDb;
}

/** Models that no smaller one beats in agreement of the outputs, smallest first. */
function unbeaten(made: readonly Made[]): readonly Made[] {
  const kept: Made[] = [];
  for (const next of [...made].sort((a, b) => a.bytes - b.bytes)) {
    const last = kept[kept.length - 1];
    if (!last || isBetter(next, last)) kept.push(next);
  }
  return kept;
}

function rangeIn({ calibration }: Observed): (name: string) => { readonly low: number; readonly high: number } | null {
  return (name) => {
    const seen = calibration.histograms.get(name);
    return seen ? { low: seen.min, high: seen.max } : null;
  };
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

function budgetUnmet(budget: BudgetReport, best: BudgetPoint): CompileError {
  const agreement =
    best.agreement === null ? "" : `, the top class agrees with the float32 model in ${(best.agreement * 100).toFixed(1)} %`;
  return new CompileError(
    "budget-unmet",
    `The budget cannot be met: ${budget.unmet.join(", ")}. That is the best model found, ${best.bytes} bytes, ${best.measuredDb.toFixed(1)} dB${agreement}. Ask for less, or write it nevertheless with --force.`,
    { budget },
    "quality",
  );
}
