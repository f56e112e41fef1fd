/** `eqm compile`: an .onnx becomes a .eqm, or a quantized .onnx. */
import { extname } from "node:path";
import { bindingsOf } from "../../bindings.ts";
import {
  type BudgetReport,
  type CompileOptions,
  compile,
  type LatencyTable,
  pruneToOnnx,
  quantizeToOnnx,
  type Report,
} from "../../index.ts";
import { importModel } from "../../onnx/import.ts";
import { cutsToBudget, prunesInSteps } from "../../options.ts";
import { findFaults } from "../../passes/infer-shapes.ts";
import { allows } from "../../prune/pattern.ts";
import type { Sample } from "../../quantize/calibrate.ts";
import { MOST_GROUPED_BITS } from "../../quantize/groups.ts";
import { defaultWorkers, startWorker } from "../crew/start.ts";
import { type Dataset, openDataset } from "../data/dataset.ts";
import { createFeeder, type InputShape } from "../data/feeds.ts";
import { pathKind, readBytes, readJson } from "../data/file.ts";
import { readClassNames, readLabels } from "../data/labels.ts";
import { badFile, notInThisVersion, wrongUsage } from "../errors.ts";
import { externalDataBeside } from "../external-data.ts";
import { pause, stopSignal } from "../interruption.ts";
import { modelKind, preprocessFor, withPath } from "../model-file.ts";
import { compileFacts } from "../output/compile-facts.ts";
import { layerTable } from "../output/layers.ts";
import { note, warn } from "../output/note.ts";
import { startProgress } from "../output/progress.ts";
import type { Result } from "../output/result.ts";
import { checkOutput, writeFileWhole } from "../output/write-file.ts";

/** Checked options of the command. */
export interface CompileCommandOptions
  extends Pick<
    CompileOptions,
    | "precision"
    | "targetSqnrDb"
    | "weights"
    | "exclude"
    | "observer"
    | "rounding"
    | "pairSafe"
    | "biasCorrection"
    | "keepFloat"
    | "shapes"
    | "minSqnrDb"
    | "compression"
    | "target"
    | "maxDrop"
  > {
  readonly output: string;
  readonly state?: CompileOptions["state"] | undefined;
  readonly groupSize?: number | undefined;
  readonly prune?: number | undefined;
  readonly pruneSteps?: number | undefined;
  readonly pattern?: CompileOptions["pattern"] | undefined;
  readonly criterion?: CompileOptions["criterion"] | undefined;
  readonly reconstruction?: CompileOptions["reconstruction"] | undefined;
  readonly calibrate?: string;
  readonly preprocess?: string;
  readonly labels?: string;
  /** LABELS of the calibration data, and what to add to each. */
  readonly calibrationLabels?: string;
  readonly labelOffset: number;
  /** File of times of steps; read where it is there, else written. */
  readonly latencyTable?: string;
  readonly report?: string;
  /** Print a table of the layers. */
  readonly layers: boolean;
  /** How many workers there are; as many as the machine suggests unless given. */
  readonly workers?: number | undefined;
  readonly force: boolean;
}

/**
 * Runs the command. JSON: the compiler's report with `{ output, bytes, sourceBytes, weightBytes, warnings }`.
 *
 * @throws CompileError, EqmError; nothing is written then
 */
