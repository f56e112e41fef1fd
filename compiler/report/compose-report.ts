/** Puts together what compiling found out. */
import { programBytes } from "../../host/memory-layout.ts";
import { type Program, programsOf } from "../../host/program.ts";
import type { Graph } from "../ir/graph.ts";
import { type CompileOptions, cutsToBudget, DEFAULT_MIN_SQNR_DB } from "../options.ts";
import { isQuantized } from "../passes/quantized/layers.ts";
import type { Quantized } from "../pipeline.ts";
import type { PrunedLayer } from "../prune/prune-graph.ts";
import { layersOf } from "./layer-reports.ts";
import type { LayerTimes } from "./layer-times.ts";
import { mixedOf } from "./mixed.ts";
import type { LayerReport, Report } from "./report.ts";

/** What a report is about. */
export interface Findings extends Pick<Report, "budget" | "pruning" | "file"> {
  readonly onnx: Uint8Array;
  /** What was made of it. */
  readonly bytes: Uint8Array;
  /** The graph in float32, pruned where something was. */
  readonly float: Graph;
  readonly program: Program;
  readonly quantized: Quantized | null;
  readonly prunedLayers: readonly PrunedLayer[];
  readonly options: CompileOptions;
  /** Times of the layers, where they were asked for. */
  readonly times: LayerTimes | null;
  readonly notes: readonly string[];
  readonly timings: Readonly<Record<string, number>>;
}

/** The report of what was found. */
export function composeReport({
  onnx,
  bytes,
  file,
  float,
  program,
  quantized,
  budget,
  pruning,
  prunedLayers,
  options,
  times,
  notes,
  timings,
}: Findings): Report {
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
  const layers = layersOf(float, quantized, { prunedLayers, file, times });
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
    file,
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
    times: times && {
      build: times.build,
      float32: times.float32?.total ?? null,
      dense: times.dense?.total ?? null,
      now: times.now.total,
    },
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
