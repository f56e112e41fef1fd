/** Int8 that does not pay: what would be converted to int8 and back for little work in between stays in float32. */
import type { Node, Value } from "../ir/graph.ts";
import { regionCost } from "./node-cost.ts";
import { activationInputs, givesFloat, isWeighted } from "./scope.ts";

/** Estimates that differ by less are no reason for anything. */
const CLEARLY = 0.9;

/**
 * The nodes of `chosen` without those that work sooner in float32: stretches of nodes between layers with weights whose conversions take
 * longer than int8 saves. Layers with weights stay. `chosen` is in topological order, reversed (scope.ts).
 */
export function withoutSlower(chosen: ReadonlySet<Node>, isOutput: (value: Value) => boolean): ReadonlySet<Node> {
  const left = new Set(chosen);
  const isInt8 = (node: Node): boolean => left.has(node);
  const improves = (nodes: readonly Node[]): boolean => {
    const gone = new Set(nodes);
    const now = regionCost(nodes, isInt8, isOutput);
    return regionCost(nodes, (node) => left.has(node) && !gone.has(node), isOutput) < now * CLEARLY;
  };
  for (const stretch of stretches(chosen)) {
    const candidates = [stretch, ...stretch.map((node) => [node]).reverse()];
    for (const nodes of candidates) {
      if (!nodes.every(isInt8) || !improves(nodes)) continue;
      for (const node of nodes) left.delete(node);
    }
  }
  for (const node of [...left]) if (!givesFloat(node) && !isReadInInt8(node, isInt8)) left.delete(node);
  return left;
}

function isReadInInt8(node: Node, isInt8: (node: Node) => boolean): boolean {
  return node.outputs.some(({ readers }) => [...readers].some(isInt8));
}

/** Nodes without weights that hand values to each other. */
function stretches(chosen: ReadonlySet<Node>): readonly (readonly Node[])[] {
  const isPlain = (node: Node): boolean => chosen.has(node) && !isWeighted(node) && node.op !== "MatMul";
  const seen = new Set<Node>();
  const found: Node[][] = [];
  for (const start of chosen) {
    if (!isPlain(start) || seen.has(start)) continue;
    const stretch = [start];
    seen.add(start);
    for (const node of stretch) {
      const producers = activationInputs(node).flatMap((i) => node.inputs[i]?.producer ?? []);
      for (const next of [...producers, ...node.outputs.flatMap(({ readers }) => [...readers])]) {
        if (!isPlain(next) || seen.has(next)) continue;
        seen.add(next);
        stretch.push(next);
      }
    }
    found.push(stretch);
  }
  return found;
}
