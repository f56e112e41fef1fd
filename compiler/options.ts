/** What a caller of the compiler may ask for; checked before any work begins. */
import { checkPreprocessSpec, type PreprocessSpec } from "../host/preprocess-spec.ts";
import type { Tensor } from "../host/tensor.ts";
import type { WorkerLike } from "../host/worker-model.ts";
import { bindingsOf, type Shapes } from "./bindings.ts";
import type { Target } from "./budget/report.ts";
import type { LatencyTable } from "./budget/step-clock.ts";
import { CompileError } from "./errors.ts";
import type { PruningMasks } from "./prune/masks.ts";
import {
  allows,
  CRITERIA,
  type Criterion,
  isPattern,
  PATTERNS,
  type Pattern,
  RECONSTRUCTIONS,
  type Reconstruction,
} from "./prune/pattern.ts";
import type { Sample } from "./quantize/calibrate.ts";
import { LARGEST_GROUP, LEAST_GROUP, MOST_GROUPED_BITS } from "./quantize/groups.ts";
import type { Observer } from "./quantize/ranges.ts";
import { WEIGHT_BITS, type WeightBits } from "./quantize/weight-bits.ts";

/** A phase of compiling and how far it is; `total` 0 where that is not known. */
export interface Progress {
  readonly phase: string;
  readonly done: number;
  readonly total: number;
}

/** Number formats of a model's arithmetic. */
export type Precision = "mixed" | "int8" | "float32";

