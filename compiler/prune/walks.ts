/** Samples on their way through a float graph as it was and as it is. */
import type { Sample } from "../quantize/calibrate.ts";
import { type Observed, observeLayer } from "../quantize/observations.ts";
import type { Compiled } from "../run/graph-runner.ts";
import { mostLiveBytes, SampleWalk } from "../run/sample-walk.ts";
import type { Layer } from "./layers.ts";

/** Samples beyond what this many bytes of states allow are left out. */
const MEMORY_BUDGET_BYTES = 768e6;
/** Observations for each weight of an output, and the least and the most of a layer. */
const OBSERVATIONS_PER_WEIGHT = 16;
const FEWEST_OBSERVATIONS = 4096;
const MOST_OBSERVATIONS = 12288;

/** Two walks side by side; layers are visited in the order of their steps. */
export interface Walks {
  /** What the layer is given in both. */
  observe(layer: Layer, pause: () => Promise<void>): Promise<Observed>;
  /** Goes on with other weights, as the graph has them now. */
  replace(compiled: Compiled): void;
  dispose(): void;
}

/** Starts both walks with `compiled`. */
export function openWalks(compiled: Compiled, module: WebAssembly.Module, samples: readonly Sample[]): Walks {
  const used = samples.slice(0, Math.max(1, Math.floor(MEMORY_BUDGET_BYTES / Math.max(1, 2 * mostLiveBytes(compiled)))));
  const [aim, pruned] = [new SampleWalk(compiled, module, used), new SampleWalk(compiled, module, used)];
  return {
    observe({ window, step, depth }, pause) {
      const wanted = Math.min(MOST_OBSERVATIONS, Math.max(FEWEST_OBSERVATIONS, OBSERVATIONS_PER_WEIGHT * depth));
      const side = { step, window, factor: 1 };
      return observeLayer({ ...side, walk: aim }, { ...side, walk: pruned }, { samples: used.length, wanted, checked: 0 }, pause);
    },
    replace: (next) => pruned.replace(next),
    dispose() {
      aim.dispose();
      pruned.dispose();
    },
  };
}
