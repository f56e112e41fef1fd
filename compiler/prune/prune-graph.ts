/**
 * Prunes the weights of a float graph, layer by layer along a walk of samples: which go is chosen for the inputs that the layers pruned before
 * give, and what stays is fitted to the results of the unpruned network by least squares. Shapes stay; weights become zero.
 */
import { cloneGraph } from "../ir/clone.ts";
import type { Graph } from "../ir/graph.ts";
import type { Sample, Watch } from "../quantize/calibrate.ts";
import { MomentProducts } from "../quantize/moments.ts";
import { momentsOf, type Observed, observeLayer } from "../quantize/observations.ts";
import { type Compiled, compileGraph } from "../run/graph-runner.ts";
import { mostLiveBytes, SampleWalk } from "../run/sample-walk.ts";
import { type Fitted, type FittingRule, fitGroup, pruneBlindly } from "./fit-layer.ts";
import { type Layer, layersOf, replaceLayer } from "./layers.ts";
import { type Criterion, type Pattern, shapeOf } from "./pattern.ts";
import type { LossCurve } from "./support.ts";

/** What to prune. */
export interface PruningRule {
  readonly pattern: Pattern;
  readonly criterion: Criterion;
  /** The part (0 to 1) of a layer's weights that shall go, by the name of its node; 0 for layers that stay. */
  readonly sparsityOf: (layer: string) => number;
}

/** What became of a layer. */
export interface PrunedLayer {
  readonly name: string;
  readonly weights: number;
  readonly zeros: number;
  /** Variance that pruning takes off the layer's result or adds to it, as a part of that; null without samples. */
  readonly loss: number | null;
}

/** A graph with zeros. */
export interface Pruned {
  readonly graph: Graph;
  /** The layers that were pruned, in the order of their steps. */
  readonly layers: readonly PrunedLayer[];
}

/** Samples beyond what this many bytes of states allow are left out. */
const MEMORY_BUDGET_BYTES = 768e6;
/** Observations for each weight of an output, and the least and the most of a layer. */
const OBSERVATIONS_PER_WEIGHT = 16;
const FEWEST_OBSERVATIONS = 4096;
const MOST_OBSERVATIONS = 12288;

/**
 * Prunes a copy of `float`, which `compiled` is made from with every value to be observed. Without samples the criterion has to be
 * "magnitude", and nothing is fitted. Throws `not-finite`.
 */
export async function pruneGraph(
  float: Graph,
  compiled: Compiled,
  module: WebAssembly.Module,
  samples: readonly Sample[],
  { pattern, criterion, sparsityOf }: PruningRule,
  watch: Watch,
): Promise<Pruned> {
  const graph = cloneGraph(float);
  const layers = layersOf(float, compiled);
  const first = layers.findIndex(({ node }) => sparsityOf(node.name) > 0);
  const chosen = first < 0 ? [] : layers.slice(first);
  const done: PrunedLayer[] = [];
  const walks = samples.length > 0 ? openWalks(compiled, module, samples) : null;
  const products = new MomentProducts(module);
  try {
    for (const [i, layer] of chosen.entries()) {
      await watch.pause();
      const sparsity = sparsityOf(layer.node.name);
      const rule = { shape: shapeOf(pattern, sparsity), criterion, sparsity };
      if (walks) {
        const fitted = await fitLayer(layer, await walks.observe(layer, watch.pause), products, rule, watch);
        replaceLayer(graph, layer, fitted.weights, fitted.bias);
        walks.replace(compileGraph(graph, compiled.program.metadata));
        if (sparsity > 0) done.push(prunedLayer(layer, fitted.weights, fitted.signal > 0 ? fitted.lost / fitted.signal : 0));
      } else if (sparsity > 0) {
        const weights = pruneBlindly(layer, rule);
        replaceLayer(graph, layer, weights, null);
        done.push(prunedLayer(layer, weights, null));
      }
      watch.step(i + 1, chosen.length);
    }
  } finally {
    walks?.dispose();
    products.dispose();
  }
  return { graph, layers: done };
}