export async function compileFile(path: string, options: CompileCommandOptions): Promise<Result> {
  const { output, force } = options;
  const toOnnx = checkTargets(path, options);
  const onnx = readBytes(path);
  if (modelKind(onnx, path) === "eqm") throw badFile(path, "it is a compiled model already; compile takes the .onnx.");
  const spec = preprocessFor(options.preprocess, path, undefined);
  const labels = options.labels === undefined ? undefined : readClassNames(options.labels);
  const data = options.calibrate === undefined ? undefined : openDataset(options.calibrate);
  const progress = startProgress();
  try {
    const externalData = externalDataBeside(path);
    const { groupSize, prune, pruneSteps, pattern, criterion, reconstruction, exclude } = options;
    const {
      precision,
      targetSqnrDb,
      weights,
      observer,
      rounding,
      pairSafe,
      biasCorrection,
      keepFloat,
      shapes,
      minSqnrDb,
      compression,
      target,
      maxDrop,
      state,
    } = options;
    const calibration =
      data && (precision !== "float32" || prunesFirst(options))
        ? samplesOf(data, await withPath(path, () => inputsOf(onnx, { shapes: bindingsOf(shapes)[0], externalData })), spec)
        : undefined;
    const calibrationLabels = data && labelsOf(data, options);
    const latencyTable = options.latencyTable === undefined ? undefined : readTable(options.latencyTable);
    const { bytes, report } = await withPath(path, () =>
      writerOf(toOnnx, precision)(onnx, {
        precision,
        ...(targetSqnrDb !== undefined && { targetSqnrDb }),
        ...(state !== undefined && { state }),
        weights,
        ...(groupSize !== undefined && { groupSize }),
        ...(prune !== undefined && { prune }),
        ...(pruneSteps !== undefined && { pruneSteps }),
        ...(pattern !== undefined && { pattern }),
        ...(criterion !== undefined && { criterion }),
        ...(reconstruction !== undefined && { reconstruction }),
        exclude,
        observer,
        rounding,
        pairSafe,
        biasCorrection,
        keepFloat,
        shapes,
        minSqnrDb,
        compression,
        externalData,
        force,
        signal: stopSignal,
        workers: options.workers ?? defaultWorkers,
        startWorker,
        onProgress: ({ phase, done, total }) => progress.update(phase, done, total || (data?.length ?? 0)),
        ...(target && { target }),
        ...(maxDrop !== undefined && { maxDrop }),
        ...(calibrationLabels && { calibrationLabels }),
        ...(latencyTable && { latencyTable }),
        ...(calibration !== undefined && { calibration }),
        ...(spec !== undefined && { preprocess: spec }),
        ...(labels !== undefined && { labels }),
        layerTimes: options.layers || options.report !== undefined,
      }),
    );
    await pause();
    progress.stop();
    for (const warning of report.warnings) warn(warning);
    if (report.workers.reason !== null && options.workers !== undefined) note(`without workers: ${report.workers.reason}`);
    writeFileWhole(output, bytes, force);
    if (options.latencyTable !== undefined && report.budget?.latencyTable)
      keepTable(options.latencyTable, latencyTable !== undefined, report.budget, force);
    if (options.report !== undefined) writeFileWhole(options.report, `${JSON.stringify({ output, ...report }, null, 2)}\n`, force);
    return { json: { output, ...report }, text: compileFacts(path, output, report) + (options.layers ? `\n${layerTable(report)}` : "") };
  } finally {
    progress.stop();
    data?.close();
  }
}

/** Whether something is pruned before anything is quantized. */
function prunesFirst({ prune, target, maxDrop, pattern }: CompileCommandOptions): boolean {
  return (
    prune !== undefined ||
    cutsToBudget({ ...(target && { target }), ...(maxDrop !== undefined && { maxDrop }), ...(pattern !== undefined && { pattern }) })
  );
}

/** What makes the file that is asked for. */
function writerOf(
  toOnnx: boolean,
  precision: CompileOptions["precision"],
): (onnx: Uint8Array, options: CompileOptions) => Promise<{ readonly bytes: Uint8Array; readonly report: Report }> {
  if (!toOnnx) return compile;
  return precision === "float32" ? pruneToOnnx : quantizeToOnnx;
}

/** Checks where the results go, before any work. Says whether the output is an .onnx. */
function checkTargets(path: string, options: CompileCommandOptions): boolean {
  const { output, report, precision, weights, groupSize, force, calibrate, preprocess, labels, calibrationLabels, target, maxDrop } =
    options;
  const kind = extname(output).toLowerCase();
  if (kind !== ".eqm" && kind !== ".onnx") throw wrongUsage(`-o ${output}: it must end in .eqm, or in .onnx for a quantized ONNX model.`);
  if (kind === ".onnx" && precision === "float32" && !prunesFirst(options))
    throw wrongUsage(`-o ${output} with --precision float32: there is nothing to quantize or --prune; the .onnx is in float32 already.`);
  const sources = [path, calibrate, preprocess, labels, calibrationLabels].filter((source) => source !== undefined);
  checkOutput(output, force, sources);
  if (report !== undefined) {
    const reportKind = extname(report).toLowerCase();
    if (reportKind === ".html")
      throw notInThisVersion(`--report ${report}`, "This version writes the report as JSON: --report report.json.");
    if (reportKind !== ".json") throw wrongUsage(`--report ${report}: it must end in .json.`);
    checkOutput(report, force, [...sources, output]);
  }
  if (options.latencyTable !== undefined && pathKind(options.latencyTable) === undefined)
    checkOutput(options.latencyTable, false, [...sources, output]);
  checkPruning(options);
  const budgetOption =
    target?.bytes === undefined
      ? target?.macs === undefined
        ? target === undefined
          ? "--max-drop"
          : "--target-latency"
        : "--target-macs"
      : "--target-size";
  const isSearched = (target ?? maxDrop) !== undefined && !prunesFirst(options);
  if (isSearched && kind === ".onnx") throw wrongUsage(`${budgetOption} is for a .eqm, not for -o ${output}.`);
  if (isSearched && precision === "float32")
    throw wrongUsage(`${budgetOption} with --precision float32: the bits of int8 layers are what is searched.`);
  if (calibrationLabels !== undefined && calibrate === undefined)
    throw wrongUsage("--calibration-labels without --calibrate: there are no samples that they belong to.");
  if (groupSize !== undefined && weights !== undefined && weights > MOST_GROUPED_BITS && !isSearched)
    throw wrongUsage(`--group-size ${groupSize}: it takes --weights 4, 3 or 2.`);
  if (groupSize !== undefined && target?.latencyMs !== undefined)
    throw wrongUsage(`--group-size ${groupSize} beside --target-latency: weights of four bits are no faster in groups.`);
  if (precision === "float32" && groupSize !== undefined) note("--group-size has no effect with --precision float32.");
  if (precision === "float32" && weights !== 8) note("--weights has no effect with --precision float32.");
  if (precision === "float32" && !prunesFirst(options) && calibrate !== undefined)
    note("--calibrate has no effect with --precision float32.");
  return kind === ".onnx";
}

