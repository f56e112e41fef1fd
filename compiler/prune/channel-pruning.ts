/**
 * Structured pruning: whole channels (filters, neurons) go, and with them the work. Coupled channels are found by `traceChannels`; a
 * family is a set of channels made by the same layers, kept in multiples of the runtime's tile.
 *
 * Which go: those of the least importance, one threshold for all families, so that layers with much to spare lose more. The importance of a channel
 * is the mean, over the layers that make or read it, of the squared norm of its weights there, relative to the layer's average (DepGraph's
 * group norm).
 */
import { elementCount } from "../../host/tensor.ts";
import { cloneGraph } from "../ir/clone.ts";
import { type Graph, requiredInput } from "../ir/graph.ts";
import { macsOf } from "../report/macs.ts";
import { type Channels, type Slice, traceChannels } from "./channels.ts";
import { removeChannels } from "./remove-channels.ts";

/** Kept channels are a multiple of what the runtime's kernels compute together. */
export const TILE = 8;

/** Channels that the same layers make. */
export interface Family {
  /** Names of the layers that make the channels. */
  readonly layers: readonly string[];
  /** Root identities. */
  readonly channels: readonly number[];
}

/** What pruning did to a family. */
export interface PrunedFamily {
  readonly layers: readonly string[];
  readonly channels: number;
  readonly kept: number;
}

/** A pruned graph. */
export interface ChannelPruning {
  readonly graph: Graph;
  readonly families: readonly PrunedFamily[];
  readonly macsBefore: number;
  readonly macsAfter: number;
  /** Whether the channel of a root identity of the given graph is gone. */
  readonly isRemoved: (root: number) => boolean;
}

/** Importance of each root identity; a higher one is kept longer. */
export type Importance = ReadonlyMap<number, number>;

const SEARCH_STEPS = 16;

/**
 * Removes channels until `fraction` (0 to 1) of the multiply-accumulates are gone, as nearly as whole tiles allow. `excluded` names layers, by
 * their name or their ONNX sources, whose own channels stay. The
 * importance is the group norm unless given.
 */
export function pruneChannels(
  graph: Graph,
  fraction: number,
  excluded: ReadonlySet<string>,
  importance: Importance = groupNorm(traceChannels(graph)),
): ChannelPruning {
  const families = familiesOf(traceChannels(graph), excluded);
  const macsBefore = totalMacs(graph);
  const goal = macsBefore * (1 - fraction);
  const thresholds = families.flatMap(({ channels }) => channels.map((root) => importance.get(root)!)).sort((a, b) => a - b);
  // The least threshold that reaches the goal: MACs fall as it rises.
  let [low, high] = [-1, thresholds.length - 1];
  let best = remove(graph, families, importance, Number.NEGATIVE_INFINITY);
  for (let step = 0; step < SEARCH_STEPS && low < high; step++) {
    const middle = Math.ceil((low + high) / 2);
    const tried = remove(graph, families, importance, thresholds[middle]!);
    if (Math.abs(totalMacs(tried.graph) - goal) < Math.abs(totalMacs(best.graph) - goal)) best = tried;
    if (totalMacs(tried.graph) > goal) low = middle;
    else high = middle - 1;
  }
  return { ...best, macsBefore, macsAfter: totalMacs(best.graph) };
}

/** The graph without the channels at or below the threshold, and how many each family keeps. */
function remove(
  graph: Graph,
  families: readonly Family[],
  importance: Importance,
  threshold: number,
): Omit<ChannelPruning, "macsBefore" | "macsAfter"> {
  const removed = new Set<number>();
  const kept = families.map(({ layers, channels }) => {
    const ranked = [...channels].sort((a, b) => importance.get(b)! - importance.get(a)! || a - b);
    const above = ranked.filter((root) => importance.get(root)! > threshold).length;
    const count = Math.min(channels.length, Math.max(TILE, Math.round(above / TILE) * TILE));
    for (const root of ranked.slice(count)) removed.add(root);
    return { layers, channels: channels.length, kept: count };
  });
  const pruned = cloneGraph(graph);
  if (removed.size > 0) removeChannels(pruned, traceChannels(pruned), (root) => removed.has(root));
  return { graph: pruned, families: kept, isRemoved: (root) => removed.has(root) };
}

/** Families of channels that may go, in the order of the graph. */
export function familiesOf(channels: Channels, excluded: ReadonlySet<string>): readonly Family[] {
  const makers = new Map<number, Set<Slice>>();
  const stays = new Set<number>();
  for (const slice of channels.slices) {
    if (slice.role !== "makes") continue;
    const { node, ids } = slice;
    const isExcluded = excluded.has(node.name) || node.sources.some((source) => excluded.has(source));
    for (const id of ids) {
      const root = channels.rootOf(id);
      if (isExcluded || channels.isHeld(root)) stays.add(root);
      makers.set(root, (makers.get(root) ?? new Set()).add(slice));
    }
  }
  const families = new Map<string, { layers: string[]; channels: number[] }>();
  for (const [root, slices] of makers) {
    if (stays.has(root)) continue;
    const layers = [...slices].map(({ node }) => node.name);
    const key = layers.join("\n");
    const family = families.get(key) ?? { layers, channels: [] };
    family.channels.push(root);
    families.set(key, family);
  }
  return [...families.values()];
}

/** DepGraph's group norm for every root. */
export function groupNorm({ slices, rootOf }: Channels): Importance {
  const sums = new Map<number, { sum: number; terms: number }>();
  for (const { node, input, axis, ids, role } of slices) {
    if (role === "follows") continue;
    const { shape, data } = requiredInput(node, input).constant!;
    const inner = elementCount(shape.slice(axis + 1));
    const width = shape[axis]!;
    const norms = new Float64Array(width);
    for (let i = 0; i < data.length; i++) {
      const channel = Math.floor(i / inner) % width;
      norms[channel] = norms[channel]! + (data[i] as number) ** 2;
    }
    const mean = norms.reduce((a, b) => a + b, 0) / width || 1;
    for (const [channel, id] of ids.entries()) {
      const root = rootOf(id);
      const entry = sums.get(root) ?? { sum: 0, terms: 0 };
      sums.set(root, { sum: entry.sum + norms[channel]! / mean, terms: entry.terms + 1 });
    }
  }
  return new Map([...sums].map(([root, { sum, terms }]) => [root, sum / terms]));
}

function totalMacs(graph: Graph): number {
  return graph.nodes.reduce((sum, node) => sum + macsOf(node), 0);
}
