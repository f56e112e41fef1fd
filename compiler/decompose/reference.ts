/** The types and results of a decomposed operator: its decomposition, built in a graph of its own. */
import type { Tensor } from "../../host/tensor.ts";
import { Graph, type Node, typeOf, type Value } from "../ir/graph.ts";
import type { OpDefinition } from "../ops/definition.ts";
import { Composer, type Operators } from "./composer.ts";
import type { Decomposition } from "./definition.ts";

/** The definition that a decomposition amounts to. */
export function definitionOf(decomposition: Decomposition, operators: Operators): OpDefinition {
  return {
    name: decomposition.name,
    infer: (node) => decomposition.infer?.(node) ?? built(decomposition, node, operators, false).map(typeOf),
    evaluate: (node) =>
      built(decomposition, node, operators, true).map((value): Tensor => {
        if (!value.constant) throw new Error(`unreachable: ${node.op} of constants is no constant`);
        return value.constant;
      }),
  };
}

function built(decomposition: Decomposition, node: Node, operators: Operators, foldsAll: boolean): readonly Value[] {
  const graph = new Graph("");
  const seen = new Map<Value, Value>();
  const inputs = node.inputs.map((value, i) => {
    if (!value) return null;
    const own = seen.get(value) ?? (value.constant ? graph.addConstant(`${i}`, value.constant) : graph.addInput(`${i}`, typeOf(value)));
    seen.set(value, own);
    return own;
  });
  return decomposition.build(new Composer({ ...node, name: "", inputs }, graph, operators, undefined, foldsAll));
}
