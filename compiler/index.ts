/** The entry `eqm/compiler`: from ONNX to .eqm, or to quantized ONNX. Runs in Node and in a browser tab alike. */
import { bindingsOf } from "./bindings.ts";
import type { BudgetReport } from "./budget/report.ts";
import { compressToBudget } from "./budget/search.ts";
import { orderChannels } from "./channels/order-channels.ts";
import { withCrew } from "./crew/hire.ts";
import { finishFile } from "./emit/finish.ts";
import { CompileError } from "./errors.ts";
import { createPause } from "./event-loop.ts";
import { cloneGraph } from "./ir/clone.ts";
import type { Graph } from "./ir/graph.ts";
import { exportModel } from "./onnx/export.ts";
import { type CompileOptions, checkOptions, isPruned, isSearched } from "./options.ts";
import { isQuantized } from "./passes/quantized/layers.ts";
import { describe, importGraph, PRODUCER, type Quantized, quantizeGraph, watches } from "./pipeline.ts";
import { compilePlans } from "./plans.ts";
import type { PruningMasks } from "./prune/masks.ts";
import { type PruningFindings, pruneModel } from "./prune/prune-model.ts";
import { givenRange, notesOnGiven } from "./quantize/given.ts";
import { composeReport, type Findings } from "./report/compose-report.ts";
import { fileParts } from "./report/file-parts.ts";
import { type LayerTimes, timeLayers } from "./report/layer-times.ts";
import type { Report } from "./report/report.ts";
import { type Compiled, compileFused, compilerRuntime } from "./run/graph-runner.ts";
import { addStates } from "./states.ts";

export type { BudgetPoint, BudgetReport, Target } from "./budget/report.ts";
export type { LatencyTable } from "./budget/step-clock.ts";
export { CompileError } from "./errors.ts";
export type { CompileOptions, Progress } from "./options.ts";
export type { PruningMask, PruningMasks } from "./prune/masks.ts";
export { type PruningSchedule, pruningSchedule } from "./prune/schedule.ts";
export type { WeightBits } from "./quantize/weight-bits.ts";
export type { FileParts } from "./report/file-parts.ts";
export type { LayerReport, Report } from "./report/report.ts";

/** Compiles an ONNX model. Throws CompileError; see docs for the codes. */
export async function compile(
  onnx: Uint8Array,
  options: CompileOptions = {},
): Promise<{ readonly bytes: Uint8Array<ArrayBuffer>; readonly report: Report }> {
  checkOptions(options);
  const clock = stopwatch();
  const { module, scanner } = await compilerRuntime();
  const bindings = bindingsOf(options.shapes);
  const { graph } = importGraph(onnx, options, bindings[0]);
  // What the plans for other sizes are merged with is the graph as it was before anything was done to it.
  const base = bindings.length > 1 ? cloneGraph(graph) : graph;
  clock.lap("import");
  const pause = createPause(options.signal);
  await pause();
  const isGiven = isQuantized(graph);
  const readsSamples = !isGiven && (options.precision !== "float32" || isPruned(options));
  return withCrew(graph, module, readsSamples ? options : { ...options, workers: 1 }, async (crewed, workers) => {
    const description = describe(graph, options, undefined);
    let compiled: Compiled;
    let quantized: Quantized | null = null;
    let budget: BudgetReport | null = null;
    let prunedLayers: Findings["prunedLayers"] = [];
    const notes = isGiven ? notesOnGiven(options) : [];
    if (!isGiven) await orderForSafety(graph, options);
    const pruned = isGiven ? null : await pruneModel(graph, module, crewed);
    const { graph: float, further } = pruned ?? { graph, further: crewed };
    clock.lap("prune");
    if (isGiven || options.precision === "float32") {
      compiled = compileFused(float, description);
    } else {
      if (isSearched(options)) ({ quantized, prunedLayers, budget } = await compressToBudget(float, module, scanner, further));
      else quantized = await quantizeGraph(float, module, further, await pruned?.observe());
      compiled = quantized.compiled;
    }
    clock.lap("quantize");
    await pause();
    const changed = quantized?.graph ?? (pruned ? float : null);
    const plans =
      bindings.length > 1
        ? await compilePlans(onnx, options, bindings, { base, changed }, description, module)
        : { program: compiled.program, warnings: [] };
    const histograms = quantized?.calibration.histograms;
    const { program: described, states } = addStates(plans.program, options.state);
    const { program, bytes, warnings } = finishFile(described, module, scanner, options, (name) => {
      const histogram = histograms?.get(name);
      return histogram ? { low: histogram.min, high: histogram.max } : givenRange(graph, name);
    });
    await pause();
    clock.lap("emit");
    const findings = pruned && (await pruned.report(compiled, quantized));
    if (findings) prunedLayers = findings.prunedLayers;
    const isSame = isGiven || (options.precision === "float32" && !pruned);
    const times = await timesOf(isSame ? null : graph, compiled, quantized, prunedLayers, options);
    clock.lap("report");
    const report = composeReport({
      onnx,
      bytes,
      file: fileParts(bytes, program),
      float,
      program,
      quantized: quantized && findings ? withValues(quantized, findings) : quantized,
      budget,
      pruning: findings?.pruning ?? null,
      prunedLayers,
      options,
      times,
      notes: [...notes, ...plans.warnings, ...warnings],
      timings: clock.laps,
    });
    return { bytes, report: { ...report, states, workers } };
  });
}

