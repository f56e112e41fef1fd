/** Removes nodes whose results nobody reads. */
import type { Graph } from "../ir/graph.ts";

/** Removes dead nodes, last first, so that chains go in one sweep. Returns how many. */
export function eliminateDeadCode(graph: Graph): number {
  const outputs = new Set(graph.outputs);
  let removed = 0;
  for (const node of [...graph.nodes].reverse()) {
    if (node.outputs.some((value) => value.readers.size > 0 || outputs.has(value))) continue;
    graph.remove(node);
    removed++;
  }
  return removed;
}
