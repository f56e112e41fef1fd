/** Who else would notice a change of a value: what every fusion asks before it takes an intermediate value away. */
import type { Graph, Node, Value } from "../ir/graph.ts";

/** The only node that reads `value`; null where there are others, none, or the value is an output of the graph. */
export function soleReader(graph: Graph, value: Value): Node | null {
  if (value.readers.size !== 1 || graph.outputs.includes(value)) return null;
  return [...value.readers][0]!;
}

/** Lets readers use `value` instead of the result of `node`, which goes; `value`'s producer inherits the provenance. */
export function bypass(graph: Graph, node: Node, value: Value): void {
  if (value.producer) graph.addSources(value.producer, node.sources);
  graph.replaceUses(node.outputs[0]!, value);
  graph.remove(node);
}