/** Quantizes an ONNX model to ONNX with QuantizeLinear and DequantizeLinear nodes. Throws CompileError. */
export async function quantizeToOnnx(
  onnx: Uint8Array,
  options: CompileOptions = {},
): Promise<{ readonly bytes: Uint8Array; readonly report: Report }> {
  checkOptions(options);
  checkForOnnx(options);
  const clock = stopwatch();
  const { module } = await compilerRuntime();
  const { graph, metadata } = importGraph(onnx, options);
  clock.lap("import");
  if (isQuantized(graph)) {
    const notes = notesOnGiven(options);
    const { program } = compileFused(graph, describe(graph, options, undefined));
    const bytes = exportModel(graph, { ...metadata, producer: PRODUCER });
    clock.lap("export");
    return { bytes, report: composeReport({ ...NOTHING_FOUND, onnx, bytes, float: graph, program, options, notes, timings: clock.laps }) };
  }
  return withCrew(graph, module, options, async (crewed, workers) => {
    await orderForSafety(graph, options);
    const pruned = await pruneModel(graph, module, crewed);
    const { graph: float, further } = pruned ?? { graph, further: crewed };
    clock.lap("prune");
    const quantized = await quantizeGraph(float, module, further, await pruned?.observe());
    clock.lap("quantize");
    await createPause(options.signal)();
    const bytes = exportModel(quantized.graph, { ...metadata, producer: PRODUCER });
    clock.lap("export");
    const findings = pruned && (await pruned.report(quantized.compiled, quantized));
    const times = await timesOf(graph, quantized.compiled, quantized, findings?.prunedLayers ?? [], options);
    const report = composeReport({
      ...NOTHING_FOUND,
      ...findings,
      times,
      onnx,
      bytes,
      float,
      program: quantized.compiled.program,
      quantized: findings ? withValues(quantized, findings) : quantized,
      options,
      timings: clock.laps,
    });
    return { bytes, report: { ...report, workers } };
  });
}

/**
 * Prunes an ONNX model and gives it back in float32, as ONNX: for training that goes on, and for other runtimes. `options.prune`, `options.masks`
 * or, of channels, `options.target.macs` says what goes;
 * what quantizing takes plays no part. `masks` are what stays of each layer that was pruned, for training to hold and for a next call to start from;
 * there are none of channels, which are cut out. Throws CompileError: `bad-option` where nothing is asked for, `already-quantized`.
 */