/** Options of `compile`. */
export interface CompileOptions {
  /**
   * "mixed" (the default): int8, but for nodes that are sooner done in float32, and for those that the outputs would suffer from most, where
   * they would fall below `targetSqnrDb`; "int8": whatever has an int8 form; "float32" throughout.
   */
  readonly precision?: Precision;
  /**
   * The SQNR that mixed precision aims at for every output, in dB; 22 by default. At least four fifths of the multiply-accumulates stay in int8, and two
   * thirds of the time that int8 saves, even where that is not enough. On synthesised inputs it aims at `minSqnrDb`.
   */
  readonly targetSqnrDb?: number;
  /**
   * Bits of the weights of int8 layers, 8 by default. Depthwise layers have eight all the same, and so have the first and the last ones
   * where there are to be five or fewer. Seven, six and five bits are multiplied as eight and make the file smaller; three and two are
   * multiplied as four.
   */
  readonly weights?: WeightBits;
  /**
   * Of weights of four bits or fewer, so many adjacent ones of an output are a group with a factor of its own for their scale: 8 to 1024, 32 being usual.
   * Rounding adds less noise, above all to the nearest, and the file grows by a tenth of a bit a weight and more; weights of four and three bits are then
   * multiplied as those of eight. Outputs of no more weights have one scale, and so have all unless this is given. Not with `target.latencyMs`.
   */
  readonly groupSize?: number;
  /**
   * What the model may take: the bits of each layer's weights are searched, `weights` at most, and how much of each is pruned where `macs` or `latencyMs` are limited,
   * where a `pattern` is given, or where bits alone are not enough. With the pattern "channel" it is `macs` alone: nothing is searched, channels are cut out
   * until no more multiply-accumulates are left. Fails with `budget-unmet` where that cannot be, but with `force`.
   */
  readonly target?: Target;
  /**
   * Points that may be lost on samples held out: of top-1 where they are labelled, else of agreement with the float32 model's top class. Without a
   * target the smallest file is searched that keeps to it.
   */
  readonly maxDrop?: number;
  /** Times of steps for `target.latencyMs`, of an earlier report; what it lacks is measured here. */
  readonly latencyTable?: LatencyTable;
  /** The right class of each calibration sample, from 0; of a model with a batch, of each of a sample's rows. Only `maxDrop` looks at them. */
  readonly calibrationLabels?: readonly number[];
  /** Samples to calibrate with, each a tensor for every input. Without them inputs are synthesised, and the report says so. */
  readonly calibration?: Iterable<Sample> | AsyncIterable<Sample>;
  /** How activation ranges are chosen; "mse" by default. */
  readonly observer?: Observer;
  /** Correct biases for the mean error of rounded weights, where it helps; true by default. */
  readonly biasCorrection?: boolean;
  /**
   * How weights are rounded: for what the layer's results on the calibration samples lose least by (the default), or each to the nearest.
   * Without samples it is to the nearest.
   */
  readonly rounding?: "gptq" | "nearest";
  /**
   * Make eight-bit weights run-safe or else pair-safe, which the relaxed build multiplies faster, but of layers that would lose by it; channels
   * change places for that, unless there are masks or `weights` are fewer than 8. True by default.
   */
  readonly pairSafe?: boolean;
  /**
   * Part of the weights to remove before quantizing, above 0 and below 1: of each layer but the first ones, the last ones, and
   * depthwise ones; of the multiply-accumulates where channels are removed. What stays is fitted to the calibration samples.
   */
  readonly prune?: number;
  /**
   * In how many rounds to prune, 1 by default: each goes on from the model that the one before left fitted, by a cubic schedule; not by N:M and not of
   * channels. Without training in between one round loses least.
   */
  readonly pruneSteps?: number;
  /**
   * Weights that are gone already, by the names of nodes: they stay 0. Without `prune` just they go, and what stays is fitted; not with the
   * pattern "channel".
   */
  readonly masks?: PruningMasks;
  /** Which weights go together; "block" by default. */
  readonly pattern?: Pattern;
  /** How those that go are chosen; "obc" by default. Without calibration samples only "magnitude" is possible. */
  readonly criterion?: Criterion;
  /**
   * What becomes of the weights that stay: "least-squares" by default, where there are calibration samples; "none" leaves them as they are, by the criterion
   * "magnitude" only and without a target.
   */
  readonly reconstruction?: Reconstruction;
  /** Nodes that are not pruned, by name; "first" and "last" stand for the first and the last layer with weights. */
  readonly exclude?: readonly string[];
  /** Nodes to leave in float32, by name; "first" and "last" stand for the first and the last layer with weights. */
  readonly keepFloat?: readonly string[];
  /**
   * Sizes of dynamic dimensions: a symbolic name, or `input:axis`. Several sizes give a file of several plans over the same weights: of a record
   * all combinations, of a list its entries. Calibration samples have the sizes that stand first.
   */
  readonly shapes?: Shapes;
  /**
   * Outputs that are the states which the next run takes: the input of each by the output's name; stored in the file, for `stream`. Unless given they are found by
   * their names where these are usual; an empty record says that there are none.
   */
  readonly state?: Readonly<Record<string, string>>;
  /** Inputs to bind to a constant. */
  readonly constants?: Readonly<Record<string, Tensor>>;
  /** Reads external tensor data: `length` bytes (to the end where undefined) from `offset` of the file `location`. */
  readonly externalData?: (location: string, offset: number, length: number | undefined) => Uint8Array;
  /** How constants stand in the file: entropy coded where that makes it smaller (the default), or as they are, four-bit weights two to a byte. */
  readonly compression?: "rans" | "none";
  /** How images become the first input; stored in the file. */
  readonly preprocess?: PreprocessSpec;
  /** Class names of the first output; stored in the file. */
  readonly labels?: readonly string[];
  /** Fail where an output's SQNR on the calibration samples is lower, in dB; 10 by default. */
  readonly minSqnrDb?: number;
  /** Give the result even so. */
  readonly force?: boolean;
  /**
   * How many workers take part at most, 1 (none, the default) to 64; with `startWorker`. The result is the same. They are not started for a
   * model of little work, nor where no samples are given; `report.workers` says how many there were.
   */
  readonly workers?: number;
  /** Makes a worker with the script `eqm/compiler-worker`: a web worker, or a `Worker` of node:worker_threads. */
  readonly startWorker?: () => WorkerLike;
  /** Whether the report says how long each layer takes on this machine, before and after; it takes about a second more. */
  readonly layerTimes?: boolean;
  readonly onProgress?: (progress: Progress) => void;
  readonly signal?: AbortSignal;
}

