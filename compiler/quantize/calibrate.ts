/**
 * Observes the float32 model on samples: one histogram a value, and the mean of each channel, all of fixed size.
 */
import type { Tensor } from "../../host/tensor.ts";
import { CompileError } from "../errors.ts";
import { type Graph, requiredInput, typeOf, type Value } from "../ir/graph.ts";
import { type Compiled, GraphRunner } from "../run/graph-runner.ts";
import { Histogram } from "./histogram.ts";
import { chooseRange, type Observer, type Range } from "./ranges.ts";

/** One sample: a tensor for each input, batch axis included. */
export type Sample = Readonly<Record<string, Tensor>>;

/** What was seen of one value. */
export interface Statistics {
  readonly histogram: Histogram;
  /** Sums over each channel, empty where no layer with weights reads the value. */
  readonly channelSums: Float64Array;
  /** Number of values summed for each channel. */
  channelCount: number;
}

/** What calibration found. */
export interface Calibration {
  readonly samples: number;
  readonly statistics: ReadonlyMap<string, Statistics>;
}

/** Progress and interruption of a long phase. */
export interface Watch {
  readonly step: (done: number, total: number) => void;
  readonly signal: AbortSignal | undefined;
}

/** Runs all samples through the float32 graph and gathers statistics of the float32 values of `graph`. Throws `no-samples`. */
export async function calibrate(
  compiled: Compiled,
  module: WebAssembly.Module,
  samples: Iterable<Sample> | AsyncIterable<Sample>,
  graph: Graph,
  watch: Watch,
): Promise<Calibration> {
  const wanted = floatValues(graph);
  const channelAxes = weightedAxes(graph);
  const statistics = new Map<string, Statistics>();
  const runner = new GraphRunner(compiled, module);
  let count = 0;
  for await (const sample of samples) {
    watch.signal?.throwIfAborted();
    runner.run(
      sample,
      ({ name, dtype, shape, isChannelsLast, data }) => {
        if (dtype !== "float32") return;
        const values = data as Float32Array;
        const onnxAxis = channelAxes.get(name);
        const axis = onnxAxis !== undefined && isChannelsLast ? shape.length - 1 : (onnxAxis ?? 0);
        const channels = onnxAxis === undefined ? 0 : shape[axis]!;
        let seen = statistics.get(name);
        if (!seen) {
          seen = { histogram: new Histogram(), channelSums: new Float64Array(channels), channelCount: 0 };
          statistics.set(name, seen);
        }
        seen.histogram.add(values);
        if (channels > 0) {
          addChannelSums(values, shape, axis, seen.channelSums);
          seen.channelCount += values.length / channels;
        }
      },
      wanted,
    );
    count++;
    watch.step(count, 0);
  }
  runner.dispose();
  if (count === 0) throw new CompileError("no-samples", "The calibration data hold no sample.");
  return { samples: count, statistics };
}

function addChannelSums(values: Float32Array, shape: readonly number[], axis: number, sums: Float64Array): void {
  const channels = shape[axis]!;
  const inner = shape.slice(axis + 1).reduce((a, b) => a * b, 1);
  if (inner === 1) {
    for (let i = 0; i < values.length; i += channels) for (let c = 0; c < channels; c++) sums[c] = sums[c]! + values[i + c]!;
    return;
  }
  for (let i = 0, c = 0; i < values.length; i += inner, c = c + 1 === channels ? 0 : c + 1) {
    let sum = 0;
    for (let j = i; j < i + inner; j++) sum += values[j]!;
    sums[c] = sums[c]! + sum;
  }
}

/** The range of a value: of its distribution where it was observed, of its elements where it is constant. */
export function rangesOf(calibration: Calibration, observer: Observer): (value: Value) => Range {
  const known = new Map<string, Range>();
  return (value) => {
    let range = known.get(value.name);
    if (range) return range;
    if (value.constant) {
      const data = value.constant.data as Float32Array;
      range = { low: data.reduce((a, b) => Math.min(a, b), 0), high: data.reduce((a, b) => Math.max(a, b), 0) };
    } else {
      const seen = calibration.statistics.get(value.name);
      if (!seen) throw new Error(`unreachable: ${value.name} was not observed`);
      range = chooseRange(seen.histogram, observer);
    }
    known.set(value.name, range);
    return range;
  };
}

/** The axis that layers with weights sum over, for each value that one reads: channels of an image, columns of a matrix. */
function weightedAxes(graph: Graph): ReadonlyMap<string, number> {
  const axes = new Map<string, number>();
  for (const node of graph.nodes) {
    if (node.op !== "Conv" && node.op !== "Gemm" && node.op !== "MatMul") continue;
    const value = requiredInput(node, 0);
    axes.set(value.name, node.op === "MatMul" ? typeOf(value).shape.length - 1 : 1);
  }
  return axes;
}

/** Names of all computed float32 values and float32 inputs of a graph. */
function floatValues(graph: Graph): ReadonlySet<string> {
  const names = new Set<string>();
  for (const value of graph.inputs) if (typeOf(value).dtype === "float32") names.add(value.name);
  for (const node of graph.nodes) for (const value of node.outputs) if (typeOf(value).dtype === "float32") names.add(value.name);
  return names;
}