export async function pruneToOnnx(
  onnx: Uint8Array,
  options: CompileOptions,
): Promise<{ readonly bytes: Uint8Array; readonly masks: PruningMasks; readonly report: Report }> {
  const float: CompileOptions = { ...options, precision: "float32" };
  checkOptions(float);
  checkForOnnx(float);
  const clock = stopwatch();
  const { module } = await compilerRuntime();
  const { graph, metadata } = importGraph(onnx, float);
  if (isQuantized(graph)) notesOnGiven(float);
  clock.lap("import");
  return withCrew(graph, module, float, async (crewed, workers) => {
    const pruned = await pruneModel(graph, module, crewed);
    if (!pruned) throw new CompileError("bad-option", "Nothing is to be pruned: give prune or masks.", { option: "prune" }, "usage");
    clock.lap("prune");
    const bytes = exportModel(pruned.graph, { ...metadata, producer: PRODUCER });
    clock.lap("export");
    const compiled = compileFused(pruned.graph, describe(pruned.graph, float, undefined));
    const report = composeReport({
      ...NOTHING_FOUND,
      ...(await pruned.report(compiled, null)),
      times: await timesOf(graph, compiled, null, [], float),
      onnx,
      bytes,
      float: pruned.graph,
      program: compiled.program,
      options: float,
      timings: clock.laps,
    });
    return { bytes, masks: pruned.masks, report: { ...report, workers } };
  });
}

/** Of a model of which nothing is known but that it was made. */
const NOTHING_FOUND = {
  file: null,
  quantized: null,
  budget: null,
  pruning: null,
  prunedLayers: [],
  times: null,
  notes: [],
} satisfies Partial<Findings>;

/** The agreement of its values is that with the model before pruning. */
function withValues(quantized: Quantized, { values }: PruningFindings): Quantized {
  return { ...quantized, comparison: { ...quantized.comparison, values } };
}

/** Times of the layers, where they are asked for; `float` as in TimedModels. */
async function timesOf(
  float: Graph | null,
  compiled: Compiled,
  quantized: Quantized | null,
  prunedLayers: Findings["prunedLayers"],
  options: CompileOptions,
): Promise<LayerTimes | null> {
  if (!options.layerTimes) return null;
  const sparse = new Set(prunedLayers.flatMap(({ name, zeros }) => (zeros > 0 ? [name] : [])));
  const models = { float, int8: quantized?.graph ?? null, compiled, sparse };
  return timeLayers(models, createPause(options.signal));
}

/** Orders the channels for run-safe weights, which are of eight bits. Masks are laid out as the model's own weights are. */
async function orderForSafety(graph: Graph, options: CompileOptions): Promise<void> {
  const { precision, pairSafe = true, weights = 8, masks } = options;
  if (precision === "float32" || !pairSafe || weights < 8 || masks !== undefined) return;
  const { pause, watch } = watches(options);
  await orderChannels(graph, { ...watch("order channels"), pause });
}

/** Throws `bad-option` for what only a .eqm has. */
function checkForOnnx(options: CompileOptions): void {
  if (isSearched(options)) throw noBudgetForOnnx();
  if (options.state !== undefined)
    throw new CompileError("bad-option", "An .onnx does not say which outputs are states; a .eqm does.", { option: "state" }, "usage");
  if (bindingsOf(options.shapes).length > 1)
    throw new CompileError(
      "bad-option",
      "An .onnx takes one size for each dimension; several are for a .eqm.",
      { option: "shapes" },
      "usage",
    );
}

function noBudgetForOnnx(): CompileError {
  return new CompileError(
    "bad-option",
    "A target and a greatest drop are for a .eqm: they are about its size and what it gives. Compile with them.",
    {},
    "usage",
  );
}

function stopwatch(): { lap(name: string): void; readonly laps: Readonly<Record<string, number>> } {
  const laps: Record<string, number> = {};
  let last = performance.now();
  return {
    lap(name) {
      const now = performance.now();
      laps[name] = Math.round(now - last);
      last = now;
    },
    laps,
  };
}
