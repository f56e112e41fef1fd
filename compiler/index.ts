/** The entry `eqm/compiler`: from ONNX to .eqm, or to quantized ONNX. Runs in Node and in a browser tab alike. */

import { CONV_I8 } from "../format/opcodes.ts";
import { isPairSafe, PAIR_SAFE, RUN_SAFE } from "../format/steps/conv-i8.ts";
import { programBytes } from "../host/memory-layout.ts";
import { type Program, programsOf } from "../host/program.ts";
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
import { type CompileOptions, checkOptions, cutsToBudget, DEFAULT_MIN_SQNR_DB, isPruned, isSearched } from "./options.ts";
import { isQuantized } from "./passes/quantized/layers.ts";
import { describe, importGraph, PRODUCER, type Quantized, quantizeGraph, watches } from "./pipeline.ts";
import { compilePlans } from "./plans.ts";
import type { PruningMasks } from "./prune/masks.ts";
import { pruneModel } from "./prune/prune-model.ts";
import { givenRange, notesOnGiven } from "./quantize/given.ts";
import { fileParts } from "./report/file-parts.ts";
import { macsOf } from "./report/macs.ts";
import { mixedOf } from "./report/mixed.ts";
import type { LayerReport, Report } from "./report/report.ts";
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
    const notes = isGiven ? notesOnGiven(options) : [];
    if (!isGiven) await orderForSafety(graph, options);
    const pruned = isGiven ? null : await pruneModel(graph, module, crewed);
    const { graph: float, further } = pruned ?? { graph, further: crewed };
    clock.lap("prune");
    if (isGiven || options.precision === "float32") {
      compiled = compileFused(float, description);
    } else {
      if (isSearched(options)) ({ quantized, budget } = await compressToBudget(float, module, scanner, further));
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
    const { program, bytes, warnings } = finishFile(described, module, scanner, options.compression, (name) => {
      const histogram = histograms?.get(name);
      return histogram ? { low: histogram.min, high: histogram.max } : givenRange(graph, name);
    });
    await pause();
    clock.lap("emit");
    const pruning = pruned && (await pruned.report(compiled));
    const report = reportOf(
      onnx,
      bytes,
      float,
      program,
      quantized,
      { budget, pruning },
      options,
      [...notes, ...plans.warnings, ...warnings],
      clock.laps,
    );
    return { bytes, report: { ...report, file: fileParts(bytes, program), states, workers } };
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
    return { bytes, report: reportOf(onnx, bytes, graph, program, null, { budget: null, pruning: null }, options, notes, clock.laps) };
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
    const chosen = { budget: null, pruning: pruned && (await pruned.report(quantized.compiled)) };
    const report = reportOf(onnx, bytes, float, quantized.compiled.program, quantized, chosen, options, [], clock.laps);
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
    const chosen = { budget: null, pruning: await pruned.report(compiled) };
    const report = reportOf(onnx, bytes, pruned.graph, compiled.program, null, chosen, float, [], clock.laps);
    return { bytes, masks: pruned.masks, report: { ...report, workers } };
  });
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

function reportOf(
  onnx: Uint8Array,
  bytes: Uint8Array,
  float: Graph,
  program: Program,
  quantized: Quantized | null,
  { budget, pruning }: Pick<Report, "budget" | "pruning">,
  options: CompileOptions,
  notes: readonly string[],
  timings: Readonly<Record<string, number>>,
): Report {
  const warnings: string[] = [...notes];
  if (quantized?.synthetic) {
    warnings.push("Calibrated on synthesised inputs: the SQNR below is on those, not an accuracy. Give real samples with --calibrate.");
  }
  const latency = quantized?.latency ?? null;
  if (latency && latency.int8Ms > latency.float32Ms) {
    warnings.push(
      `int8 is slower than float32 here (${latency.int8Ms.toFixed(2)} ms against ${latency.float32Ms.toFixed(2)} ms): --precision float32 keeps the model fast.`,
    );
  }
  const prunedDb = Math.min(...(pruning?.outputs ?? []).map(({ sqnrDb }) => sqnrDb));
  if (pruning && prunedDb < DEFAULT_MIN_SQNR_DB) {
    warnings.push(
      `Pruning leaves the outputs at ${prunedDb.toFixed(1)} dB of the float model's: measure what that costs with eqm eval. Prune less, or with --pattern unstructured, which loses least.`,
    );
  }
  const isGiven = isQuantized(float);
  const layers = layersOf(float, quantized);
  const macs = layers.reduce((sum, layer) => sum + layer.macs, 0);
  const mostMacs = cutsToBudget(options) ? options.target?.macs : undefined;
  if (mostMacs !== undefined && macs > mostMacs)
    warnings.push(`The budget is not met: ${macs} multiply-accumulates of ${mostMacs} are left with every channel gone that may go.`);
  return {
    model: float.name,
    precision: quantized || isGiven ? "int8" : "float32",
    alreadyQuantized: isGiven,
    sourceBytes: onnx.length,
    bytes: bytes.length,
    weightBytes: program.constants.reduce((sum, constant) => sum + constant.bytes.length, 0),
    file: null,
    states: [],
    memoryBytes: programBytes(program),
    macs,
    calibration: quantized && {
      samples: quantized.calibration.samples,
      synthetic: quantized.synthetic,
      observer: options.observer ?? "mse",
    },
    pruning,
    biasCorrection: quantized?.biasCorrection ?? null,
    rounding: quantized?.rounding
      ? { layers: quantized.rounding.layers.length, beforeDb: quantized.rounding.beforeDb, afterDb: quantized.rounding.afterDb }
      : null,
    pairSafety: quantized?.rounding ? pairSafetyOf(layers, quantized.rounding.pairable) : null,
    mixed: quantized?.mixed ? mixedOf(float, quantized.mixed, layers) : null,
    outputs: quantized?.comparison.outputs ?? [],
    latency,
    budget,
    layers,
    plans: programsOf(program).map(({ metadata, plan }) => ({
      sizes: Object.fromEntries((metadata.sizes ?? []).map(({ name, size }) => [name, size])),
      batch: metadata.batch?.size ?? null,
      inputs: metadata.inputs.map(({ name, shape }) => ({ name, shape })),
      outputs: metadata.outputs.map(({ name, shape }) => ({ name, shape })),
      steps: plan.steps.length,
    })),
    warnings,
    workers: { count: 1, reason: null },
    timings,
  };
}

