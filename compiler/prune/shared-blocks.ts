/**
 * Puts the channels of a graph into an order in which those that lie side by side, and so are pruned together, need the same inputs. The graph computes
 * what it did, but for the order of sums. What a layer loses without a weight is what removing it costs when each output is pruned by itself (OBC).
 */
import { cloneGraph } from "../ir/clone.ts";
import type { Graph } from "../ir/graph.ts";
import { crewOf, type Sample, type Watch } from "../quantize/calibrate.ts";
import { factor } from "../quantize/cholesky.ts";
import { invert } from "../quantize/least-squares.ts";
import { MomentProducts } from "../quantize/moments.ts";
import { momentsOf, signalOf } from "../quantize/observations.ts";
import type { Compiled } from "../run/graph-runner.ts";
import { arrangeChannels, exchangeable } from "./arrange-channels.ts";
import { channelAt } from "./channel-importance.ts";
import { type OrderedLayer, orderChannels } from "./channel-order.ts";
import { type Channels, traceChannels } from "./channels.ts";
import { eliminate } from "./elimination.ts";
import { notFinite, ridgeOf } from "./fit-layer.ts";
import { type Layer, layersOf } from "./layers.ts";
import { openWalks } from "./walks.ts";

/** Observations for each weight of an output: enough to see which matter. */
const OBSERVATIONS_PER_WEIGHT = 4;
/** Multiply-accumulates that weighing a layer's weights may take. */
const MOST_WORK = 2e9;
/** Each weight by itself. */
const SINGLE = { outputs: 1, inputs: 1, groups: null } as const;

/** What blocks are to be shared for. */
export interface Sharing {
  /** Adjacent outputs that are pruned together. */
  readonly tile: number;
  /** The part of the weights that is to go. */
  readonly fraction: number;
  /** Whether a layer, by the name of its node, is to lose weights. */
  readonly isPruned: (layer: string) => boolean;
}

/** A copy of `graph` in the best order found; `compiled` is made from it with every value to be observed. Throws `not-finite`. */
export async function shareBlocks(
  graph: Graph,
  compiled: Compiled,
  module: WebAssembly.Module,
  samples: readonly Sample[],
  { tile, fraction, isPruned }: Sharing,
  watch: Watch,
): Promise<Graph> {
  const ordered = cloneGraph(graph);
  const channels = traceChannels(ordered);
  const classes = exchangeable(channels).filter((roots) => roots.length > tile);
  const layers = await weighOutputs(ordered, compiled, module, samples, channels, new Set(classes.flat()), isPruned, watch);
  for (const roots of classes) {
    const own = layers.filter((layer) => layer.channels.includes(roots[0]!));
    if (own.length === 0) continue;
    const { arrangement } = await orderChannels(roots, own, tile, fraction, watch.pause);
    arrangeChannels(ordered, channels, arrangement);
  }
  return ordered;
}

/** The layers that make channels which may be exchanged. */
async function weighOutputs(
  graph: Graph,
  compiled: Compiled,
  module: WebAssembly.Module,
  samples: readonly Sample[],
  { slices, rootOf }: Channels,
  wanted: ReadonlySet<number>,
  isPruned: (layer: string) => boolean,
  watch: Watch,
): Promise<readonly OrderedLayer[]> {
  const made = new Map(slices.flatMap((slice) => (slice.role === "makes" ? [[slice.node, slice]] : [])));
  const channelsOf = (layer: Layer): readonly number[] => {
    const slice = made.get(layer.node);
    if (!slice || layer.window.groups > 1 || !isPruned(layer.node.name)) return [];
    return Array.from({ length: layer.outputs }, (_, o) => rootOf(slice.ids[channelAt(layer, slice.axis, o * layer.depth)]!));
  };
  const found = layersOf(graph, compiled)
    .map((layer) => ({ layer, channels: channelsOf(layer) }))
    .filter(({ channels }) => channels.some((root) => wanted.has(root)));
  if (found.length === 0) return [];
  const crew = crewOf(watch, module);
  const walks = openWalks(compiled, crew, samples, OBSERVATIONS_PER_WEIGHT);
  const products = new MomentProducts(module);
  const ordered: OrderedLayer[] = [];
  try {
    for (const [i, { layer, channels }] of found.entries()) {
      const { node, weights, depth, bias } = layer;
      const moments = momentsOf(await walks.observe(layer), products, 0, depth, bias !== null);
      const whole = factor(ridgeOf(moments).matrix, depth);
      if (!whole) throw notFinite(node);
      const inverse = await invert(whole, watch.pause);
      const hands = { crew, pause: watch.pause };
      const removals = await eliminate(Float64Array.from(weights), depth, inverse, SINGLE, hands, MOST_WORK);
      const scores = new Float64Array(weights.length);
      const signal = signalOf(weights, depth, moments) || 1;
      removals.order.forEach((column, at) => {
        scores[Math.floor(at / depth) * depth + column] = removals.losses[at]! / signal;
      });
      ordered.push({ depth, scores, channels });
      watch.step(i + 1, found.length);
    }
  } finally {
    walks.dispose();
    products.dispose();
  }
  return ordered;
}
