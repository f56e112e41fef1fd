/**
 * Prunes the weights of a float graph, layer by layer along a walk of samples: which go is chosen for the inputs that the layers pruned before
 * give, and what stays is fitted by least squares to the results of the unpruned network. Where a result is added to another value, it
 * makes up for what that one lacks, too. Shapes stay; weights become zero.
 */
import type { Hands } from "../crew/crew.ts";
import { cloneGraph } from "../ir/clone.ts";
import type { Graph } from "../ir/graph.ts";
import { crewOf, type Sample, type Watch } from "../quantize/calibrate.ts";
import { type CenteredMoments, joinMoments, MomentProducts } from "../quantize/moments.ts";
import { missingOf, momentsOf, type Observed, seenBy } from "../quantize/observations.ts";
import { type Compiled, compileGraph } from "../run/graph-runner.ts";
import type { WeightedCurve } from "./allocation.ts";
import { type Fitted, type FittingRule, fitGroup, pruneBlindly } from "./fit-layer.ts";
import { type Layer, layersOf, replaceLayer } from "./layers.ts";
import type { PruningMask } from "./masks.ts";
import { type Criterion, shapeOf, type WeightPattern } from "./pattern.ts";
import { chooseRidge, triedColumns } from "./ridge.ts";
import type { LossCurve } from "./support.ts";
import { openWalks, type Walks } from "./walks.ts";

/** The sparsity at which a layer is tried. */
const TRIED = 0.5;
/** Of fewer samples none is held out; of others this part. */
const FEWEST_SAMPLES = 8;
const HELD_OUT = 0.25;

