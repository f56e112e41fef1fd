/**
 * Structured pruning: whole channels (filters, neurons) go, and with them the work. Coupled channels are found by `traceChannels`; a
 * family is a set of channels made by the same layers, kept in multiples of the runtime's tile. An attention head is one channel that is as wide as
 * it is deep.
 *
 * Which go: those of the least importance, one threshold for all families, so that layers with much to spare lose more. The importance of a channel
 * is the mean, over the layers that make or read it, of the squared norm of its weights there, relative to the layer's average (DepGraph's
 * group norm).
 */
import { elementCount } from "../../host/tensor.ts";
import { type Channels, type Slice, traceChannels } from "../channels/channels.ts";
import { removeChannels } from "../channels/remove-channels.ts";
import { cloneGraph } from "../ir/clone.ts";
import { type Graph, requiredInput } from "../ir/graph.ts";
import { macsOf } from "../report/macs.ts";

/** Kept channels are a multiple of what the runtime's kernels compute together. */
export const TILE = 8;

/** Channels that the same layers make. */
export interface Family {
  /** Names of the layers that make the channels. */
  readonly layers: readonly string[];
  /** Root identities. */
  readonly channels: readonly number[];
  /** How many of them are as wide as the runtime's tile, or as several of them. */
  readonly tile: number;
}

/** Channels that have to stay. */
export interface HeldFamily {
  readonly layers: readonly string[];
  readonly channels: number;
  /** What mixes them in a way that isn't followed, or needs them as they are: a node, an input, an output; or that the layer is excluded. */
  readonly heldBy: string;
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
  readonly held: readonly HeldFamily[];
  readonly macsBefore: number;
  readonly macsAfter: number;
  /** Whether the channel of a root identity of the given graph is gone. */
  readonly isRemoved: (root: number) => boolean;
}

/** Importance of each root identity; a higher one is kept longer, an infinite one always. */
export type Importance = ReadonlyMap<number, number>;

/**
 * Removes channels until `fraction` (0 to 1) of the multiply-accumulates are gone, as nearly as whole tiles allow. `excluded` names layers, by
 * their name or their ONNX sources, whose own channels stay. The
 * importance is the group norm unless given.
 */
export function pruneChannels(graph: Graph, fraction: number, excluded: ReadonlySet<string>, importance?: Importance): ChannelPruning {
  const goal = totalMacs(graph) * (1 - fraction);
  return search(graph, goal, excluded, importance, (macs, best) => Math.abs(macs - goal) < Math.abs(best - goal));
}

/** The same until at most `mostMacs` multiply-accumulates are left: as many as may be, or the fewest that can be. */
export function pruneChannelsTo(graph: Graph, mostMacs: number, excluded: ReadonlySet<string>, importance?: Importance): ChannelPruning {
  return search(graph, mostMacs, excluded, importance, (macs, best) => (macs <= mostMacs ? best > mostMacs || macs > best : macs < best));
}

/** Finds the threshold whose graph is the best: `isBetter` compares multiply-accumulates. */
function search(
  graph: Graph,
  goal: number,
  excluded: ReadonlySet<string>,
  importance: Importance = groupNorm(traceChannels(graph)),
  isBetter: (macs: number, best: number) => boolean,
): ChannelPruning {
  const channels = traceChannels(graph);
  const families = familiesOf(channels, excluded);
  const macsBefore = totalMacs(graph);
  const thresholds = families
    .flatMap((family) => family.channels.map((root) => importance.get(root)!))
    .filter(Number.isFinite)
    .sort((a, b) => a - b);
  // The least threshold that reaches the goal: MACs fall as it rises.
  let [low, high] = [-1, thresholds.length - 1];
  let best = remove(graph, families, importance, Number.NEGATIVE_INFINITY);
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    const tried = remove(graph, families, importance, thresholds[middle]!);
    if (isBetter(totalMacs(tried.graph), totalMacs(best.graph))) best = tried;
    if (totalMacs(tried.graph) > goal) low = middle;
    else high = middle - 1;
  }
  return { ...best, held: heldFamilies(channels, excluded), macsBefore, macsAfter: totalMacs(best.graph) };
}

