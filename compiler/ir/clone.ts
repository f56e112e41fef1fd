/** A copy of a graph that can be changed without touching the original. Constants' data are shared. */
import { Graph, type Value } from "./graph.ts";

/** Copies `graph`; values and nodes keep their names. */
export function cloneGraph(graph: Graph): Graph {
  const copy = new Graph(graph.name);
  const values = new Map<Value, Value>();
  for (const input of graph.inputs) values.set(input, copy.addInput(input.name, input.type!));
  const operand = (value: Value): Value => {
    let found = values.get(value);
    if (!found) {
      if (!value.constant) throw new Error(`unreachable: ${value.name} is read before it is produced`);
      found = copy.addConstant(value.name, value.constant);
      values.set(value, found);
    }
    return found;
  };
  for (const node of graph.nodes) {
    const added = copy.add({
      op: node.op,
      name: node.name,
      inputs: node.inputs.map((value) => (value ? operand(value) : null)),
      attributes: node.attributes,
      sources: node.sources,
      channelsLast: node.channelsLast,
      outputs: node.outputs.map(({ name, type }) => ({ name, type })),
    });
    node.outputs.forEach((value, i) => {
      values.set(value, added.outputs[i]!);
    });
  }
  copy.setOutputs(graph.outputs.map(operand), graph.outputNames);
  return copy;
}
