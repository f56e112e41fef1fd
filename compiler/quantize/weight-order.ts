/**
 * In what order the file holds a layer's weights: found by lowering the float32 graph with each weight replaced by its own index, so that
 * it is right for whatever layout and flattening do.
 */
import { cloneGraph } from "../ir/clone.ts";
import { type Graph, requiredInput } from "../ir/graph.ts";
import { type Compiled, compileGraph } from "../run/graph-runner.ts";
import { isWeighted } from "./scope.ts";

/** Larger indices are not exact in float32. */
const MOST_WEIGHTS = 2 ** 24;

/** The constant at an address of a program's data region: its canonical bytes as float32. */
export function floatConstant({ program }: Compiled, address: number): Float32Array | null {
  const bytes = program.constants.find((constant) => constant.address === address)?.bytes;
  return bytes ? new Float32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength >> 2) : null;
}

/** `float` compiled with indices for weights: where weight i of the file stood in the model's tensor. */
export function compileIndices(float: Graph): Compiled {
  const graph = cloneGraph(float);
  for (const node of graph.nodes) {
    if (!isWeighted(node)) continue;
    const weights = requiredInput(node, 1);
    if (!weights.constant || weights.constant.data.length > MOST_WEIGHTS) continue;
    const { shape, data } = weights.constant;
    graph.setInput(
      node,
      1,
      graph.addConstant(weights.name, { dtype: "float32", shape, data: Float32Array.from({ length: data.length }, (_, i) => i) }),
    );
  }
  return compileGraph(graph, { producer: "", name: "" });
}
