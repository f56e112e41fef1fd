/**
 * Which layers get weights of fewer than eight bits: all but those that lose much by it and gain little, which are the first layers (no
 * layer with weights before them), the last ones (none behind), and depthwise ones.
 */
import { numberAttribute } from "../ir/attributes.ts";
import { type Graph, type Node, requiredInput, typeOf } from "../ir/graph.ts";
import { isWeighted } from "./scope.ts";

/** Bits that weights may have. */
export type WeightBits = 8 | 4 | 3 | 2;

/** The greatest magnitude of a weight of `bits`: 127, 7, 3, 1. Ranges are symmetric. */
export function weightLevels(bits: WeightBits): number {
  return 2 ** (bits - 1) - 1;
}

/** Bits of the weights of each node of `nodes` that has fewer than eight, by name, where `bits` were asked for. */
export function chooseWeightBits(graph: Graph, nodes: ReadonlySet<Node>, bits: WeightBits): ReadonlyMap<string, WeightBits> {
  return bits === 8 ? new Map() : new Map(innerLayers(graph, nodes).map(({ name }) => [name, bits]));
}

/** The layers with weights of `nodes` that have layers before and behind them, and are not depthwise: those that compressing harms least. */
export function innerLayers(graph: Graph, nodes: Iterable<Node>): readonly Node[] {
  const layers = [...nodes].filter((node) => isWeighted(node) && !isDepthwise(node));
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
  return layers.filter((node) => behindLayer.has(node) && beforeLayer.has(node));
}

function isDepthwise(node: Node): boolean {
  return node.op === "Conv" && numberAttribute(node, "group", 1) > 1 && typeOf(requiredInput(node, 1)).shape[1] === 1;
}