/** What each layer of `float` would lose at any sparsity if it alone were pruned, relative to the variance of its result, by the name of its node. */
export async function lossCurves(
  float: Graph,
  compiled: Compiled,
  module: WebAssembly.Module,
  samples: readonly Sample[],
  pattern: Pattern,
  wanted: (layer: string) => boolean,
  watch: Watch,
): Promise<ReadonlyMap<string, LossCurve>> {
  const layers = layersOf(float, compiled).filter(({ node }) => wanted(node.name));
  const curves = new Map<string, LossCurve>();
  const walks = openWalks(compiled, module, samples);
  const products = new MomentProducts(module);
  try {
    for (const [i, layer] of layers.entries()) {
      await watch.pause();
      const rule = { shape: shapeOf(pattern, 0.5), criterion: "obc" as const, sparsity: 0 };
      const { signal, curves: own } = await fitLayer(layer, await walks.observe(layer, watch.pause), products, rule, watch, true);
      curves.set(layer.node.name, {
        most: own.reduce((sum, { most }) => sum + most, 0) / own.length,
        at: (sparsity) => own.reduce((sum, curve) => sum + curve.at(sparsity), 0) / (signal || 1),
      });
      watch.step(i + 1, layers.length);
    }
  } finally {
    walks.dispose();
    products.dispose();
  }
  return curves;
}

function prunedLayer({ node }: Layer, weights: Float32Array, loss: number | null): PrunedLayer {
  return { name: node.name, weights: weights.length, zeros: weights.reduce((count, w) => count + (w === 0 ? 1 : 0), 0), loss };
}

/** Samples on their way through the graph as it was and as it is. */
interface Walks {
  observe(layer: Layer, pause: () => Promise<void>): Promise<Observed>;
  replace(compiled: Compiled): void;
  dispose(): void;
}

function openWalks(compiled: Compiled, module: WebAssembly.Module, samples: readonly Sample[]): Walks {
  const used = samples.slice(0, Math.max(1, Math.floor(MEMORY_BUDGET_BYTES / Math.max(1, 2 * mostLiveBytes(compiled)))));
  const [aim, pruned] = [new SampleWalk(compiled, module, used), new SampleWalk(compiled, module, used)];
  return {
    observe({ window, step, depth }, pause) {
      const wanted = Math.min(MOST_OBSERVATIONS, Math.max(FEWEST_OBSERVATIONS, OBSERVATIONS_PER_WEIGHT * depth));
      const side = { step, window, factor: 1 };
      return observeLayer({ ...side, walk: aim }, { ...side, walk: pruned }, { samples: used.length, wanted, checked: 0 }, pause);
    },
    replace: (compiled) => pruned.replace(compiled),
    dispose() {
      aim.dispose();
      pruned.dispose();
    },
  };
}

/** Fits a layer, group by group. */
async function fitLayer(
  layer: Layer,
  observed: Observed,
  products: MomentProducts,
  rule: FittingRule,
  { pause }: Watch,
  withCurves = false,
): Promise<Fitted> {
  const { window, depth, outputs, weights, bias } = layer;
  const perGroup = outputs / window.groups;
  const fitted = { weights: new Float32Array(weights.length), bias: bias?.slice() ?? null, lost: 0, signal: 0, curves: [] as LossCurve[] };
  for (let g = 0; g < window.groups; g++) {
    await pause();
    const rows = weights.subarray(g * perGroup * depth, (g + 1) * perGroup * depth);
    const moments = momentsOf(observed, products, g, depth, bias !== null);
    const group = await fitGroup(layer.node, rows, moments, rule, withCurves, pause);
    fitted.weights.set(group.weights, g * perGroup * depth);
    group.shift.forEach((shift, o) => {
      if (fitted.bias) fitted.bias[g * perGroup + o] = fitted.bias[g * perGroup + o]! + shift;
    });
    fitted.lost += group.lost;
    fitted.signal += group.signal;
    if (group.curve) fitted.curves.push(group.curve);
  }
  return fitted;
}
