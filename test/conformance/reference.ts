/** Runs a model on the TypeScript reference, node by node. */
import type { Node, Value, ValueType } from "../../compiler/ir/graph.ts";
import { importModel } from "../../compiler/onnx/import.ts";
import { evaluateNode, inferNode } from "../../compiler/ops/index.ts";
import type { Tensor } from "../../host/tensor.ts";
import { shapeInputs } from "./shape-inputs.ts";
import type { NamedTensor } from "./suite.ts";

/** The model's outputs for `inputs`. Throws where the types that shape inference gives are not those of the results. */
export function runReference(model: Uint8Array, inputs: readonly NamedTensor[]): readonly Tensor[] {
  const deciding = shapeInputs(model);
  const constants = Object.fromEntries(inputs.filter(({ name }) => deciding.has(name)).map(({ name, tensor }) => [name, tensor]));
  const { graph } = importModel(model, { constants });
  const tensors = new Map<Value, Tensor>();
  for (const input of graph.inputs) {
    const given = inputs.find(({ name }) => name === input.name);
    if (!given) throw new Error(`the input ${input.name} has no value`);
    tensors.set(input, given.tensor);
  }
  const tensorOf = (value: Value): Tensor => value.constant ?? tensors.get(value)!;
  for (const node of graph.nodes) {
    const operands = node.inputs.map((value) => value && tensorOf(value));
    const types = inferNode(known(node, operands));
    const results = evaluateNode(node, operands);
    node.outputs.forEach((value, i) => {
      const [type, result] = [types[i], results[i]];
      if (!type || !result) throw new Error(`${node.op} has no result ${i}`);
      if (typeText(type) !== typeText(result)) throw new Error(`${node.op} infers ${typeText(type)} and gives ${typeText(result)}`);
      tensors.set(value, result);
    });
  }
  return graph.outputs.map(tensorOf);
}

/** The node with constants as operands. */
function known(node: Node, operands: readonly (Tensor | null)[]): Node {
  return { ...node, inputs: node.inputs.map((value, i) => value && { ...value, type: operands[i]!, constant: operands[i]! }) };
}

function typeText({ dtype, shape }: ValueType): string {
  return `${dtype} [${shape.join(", ")}]`;
}