/** Outputs below this are noise rather than a model. */
export const DEFAULT_MIN_SQNR_DB = 10;

/** What mixed precision aims at: on samples that it was not calibrated with a model comes out a decibel or two lower. */
export const DEFAULT_TARGET_SQNR_DB = 22;

/** What is compiled to unless asked otherwise. */
export const DEFAULT_PRECISION: Precision = "mixed";

const OBSERVERS: readonly string[] = ["mse", "minmax", "percentile", "entropy"];

/** Throws `bad-option` for a value that no option takes. */
export function checkOptions(options: CompileOptions): void {
  const {
    precision = DEFAULT_PRECISION,
    weights = 8,
    observer = "mse",
    rounding = "gptq",
    compression = "rans",
    minSqnrDb,
    targetSqnrDb,
    shapes,
    state,
    calibration,
    prune,
    pruneSteps,
    masks,
    pattern = "block",
    criterion = "obc",
    reconstruction = "least-squares",
    exclude = [],
    keepFloat = [],
    labels = [],
    preprocess,
  } = options;
  if (!["mixed", "int8", "float32"].includes(precision)) throw badOption("precision", precision, '"mixed", "int8" or "float32"');
  if (!WEIGHT_BITS.includes(weights)) throw badOption("weights", weights, "8, 7, 6, 5, 4, 3 or 2");
  if (!OBSERVERS.includes(observer)) throw badOption("observer", observer, OBSERVERS.join(", "));
  if (rounding !== "gptq" && rounding !== "nearest") throw badOption("rounding", rounding, '"gptq" or "nearest"');
  if (compression !== "rans" && compression !== "none") throw badOption("compression", compression, '"rans" or "none"');
  if (calibration !== undefined && !isIterable(calibration))
    throw badOption("calibration", calibration, "samples, each a tensor for every input, by name");
  if (prune !== undefined && !(prune > 0 && prune < 1)) throw badOption("prune", prune, "a number above 0 and below 1");
  if (typeof pattern !== "string" || !isPattern(pattern)) throw badOption("pattern", pattern, `${PATTERNS.join(", ")} or N:M`);
  if (!CRITERIA.includes(criterion)) throw badOption("criterion", criterion, CRITERIA.join(", "));
  if (!RECONSTRUCTIONS.includes(reconstruction)) throw badOption("reconstruction", reconstruction, RECONSTRUCTIONS.join(", "));
  if (reconstruction === "none" && (criterion !== "magnitude" || isSearched(options)))
    throw badOption("reconstruction", reconstruction, 'least-squares but for the criterion "magnitude" without a search');
  if (prune !== undefined && !allows(pattern, prune)) {
    throw badOption(
      "prune",
      prune,
      `with the pattern ${pattern} ${pattern === "nm" ? "0.25, 0.5 or 0.75" : "the part that it takes away"}`,
    );
  }
  if (pruneSteps !== undefined) {
    if (!(Number.isSafeInteger(pruneSteps) && pruneSteps >= 1 && pruneSteps <= MOST_PRUNE_STEPS))
      throw badOption("pruneSteps", pruneSteps, `an integer from 1 to ${MOST_PRUNE_STEPS}`);
    if (prune === undefined) throw badOption("pruneSteps", pruneSteps, "a prune beside it");
    if (pruneSteps > 1 && !prunesInSteps(pattern)) throw badOption("pruneSteps", pruneSteps, `1 with the pattern ${pattern}`);
  }
  if (masks !== undefined) {
    if (!areMasks(masks)) throw badOption("masks", masks, "{ shape, data } by the name of a node, with a 0 or 1 for each weight");
    if (pattern === "channel") throw badOption("masks", masks, "a pattern within layers beside it");
    if (hasBudget(options)) throw badOption("masks", masks, "no target and no maxDrop beside it");
  }
  if (pattern === "channel" && criterion === "wanda") throw badOption("criterion", criterion, "obc or magnitude with the pattern channel");
  if ((prune ?? masks) !== undefined && calibration === undefined && criterion !== "magnitude") {
    throw new CompileError(
      "no-samples",
      `Pruning by the criterion ${criterion} takes calibration samples: give some, or choose "magnitude".`,
      { criterion },
      "usage",
    );
  }
  if (!areNames(exclude)) throw badOption("exclude", exclude, "a list of names");
  if (!areNames(keepFloat)) throw badOption("keepFloat", keepFloat, "a list of names");
  if (!areNames(labels)) throw badOption("labels", labels, "a list of names");
  if (preprocess !== undefined) {
    checkPreprocessSpec({ ...preprocess }, (problem) => {
      throw badOption("preprocess", preprocess, `a specification; this one ${problem}`);
    });
  }
  checkBudget(options);
  checkGroups(options);
  if (minSqnrDb !== undefined && !Number.isFinite(minSqnrDb)) throw badOption("minSqnrDb", minSqnrDb, "a number of decibels");
  if (targetSqnrDb !== undefined && !Number.isFinite(targetSqnrDb)) throw badOption("targetSqnrDb", targetSqnrDb, "a number of decibels");
  if (targetSqnrDb !== undefined && precision !== "mixed")
    throw badOption("targetSqnrDb", targetSqnrDb, 'a number with precision "mixed" only');
  checkWorkers(options);
  bindingsOf(shapes);
  if (state !== undefined && !(typeof state === "object" && state !== null && areNames(Object.values(state))))
    throw badOption("state", state, "the name of an input for each of some outputs");
}

