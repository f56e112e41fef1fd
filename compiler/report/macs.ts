/** Multiply-accumulates of a node: weighted layers and matrix products; everything else counts 0. */
import { elementCount } from "../../host/tensor.ts";
import { type Node, onlyOutput, requiredInput, typeOf } from "../ir/graph.ts";

/** Multiply-accumulates that one run of the node takes. */
export function macsOf(node: Node): number {
  switch (node.op) {
    case "Conv": {
      const weights = typeOf(requiredInput(node, 1)).shape;
      return elementCount(typeOf(onlyOutput(node)).shape) * elementCount(weights.slice(1));
    }
    case "Gemm": {
      const [m, n] = typeOf(onlyOutput(node)).shape as readonly [number, number];
      return elementCount(typeOf(requiredInput(node, 0)).shape) * n * (m > 0 ? 1 : 0);
    }
    case "MatMul": {
      const a = typeOf(requiredInput(node, 0)).shape;
      return elementCount(typeOf(onlyOutput(node)).shape) * a[a.length - 1]!;
    }
    default:
      return 0;
  }
}