/** The right classes of the calibration data where a drop is to be measured and they are known. */
function labelsOf(data: Dataset, { maxDrop, calibrationLabels, labelOffset }: CompileCommandOptions): readonly number[] | undefined {
  if (maxDrop === undefined || (calibrationLabels === undefined && data.labels === undefined)) return undefined;
  return readLabels(calibrationLabels, data).map((label) => label + labelOffset);
}

/** The table of `path`; undefined where there is no such file. */
function readTable(path: string): LatencyTable | undefined {
  return pathKind(path) === undefined ? undefined : (readJson(path) as LatencyTable);
}

/** Writes a table that is new, and one that has grown where --force allows that. */
function keepTable(path: string, isThere: boolean, { latencyTable, measuredTimes }: BudgetReport, force: boolean): void {
  if (isThere && measuredTimes === 0) return;
  if (isThere && !force) {
    note(`${measuredTimes} times of steps are not in ${path}, and were measured now. --force adds them.`);
    return;
  }
  writeFileWhole(path, `${JSON.stringify(latencyTable, null, 1)}\n`, force);
}

/** Tells what --prune lacks, and what has no effect without it. */
function checkPruning(options: CompileCommandOptions): void {
  const { prune, pruneSteps, pattern, criterion, reconstruction, exclude = [], calibrate, target, maxDrop } = options;
  if (reconstruction === "none" && criterion !== "magnitude")
    throw wrongUsage("--reconstruction none: it goes with --criterion magnitude only.");
  if (pruneSteps !== undefined && prune === undefined)
    throw wrongUsage("--prune-steps without --prune: there is nothing to prune in steps.");
  if (pruneSteps !== undefined && pruneSteps > 1 && !prunesInSteps(pattern ?? "block"))
    throw wrongUsage(`--prune-steps ${pruneSteps} --pattern ${pattern}: that pattern goes in one.`);
  if ((target ?? maxDrop) !== undefined) {
    if (prune !== undefined)
      throw wrongUsage("--prune beside --target-… or --max-drop: with them how much goes is searched; --pattern may be given.");
    if (calibrate === undefined && (pattern ?? target?.macs ?? target?.latencyMs) !== undefined)
      throw wrongUsage("searching what to prune takes samples: give them with --calibrate.");
    return;
  }
  if (prune === undefined) {
    for (const [option, given] of Object.entries({ pattern, criterion, reconstruction, exclude: exclude[0] }))
      if (given !== undefined) note(`--${option} has no effect without --prune.`);
    return;
  }
  if (calibrate === undefined && criterion !== "magnitude")
    throw wrongUsage("--prune takes samples: give them with --calibrate, or choose --criterion magnitude.");
  if (pattern === "channel" && criterion === "wanda")
    throw wrongUsage("--criterion wanda: with --pattern channel it must be obc or magnitude.");
  if (pattern !== undefined && !allows(pattern, prune))
    throw wrongUsage(
      `--prune ${prune} --pattern ${pattern}: ${pattern === "nm" ? "it takes 0.25, 0.5 or 0.75" : "the pattern takes away another part"}.`,
    );
}

function inputsOf(onnx: Uint8Array, options: Parameters<typeof importModel>[1]): readonly InputShape[] {
  return importModel(onnx, { ...options, findFaults }).graph.inputs.map(({ name, type }) => {
    if (type === null) throw new Error(`unreachable: the input ${name} has no type after import`);
    return { name, ...type };
  });
}

/** Calibration data, one feed after another, so that memory does not grow with their number; the event loop turns in between. */
async function* samplesOf(data: Dataset, inputs: readonly InputShape[], spec: CompileOptions["preprocess"]): AsyncGenerator<Sample> {
  const feeder = await createFeeder(inputs, spec, data);
  for (let first = 0; first < data.length; ) {
    const { feeds, used } = await feeder.feed(first);
    yield feeds;
    first += used;
    await pause();
  }
}