/** What to prune. */
export interface PruningRule {
  readonly pattern: WeightPattern;
  readonly criterion: Criterion;
  /** The part (0 to 1) of a layer's weights that shall go, by the name of its node; 0 for layers that stay. */
  readonly sparsityOf: (layer: string) => number;
  /** What may stay of a layer's weights, by the name of its node; all where there is none. */
  readonly masks?: ReadonlyMap<string, PruningMask>;
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

/**
 * Prunes a copy of `float`, which `compiled` is made from with every value to be observed. Without samples the criterion has to be
 * "magnitude", and nothing is fitted. Throws `not-finite`.
 */
export async function pruneGraph(
  float: Graph,
  compiled: Compiled,
  module: WebAssembly.Module,
  samples: readonly Sample[],
  { pattern, criterion, sparsityOf, masks = new Map() }: PruningRule,
  watch: Watch,
): Promise<Pruned> {
  const layers = layersOf(float, compiled);
  const isPruned = ({ node }: Layer): boolean => sparsityOf(node.name) > 0 || masks.has(node.name);
  const first = layers.findIndex(isPruned);
  const chosen = first < 0 ? [] : layers.slice(first);
  const ruleOf = ({ node, places }: Layer): FittingRule => {
    const sparsity = sparsityOf(node.name);
    const mask = masks.get(node.name);
    const support = mask && Uint8Array.from(places, (place) => mask.data[place]!);
    return { shape: shapeOf(pattern, sparsity), criterion, sparsity, ...(support && { support }) };
  };
  const { graph, changed } = await fitLayers(float, compiled, module, samples, chosen, ruleOf, watch);
  const pruned = changed.filter(({ layer }) => isPruned(layer));
  return { graph, layers: pruned.map(({ layer, weights, loss }) => prunedLayer(layer, weights, loss)) };
}

/** Layers with other weights than they had. */
interface FittedLayers {
  readonly graph: Graph;
  readonly changed: readonly { readonly layer: Layer; readonly weights: Float32Array; readonly loss: number | null }[];
}

/** Prunes and fits `layers` of a copy of `float`, each by its own rule, along a walk of the samples; without samples nothing is fitted. */
export async function fitLayers(
  float: Graph,
  compiled: Compiled,
  module: WebAssembly.Module,
  samples: readonly Sample[],
  layers: readonly Layer[],
  ruleOf: (layer: Layer) => FittingRule,
  watch: Watch,
): Promise<FittedLayers> {
  const graph = cloneGraph(float);
  const changed: { layer: Layer; weights: Float32Array; loss: number | null }[] = [];
  const crew = crewOf(watch, module);
  const walks = samples.length > 0 ? openWalks(compiled, crew, samples) : null;
  const products = new MomentProducts(module);
  try {
    for (const [i, layer] of layers.entries()) {
      await watch.pause();
      const rule = ruleOf(layer);
      if (walks) {
        const { weights, bias, lost, signal } = await fitLayer(layer, walks, products, rule, {
          crew,
          pause: watch.pause,
        });
        replaceLayer(graph, layer, weights, bias);
        await walks.replace(compileGraph(graph, compiled.program.metadata));
        changed.push({ layer, weights, loss: signal > 0 ? lost / signal : 0 });
      } else {
        const weights = pruneBlindly(layer, rule);
        replaceLayer(graph, layer, weights, null);
        changed.push({ layer, weights, loss: null });
      }
      watch.step(i + 1, layers.length);
    }
  } finally {
    walks?.dispose();
    products.dispose();
  }
  return { graph, changed };
}

/** Tries a graph in which a single layer is pruned: what the outputs lose, as a part of what they are. */
export type Trial = (graph: Graph) => Promise<number>;

/**
 * What each layer of `float` would lose at any sparsity if it alone were pruned, relative to the variance of its result, by the name of its node. With
 * a `trial` curves have a weight: what the outputs lose for what the layer's result does.
 */
export async function lossCurves(
  float: Graph,
  compiled: Compiled,
  module: WebAssembly.Module,
  samples: readonly Sample[],
  pattern: WeightPattern,
  wanted: (layer: string) => boolean,
  watch: Watch,
  trial?: Trial,
): Promise<ReadonlyMap<string, WeightedCurve>> {
  const layers = layersOf(float, compiled).filter(({ node }) => wanted(node.name));
  const curves = new Map<string, WeightedCurve>();
  const crew = crewOf(watch, module);
  const walks = openWalks(compiled, crew, samples);
  const products = new MomentProducts(module);
  try {
    for (const [i, layer] of layers.entries()) {
      await watch.pause();
      const rule = { shape: shapeOf(pattern, TRIED), criterion: "obc" as const, sparsity: TRIED };
      const { weights, bias, whole, curves: own } = await fitLayer(layer, walks, products, rule, { crew, pause: watch.pause }, true);
      const at = (sparsity: number): number => own.reduce((sum, curve) => sum + curve.at(sparsity), 0) / (whole || 1);
      curves.set(layer.node.name, {
        most: own.reduce((sum, { most }) => sum + most, 0) / own.length,
        at,
        weight: trial && at(TRIED) > 0 ? (await tryAlone(float, layer, weights, bias, trial)) / at(TRIED) : 1,
      });
      watch.step(i + 1, layers.length);
    }
  } finally {
    walks.dispose();
    products.dispose();
  }
  return curves;
}

/** What the outputs lose by a layer's new weights. */
function tryAlone(float: Graph, layer: Layer, weights: Float32Array, bias: Float32Array | null, trial: Trial): Promise<number> {
  const graph = cloneGraph(float);
  replaceLayer(graph, layer, weights, bias);
  return trial(graph);
}

function prunedLayer({ node }: Layer, weights: Float32Array, loss: number | null): PrunedLayer {
  return { name: node.name, weights: weights.length, zeros: weights.reduce((count, w) => count + (w === 0 ? 1 : 0), 0), loss };
}

/** Fits a layer, group by group, by what the samples give it next. */
async function fitLayer(
  layer: Layer,
  walks: Walks,
  products: MomentProducts,
  rule: FittingRule,
  hands: Hands,
  withCurves = false,
): Promise<Fitted> {
  const { window, depth, outputs, weights, bias } = layer;
  const observed = await walks.observe(layer);
  const perGroup = outputs / window.groups;
  const fitted = {
    weights: new Float32Array(weights.length),
    bias: bias?.slice() ?? null,
    lost: 0,
    signal: 0,
    whole: 0,
    curves: [] as LossCurve[],
  };
  for (let g = 0; g < window.groups; g++) {
    await hands.pause();
    const rows = weights.subarray(g * perGroup * depth, (g + 1) * perGroup * depth);
    const support = rule.support?.subarray(g * perGroup * depth, (g + 1) * perGroup * depth);
    const own = { ...rule, ...(support && { support }) };
    const { moments, ridge } = heldMoments(observed, products, { group: g, rows, walks, isCentered: bias !== null }, own, depth);
    const part = { group: g, outputs: perGroup };
    const missing = observed.missing && missingOf(observed.missing, seenBy(observed, g, depth).quantized, moments, outputs, part);
    const group = await fitGroup(layer.node, rows, moments, missing, { ...own, ...(ridge !== null && { ridge }) }, withCurves, hands);
    fitted.weights.set(group.weights, g * perGroup * depth);
    group.shift.forEach((shift, o) => {
      if (fitted.bias) fitted.bias[g * perGroup + o] = fitted.bias[g * perGroup + o]! + shift;
    });
    fitted.lost += group.lost;
    fitted.signal += group.signal;
    fitted.whole += group.whole;
    if (group.curve) fitted.curves.push(group.curve);
  }
  return fitted;
}

/** The moments of a group, and the ridge that a part of the samples has chosen for it; null where they are too few. */
function heldMoments(
  observed: Observed,
  products: MomentProducts,
  {
    group,
    rows,
    walks,
    isCentered,
  }: { readonly group: number; readonly rows: Float32Array; readonly walks: Walks; readonly isCentered: boolean },
  { sparsity, support }: FittingRule,
  depth: number,
): { readonly moments: CenteredMoments; readonly ridge: number | null } {
  const { samples } = walks;
  if (samples < FEWEST_SAMPLES) return { moments: momentsOf(observed, products, group, depth, isCentered), ridge: null };
  const { x, quantized } = seenBy(observed, group, depth);
  const split = Math.ceil(samples * (1 - HELD_OUT)) * (x.length / samples);
  const [fitted, heldOut] = [
    products.of(x.subarray(0, split), quantized.subarray(0, split), depth, isCentered),
    products.of(x.subarray(split), quantized.subarray(split), depth, isCentered),
  ];
  const ridge = chooseRidge(rows, triedColumns(depth, sparsity, support), fitted, heldOut);
  return { moments: { ...joinMoments(fitted, heldOut), observations: observed.independent }, ridge };
}
