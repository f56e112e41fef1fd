/** Samples on their way through a float graph as it was and as it is. */

import type { Crew } from "../crew/crew.ts";
import { onlyOutput } from "../ir/graph.ts";
import type { Sample } from "../quantize/calibrate.ts";
import { type Observed, observeLayer } from "../quantize/observations.ts";
import { PairWalk, type Side } from "../quantize/pair-walk.ts";
import { pixelsOf } from "../quantize/patches.ts";
import type { Compiled } from "../run/graph-runner.ts";
import { mostLiveBytes } from "../run/sample-walk.ts";
import type { Layer } from "./layers.ts";

/** Samples beyond what this many bytes of states allow are left out. */
const MEMORY_BUDGET_BYTES = 768e6;
/** Observations for each weight of an output, and the least and the most of a layer. */
const OBSERVATIONS_PER_WEIGHT = 64;
const FEWEST_OBSERVATIONS = 16384;
const MOST_OBSERVATIONS = 24576;
/** Values that all observations of a layer may have, in each of both models. */
const MOST_VALUES = 2.8e7;

/** Two walks side by side; layers are visited in the order of their steps. */
export interface Walks {
  /** Samples that walk. */
  readonly samples: number;
  /** What the layer is given in both. */
  observe(layer: Layer): Promise<Observed>;
  /** Goes on with other weights, as the graph has them now. */
  replace(compiled: Compiled): Promise<void>;
  dispose(): void;
}

/** Starts both walks with `compiled`. */
export function openWalks(compiled: Compiled, crew: Crew, samples: readonly Sample[]): Walks {
  const used = samples.slice(0, Math.max(1, Math.floor(MEMORY_BUDGET_BYTES / Math.max(1, 2 * mostLiveBytes(compiled)))));
  const walk = new PairWalk(crew, compiled, compiled, used);
  return {
    samples: used.length,
    observe(layer) {
      const { window, step, depth } = layer;
      const most = Math.min(MOST_OBSERVATIONS, Math.floor(MOST_VALUES / (depth * window.groups)));
      const wanted = Math.min(most, Math.max(FEWEST_OBSERVATIONS, OBSERVATIONS_PER_WEIGHT * depth));
      const addend = addendOf(layer, compiled);
      const side = { step, window, factor: 1, ...(addend && { addend }) };
      return observeLayer(walk, side, side, { samples: used.length, wanted, checked: 0 });
    },
    replace: (next) => walk.replace(next),
    dispose: () => walk.dispose(),
  };
}

/** The value that a layer's result is added to, if it is there when the layer begins and is laid out alike. */
function addendOf({ node, step, outputs, window }: Layer, { observables }: Compiled): NonNullable<Side["addend"]> | null {
  const output = onlyOutput(node);
  const [sum, ...others] = output.readers;
  if (sum?.op !== "Add" || others.length > 0) return null;
  const other = sum.inputs.find((value) => value && value !== output);
  const found = other && observables.get(other.name);
  if (!found || found.readyAfter > step || found.dtype !== "float32") return null;
  const size = found.shape.reduce((product, d) => product * d, 1);
  const isAlike = found.shape.at(-1) === outputs && size === pixelsOf(window) * outputs;
  return isAlike ? { address: found.address, channels: outputs } : null;
}
