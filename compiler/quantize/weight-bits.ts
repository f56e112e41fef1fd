/**
 * Which layers get weights of fewer than eight bits: all but those that lose much by it and gain little, which are depthwise ones and, of five
 * bits and fewer, the first layers (no layer with weights before them) and the last ones (none behind).
 */
import type { Graph, Node } from "../ir/graph.ts";
import { isDepthwise, isWeighted } from "./scope.ts";

/** Bits that weights may have, the most first. */
export const WEIGHT_BITS = [8, 7, 6, 5, 4, 3, 2] as const;

/** One of them. */
export type WeightBits = (typeof WEIGHT_BITS)[number];

/** First and last layers take so few bits at least. */
const FEWEST_AT_THE_ENDS = 6;

/** The greatest magnitude of a weight of `bits`: 127, 63, 31, 15, 7, 3, 1. Ranges are symmetric. */
export function weightLevels(bits: WeightBits): number {
  return 2 ** (bits - 1) - 1;
}

/** Bits of the weights of each node of `nodes` that has fewer than eight, by name, where `bits` were asked for. */
export function chooseWeightBits(graph: Graph, nodes: ReadonlySet<Node>, bits: WeightBits): ReadonlyMap<string, WeightBits> {
  if (bits === 8) return new Map();
  const layers = bits < FEWEST_AT_THE_ENDS ? innerLayers(graph, nodes) : denseLayers(nodes);
  return new Map(layers.map(({ name }) => [name, bits]));
}

/** The layers with weights of `nodes` that have layers before and behind them, and are not depthwise: those that compressing harms least. */
export function innerLayers(graph: Graph, nodes: Iterable<Node>): readonly Node[] {
  const behindLayer = new Set<Node>();
  for (const node of graph.nodes) {
    const producers = node.inputs.flatMap((value) => value?.producer ?? []);
    if (producers.some((producer) => isWeighted(producer) || behindLayer.has(producer))) behindLayer.add(node);
  }
  const beforeLayer = new Set<Node>();
  for (const node of [...graph.nodes].reverse()) {
    const readers = node.outputs.flatMap((value) => [...value.readers]);
    if (readers.some((reader) => isWeighted(reader) || beforeLayer.has(reader))) beforeLayer.add(node);
  }
  return denseLayers(nodes).filter((node) => behindLayer.has(node) && beforeLayer.has(node));
}

function denseLayers(nodes: Iterable<Node>): readonly Node[] {
  return [...nodes].filter((node) => isWeighted(node) && !isDepthwise(node));
}