/** The graph without the channels at or below the threshold, and how many each family keeps. */
function remove(
  graph: Graph,
  families: readonly Family[],
  importance: Importance,
  threshold: number,
): Omit<ChannelPruning, "held" | "macsBefore" | "macsAfter"> {
  const removed = new Set<number>();
  const kept = families.map(({ layers, channels, tile }) => {
    const ranked = [...channels].sort((a, b) => importance.get(b)! - importance.get(a)! || a - b);
    const above = ranked.filter((root) => importance.get(root)! > threshold).length;
    const count = Math.min(channels.length, Math.max(tile, Math.round(above / tile) * tile));
    for (const root of ranked.slice(count)) removed.add(root);
    return { layers, channels: channels.length, kept: count };
  });
  const pruned = cloneGraph(graph);
  if (removed.size > 0) removeChannels(pruned, traceChannels(pruned), (root) => removed.has(root));
  return { graph: pruned, families: kept, isRemoved: (root) => removed.has(root) };
}

/** Families of channels that may go, in the order of the graph. `excluded` names layers whose own channels stay. */
export function familiesOf(channels: Channels, excluded: ReadonlySet<string>): readonly Family[] {
  return groupByMakers(channels, excluded)
    .filter(({ heldBy }) => heldBy === null)
    .map(({ makers, roots }) => ({ layers: layersOf(makers), channels: roots, tile: tileOf(channels, makers, roots) }));
}

function heldFamilies(channels: Channels, excluded: ReadonlySet<string>): readonly HeldFamily[] {
  return groupByMakers(channels, excluded).flatMap(({ makers, roots, heldBy }) =>
    heldBy === null ? [] : [{ layers: layersOf(makers), channels: roots.length, heldBy }],
  );
}

function layersOf(makers: readonly Slice[]): readonly string[] {
  return [...new Set(makers.map(({ node }) => node.name))];
}

interface Group {
  readonly makers: readonly Slice[];
  readonly heldBy: string | null;
  readonly roots: number[];
}

/** Channels by the slices that make them, and by what holds them. */
function groupByMakers(channels: Channels, excluded: ReadonlySet<string>): readonly Group[] {
  const makers = new Map<number, Set<Slice>>();
  const kept = new Set<number>();
  for (const slice of channels.slices) {
    if (slice.role !== "makes") continue;
    const { node, ids } = slice;
    const isExcluded = excluded.has(node.name) || node.sources.some((source) => excluded.has(source));
    for (const id of ids) {
      const root = channels.rootOf(id);
      if (isExcluded) kept.add(root);
      makers.set(root, (makers.get(root) ?? new Set()).add(slice));
    }
  }
  const groups = new Map<string, Group>();
  for (const [root, slices] of makers) {
    const heldBy = channels.heldBy(root) ?? (kept.has(root) ? "an excluded layer" : null);
    const key = [...slices]
      .map(({ node }) => node.name)
      .concat(heldBy ?? "")
      .join("\n");
    const group = groups.get(key) ?? { makers: [...slices], heldBy, roots: [] };
    group.roots.push(root);
    groups.set(key, group);
  }
  return [...groups.values()];
}

/** The fewest channels that fill tiles wherever they lie side by side: one where a channel is as wide as a tile, as an attention head is. */
function tileOf({ rootOf }: Channels, makers: readonly Slice[], roots: readonly number[]): number {
  const own = new Set(roots);
  let width = TILE;
  for (const { ids } of makers) {
    let run = 0;
    for (const [i, id] of ids.entries()) {
      run = i > 0 && rootOf(id) === rootOf(ids[i - 1]!) ? run + 1 : 1;
      const ends = i + 1 === ids.length || rootOf(ids[i + 1]!) !== rootOf(id);
      if (ends && own.has(rootOf(id))) width = divisor(width, run);
    }
  }
  return TILE / width;
}

/** The greatest common divisor. */
function divisor(a: number, b: number): number {
  return b === 0 ? a : divisor(b, a % b);
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
