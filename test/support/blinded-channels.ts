/** What a network computes when nobody reads some of its channels. */

import { traceChannels } from "../../compiler/channels/channels.ts";
import { cloneGraph } from "../../compiler/ir/clone.ts";
import { type Graph, requiredInput } from "../../compiler/ir/graph.ts";

/** A copy in which the weights that read removed channels are 0. */
export function blinded(graph: Graph, removed: ReadonlySet<number>): Graph {
  const copy = cloneGraph(graph);
  const { slices, rootOf } = traceChannels(copy);
  for (const { node, input, axis, ids, role } of slices) {
    if (role !== "reads") continue;
    const { dtype, shape, data } = requiredInput(node, input).constant!;
    const inner = shape.slice(axis + 1).reduce((a, b) => a * b, 1);
    const changed = Float32Array.from(data as Float32Array, (x, i) =>
      removed.has(rootOf(ids[Math.floor(i / inner) % shape[axis]!]!)) ? 0 : x,
    );
    copy.setInput(node, input, copy.addConstant("w", { dtype, shape, data: changed }));
  }
  return copy;
}