function checkGroups(options: CompileOptions): void {
  const { groupSize, weights = 8, target } = options;
  if (groupSize === undefined) return;
  if (!(Number.isSafeInteger(groupSize) && groupSize >= LEAST_GROUP && groupSize <= LARGEST_GROUP))
    throw badOption("groupSize", groupSize, `a whole number from ${LEAST_GROUP} to ${LARGEST_GROUP}`);
  if (weights > MOST_GROUPED_BITS && !isSearched(options))
    throw badOption("groupSize", groupSize, `weights of ${MOST_GROUPED_BITS} bits or fewer beside it`);
  if (target?.latencyMs !== undefined)
    throw badOption("groupSize", groupSize, "no target.latencyMs beside it: weights of four bits are no faster in groups");
}

/** More would wait for one another. */
export const MOST_WORKERS = 64;

function checkWorkers({ workers = 1, startWorker }: CompileOptions): void {
  if (!(Number.isSafeInteger(workers) && workers >= 1 && workers <= MOST_WORKERS))
    throw badOption("workers", workers, `a whole number from 1 to ${MOST_WORKERS}`);
  if (startWorker !== undefined && typeof startWorker !== "function") throw badOption("startWorker", startWorker, "a function");
  if (workers > 1 && startWorker === undefined) throw badOption("workers", workers, "a startWorker beside it, which makes them");
}

/** The most rounds of pruning. */
export const MOST_PRUNE_STEPS = 64;

/** Whether a pattern can go in several rounds: it takes any part away, and leaves the layers their shapes. */
export function prunesInSteps(pattern: Pattern): boolean {
  return pattern === "block" || pattern === "block8x2" || pattern === "unstructured";
}

/** Whether there is something that the model has to keep to. */
export function hasBudget({ target, maxDrop }: CompileOptions): boolean {
  return target !== undefined || maxDrop !== undefined;
}

/** Whether channels are to be cut out until a limit of multiply-accumulates is kept. */
export function cutsToBudget({ target, maxDrop, pattern }: CompileOptions): boolean {
  return pattern === "channel" && maxDrop === undefined && target?.macs !== undefined && Object.keys(target).length === 1;
}

/** Whether bits, and how much is pruned within layers, are to be searched for. */
export function isSearched(options: CompileOptions): boolean {
  return hasBudget(options) && !cutsToBudget(options);
}