function pairSafetyOf(layers: readonly LayerReport[], candidates: number): Report["pairSafety"] {
  const macsOfAll = (some: readonly LayerReport[]): number => some.reduce((sum, { macs }) => sum + macs, 0);
  const partOf = (some: readonly LayerReport[]) => ({ layers: some.length, macsShare: macsOfAll(some) / Math.max(1, macsOfAll(layers)) });
  const safe = layers.filter(({ pairSafe }) => pairSafe);
  return { candidates: Math.max(candidates, safe.length), ...partOf(safe), runs: partOf(layers.filter(({ runSafe }) => runSafe)) };
}

/** PAIR_SAFE of the nodes whose steps have weights that the pair dot is right for; sparse ones are, as they are packed. */
function pairSafeNodes({ program: { plan }, stepNodes }: Compiled): ReadonlyMap<string | null, number> {
  const marks = plan.steps.map((words) => (words[0] === CONV_I8 ? words[PAIR_SAFE]! : 0));
  return new Map(stepNodes.flatMap((name, i) => (isPairSafe(marks[i]!) ? [[name, marks[i]!] as const] : [])));
}

function layersOf(float: Graph, quantized: Quantized | null): readonly LayerReport[] {
  const values = new Map(quantized?.comparison.values.map((value) => [value.name, value.sqnrDb]));
  const int8 = new Map((quantized?.graph ?? float).nodes.map((node) => [node.outputs[0]?.name, node]));
  const pairSafe = quantized ? pairSafeNodes(quantized.compiled) : new Map<string | null, number>();
  const moved = new Map(quantized?.mixed?.moves.flatMap(({ nodes, aloneDb }) => nodes.map((value) => [value, aloneDb])));
  const rounding = new Map(quantized?.rounding?.layers.map((layer) => [layer.name, layer]));
  return float.nodes
    .filter((node) => macsOf(node) > 0)
    .map((node) => {
      const name = node.outputs[0]!.name;
      const weights = int8.get(name)?.inputs[1]?.producer;
      const isInt8 = weights?.op === "DequantizeLinear" && int8.get(name)?.inputs[0]?.producer?.op === "DequantizeLinear";
      const sqnrDb = values.get(name);
      const weightBits = isInt8 ? (quantized?.weightBits.get(node.name) ?? 8) : 32;
      const rounded = rounding.get(node.name);
      const stored = node.inputs[1]?.constant ?? node.inputs[1]?.producer?.inputs[0]?.constant;
      const count = stored?.data.length ?? 0;
      return {
        name: node.name,
        op: node.op,
        sources: node.sources,
        precision: isInt8 ? "int8" : "float32",
        ...(!isInt8 && moved.has(name) && { aloneDb: moved.get(name)! }),
        ...(sqnrDb !== undefined && { sqnrDb }),
        weightBits,
        weightBytes: Math.ceil((count * weightBits) / 8),
        macs: macsOf(node),
        ...(pairSafe.has(node.name) && { pairSafe: true as const }),
        ...(pairSafe.get(node.name) === RUN_SAFE && { runSafe: true as const }),
        ...(rounded && { rounding: { nearest: rounded.noiseOfNearest, now: rounded.noise } }),
      };
    });
}
