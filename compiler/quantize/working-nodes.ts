/**
 * The nodes that work in int8 in mixed precision before any error is measured: those that could (scope.ts), without
 *
 *   pieces that are cut out of a value of a far greater range: they would share its scale, and have few levels left;
 *   nodes that are sooner done in float32 (slower.ts).
 */
import type { Graph, Node, Value } from "../ir/graph.ts";
import { parameterGroups } from "./insert.ts";
import type { Range } from "./ranges.ts";
import { int8Nodes } from "./scope.ts";
import { withoutSlower } from "./slower.ts";

/** Why a node that has an int8 form works in float32. */
export type Unsuited = "range" | "time";

/** Operators that cut pieces out of their operand. */
const CUTTING = new Set(["Slice", "Split", "Gather"]);
/** A piece whose range is a smaller part of the whole has a scale of its own: it would lose three bits or more. */
const LEAST_PART = 1 / 8;

/** What works in int8, and why the rest of what could does not. */
export interface Working {
  readonly nodes: ReadonlySet<Node>;
  readonly unsuited: ReadonlyMap<Node, Unsuited>;
}

/** As int8Nodes; `rangeOf` gives the range of a value. */
export function workingNodes(
  graph: Graph,
  keepFloat: ReadonlySet<string>,
  moved: ReadonlySet<string>,
  rangeOf: (value: Value) => Range,
): Working {
  const possible = int8Nodes(graph, keepFloat, moved);
  const whole = withoutUnevenPieces(possible, rangeOf);
  const nodes = withoutSlower(whole, (value) => graph.outputs.includes(value));
  const unsuited = new Map<Node, Unsuited>();
  for (const node of possible) if (!nodes.has(node)) unsuited.set(node, whole.has(node) ? "time" : "range");
  return { nodes, unsuited };
}

function withoutUnevenPieces(nodes: ReadonlySet<Node>, rangeOf: (value: Value) => Range): ReadonlySet<Node> {
  const groups = parameterGroups(nodes);
  const width = (value: Value): number => {
    const { low, high } = rangeOf(value);
    return high - low;
  };
  const isUneven = (node: Node): boolean => {
    const whole = Math.max(...(groups.get(node.inputs[0]!) ?? [node.inputs[0]!]).map(width));
    return node.outputs.some((piece) => width(piece) > 0 && width(piece) < whole * LEAST_PART);
  };
  return new Set([...nodes].filter((node) => !CUTTING.has(node.op) || !isUneven(node)));
}