/** Whether something is pruned before anything is quantized. */
export function isPruned(options: CompileOptions): boolean {
  return options.prune !== undefined || options.masks !== undefined || cutsToBudget(options);
}

const TARGETS: readonly string[] = ["bytes", "macs", "latencyMs"] satisfies readonly (keyof Target)[];

function checkBudget(options: CompileOptions): void {
  const { target, maxDrop, calibrationLabels, calibration, prune, pattern, shapes, latencyTable, precision = "int8" } = options;
  if (hasBudget(options) && bindingsOf(shapes).length > 1)
    throw badOption("shapes", shapes, "one size for each dimension where there is a target or a greatest drop, which are about one plan");
  if (target !== undefined) {
    const amounts = Object.entries(target);
    if (amounts.length === 0 || amounts.some(([name]) => !TARGETS.includes(name)))
      throw badOption("target", target, "{ bytes, macs, latencyMs }");
    for (const [name, limit] of amounts)
      if (name === "latencyMs" ? !(Number.isFinite(limit) && limit > 0) : !Number.isSafeInteger(limit) || limit < 1)
        throw badOption(`target.${name}`, limit, name === "latencyMs" ? "a positive number" : "a positive integer");
  }
  if (maxDrop !== undefined && !(Number.isFinite(maxDrop) && maxDrop >= 0 && maxDrop <= 100))
    throw badOption("maxDrop", maxDrop, "points from 0 to 100");
  if (isSearched(options) && precision === "float32")
    throw badOption(target ? "target" : "maxDrop", target ?? maxDrop, 'the precision "int8": bits of weights are what is searched');
  if (hasBudget(options) && prune !== undefined)
    throw badOption("prune", prune, "no target and no maxDrop beside it: with them how much goes is searched; a pattern may be given");
  if (isSearched(options) && pattern === "channel")
    throw badOption(
      "pattern",
      pattern,
      "with a target or maxDrop a pattern within layers; channels are cut out by prune, or for target.macs alone",
    );
  if (hasBudget(options) && calibration === undefined && (pattern ?? target?.macs ?? target?.latencyMs) !== undefined) {
    throw new CompileError("no-samples", "Searching what to prune takes calibration samples: give some.", {}, "usage");
  }
  if (latencyTable !== undefined && target?.latencyMs === undefined)
    throw badOption("latencyTable", latencyTable, "a target.latencyMs beside it");
  if (latencyTable !== undefined && !isTable(latencyTable))
    throw badOption("latencyTable", latencyTable, "{ build, ms }, milliseconds by key, as a report holds it");
  if (calibrationLabels !== undefined && !(Array.isArray(calibrationLabels) && calibrationLabels.every(Number.isSafeInteger)))
    throw badOption("calibrationLabels", calibrationLabels, "a list of integers");
}

function isTable({ build, ms }: LatencyTable): boolean {
  return typeof build === "string" && typeof ms === "object" && ms !== null && Object.values(ms).every((time) => time >= 0);
}

function isIterable(samples: object): boolean {
  return typeof samples === "object" && (Symbol.iterator in samples || Symbol.asyncIterator in samples);
}

function areMasks(masks: PruningMasks): boolean {
  return (
    typeof masks === "object" &&
    masks !== null &&
    Object.values(masks).every(
      ({ shape, data }) =>
        Array.isArray(shape) &&
        data instanceof Uint8Array &&
        data.length === shape.reduce((a: number, b: number) => a * b, 1) &&
        data.every((stays) => stays <= 1),
    )
  );
}

function areNames(list: readonly string[]): boolean {
  return Array.isArray(list) && list.every((name) => typeof name === "string");
}

function badOption(name: string, got: unknown, expected: string): CompileError {
  const shown = typeof got === "number" ? `${got}` : JSON.stringify(got);
  return new CompileError(
    "bad-option",
    `The option ${name} is ${shown.length > 80 ? "an object" : shown}; it takes ${expected}.`,
    { option: name, got, expected },
    "usage",
  );
}
