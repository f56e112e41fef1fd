/**
 * Observes the float32 model on samples: one histogram of fixed size a value.
 */
import type { Tensor } from "../../host/tensor.ts";
import { alone, type Crew } from "../crew/crew.ts";
import { shareOut } from "../crew/share.ts";
import type { Trade } from "../crew/trade.ts";
import { CompileError } from "../errors.ts";
import type { Pause } from "../event-loop.ts";
import { type Graph, requiredInput, typeOf, type Value } from "../ir/graph.ts";
import { type Compiled, GraphRunner, type Runnable, runnable } from "../run/graph-runner.ts";
import { Histogram, type HistogramData } from "./histogram.ts";
import { chooseRange, type Observer, type Range } from "./ranges.ts";
import { keepsParameters } from "./scope.ts";

/** One sample: a tensor for each input, batch axis included. */
export type Sample = Readonly<Record<string, Tensor>>;

/** What calibration found. */
export interface Calibration {
  readonly samples: number;
  readonly histograms: ReadonlyMap<string, Histogram>;
}

/** Progress and interruption of a long phase. */
export interface Watch {
  readonly step: (done: number, total: number) => void;
  readonly pause: Pause;
  /** Who works; the caller's thread unless given. */
  readonly crew?: Crew | undefined;
}

/** Who works, where a watch may name nobody. */
export function crewOf({ crew, pause }: Pick<Watch, "crew" | "pause">, module: WebAssembly.Module): Crew {
  return crew ?? alone(module, pause);
}

/** A sample of which a copy takes no more than itself. */
export function portableSample(sample: Sample): Sample {
  const isWhole = ({ data }: Tensor): boolean => data.byteLength === data.buffer.byteLength;
  return Object.fromEntries(
    Object.entries(sample).map(([name, tensor]) => [name, isWhole(tensor) ? tensor : { ...tensor, data: tensor.data.slice() }]),
  );
}

/** Counts values of samples; null: gives the counts. */
export const counting: Trade<
  { readonly compiled: Runnable; readonly wanted: ReadonlySet<string> },
  Sample | null,
  readonly (readonly [string, HistogramData])[]
> = {
  name: "counting",
  open({ compiled, wanted }, { module }) {
    const histograms = new Map<string, Histogram>();
    const runner = new GraphRunner(compiled, module);
    return {
      call(sample) {
        if (!sample) return [...histograms].map(([name, histogram]) => [name, histogram.data]);
        runner.run(
          sample,
          ({ name, data }) => {
            const histogram = histograms.get(name) ?? new Histogram();
            histograms.set(name, histogram);
            histogram.add(data as Float32Array);
          },
          wanted,
        );
        return [];
      },
      dispose: () => runner.dispose(),
    };
  },
};

/** Runs all samples through the float32 graph and gathers the distributions of the float32 values of `graph`. Throws `no-samples`. */
export async function calibrate(
  compiled: Compiled,
  module: WebAssembly.Module,
  samples: Iterable<Sample> | AsyncIterable<Sample>,
  graph: Graph,
  watch: Watch,
): Promise<Calibration> {
  const init = { compiled: runnable(compiled), wanted: floatValues(graph) };
  const { count, last } = await shareOut(crewOf(watch, module), counting, init, portableSamples(samples), {
    pause: watch.pause,
    done: (count) => watch.step(count, 0),
    last: null,
  });
  if (count === 0) throw new CompileError("no-samples", "The calibration data hold no sample.");
  const histograms = new Map<string, Histogram>();
  for (const [name, data] of last.flat()) {
    const histogram = histograms.get(name) ?? new Histogram();
    histograms.set(name, histogram);
    histogram.merge(data);
  }
  return { samples: count, histograms };
}

async function* portableSamples(samples: Iterable<Sample> | AsyncIterable<Sample>): AsyncGenerator<Sample> {
  for await (const sample of samples) yield portableSample(sample);
}

/**
 * The range of a value: of its distribution where it was observed, of its elements where it is constant. A value that layout made
 * disappear (a transpose that cancelled) has the range of what it moves.
 */
export function rangesOf(calibration: Calibration, observer: Observer): (value: Value) => Range {
  const known = new Map<string, Range>();
  const find = (value: Value): Range => {
    if (value.constant) {
      const data = value.constant.data as Float32Array;
      return { low: data.reduce((a, b) => Math.min(a, b), 0), high: data.reduce((a, b) => Math.max(a, b), 0) };
    }
    const seen = calibration.histograms.get(value.name);
    if (seen) return chooseRange(seen, observer);
    if (!value.producer || !keepsParameters(value.producer)) throw new Error(`unreachable: ${value.name} was not observed`);
    return rangeOf(requiredInput(value.producer, 0));
  };
  const rangeOf = (value: Value): Range => {
    const range = known.get(value.name) ?? find(value);
    known.set(value.name, range);
    return range;
  };
  return rangeOf;
}

/** Names of all computed float32 values and float32 inputs of a graph. */
function floatValues(graph: Graph): ReadonlySet<string> {
  const names = new Set<string>();
  for (const value of graph.inputs) if (typeOf(value).dtype === "float32") names.add(value.name);
  for (const node of graph.nodes) for (const value of node.outputs) if (typeOf(value).dtype === "float32") names.add(value.name);
  return names;
}
