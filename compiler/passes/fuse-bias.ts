/**
 * Adds constants into the bias of the Conv or Gemm before them, and turns products with constant matrices into Gemm.
 *
 *   conv(x, W) + b + t = conv(x, W) + (b + t)          t one number for each output channel
 *   x · W = Gemm(x, W)                                 x of rank 2
 *   x · W + t = Reshape(Gemm(Reshape(x), W, t))        x of higher rank: its leading axes become rows, which costs nothing
 *
 * Declines, beside affine.ts's reasons, where an operand has no elements, and leaves a MatMul of higher rank without an addition as it is.
 */
import { elementCount } from "../../host/tensor.ts";
import { type Graph, type Node, onlyOutput, requiredInput, typeOf, type Value } from "../ir/graph.ts";
import { type Affine, affineOf, foldIntoProducer } from "./affine.ts";
import { alongAxis, isClamped, shapeTensor } from "./constant-operand.ts";
import { soleReader } from "./sole-reader.ts";

/** Fuses additions and products. Returns how many nodes it rewrote. */
export function fuseBias(graph: Graph): number {
  let fused = 0;
  for (const node of [...graph.nodes]) {
    if (node.op === "MatMul" && matrixDepth(node) > 0 && typeOf(requiredInput(node, 0)).shape.length === 2) {
      graph.replace(node, { op: "Gemm", inputs: node.inputs, attributes: node.attributes });
      fused++;
      continue;
    }
    const affine = affineOf(node);
    if (!affine || affine.scale) continue;
    if (foldIntoProducer(graph, affine) || foldIntoProduct(graph, affine)) fused++;
  }
  return fused;
}

/** Rows of the matrix, constant or dequantized from constants, that a float32 MatMul multiplies with; 0 for other products and empty ones. */
function matrixDepth(node: Node): number {
  const [x, w] = [requiredInput(node, 0), requiredInput(node, 1)];
  const { shape } = typeOf(w);
  if (!isKnown(w) || shape.length !== 2 || typeOf(x).dtype !== "float32") return 0;
  return elementCount(typeOf(x).shape) * elementCount(shape) > 0 ? shape[0]! : 0;
}

function isKnown(w: Value): boolean {
  return (
    w.constant !== null || (w.producer?.op === "DequantizeLinear" && w.producer.inputs.every((value) => !value || value.constant !== null))
  );
}

function foldIntoProduct(graph: Graph, { node, operand, shift }: Affine): boolean {
  const product = operand.producer;
  if (product?.op !== "MatMul" || !soleReader(graph, operand) || isClamped(product)) return false;
  const { dtype, shape } = typeOf(operand);
  const x = requiredInput(product, 0);
  const depth = matrixDepth(product);
  const bias = alongAxis(shift!, shape, shape.length - 1);
  if (depth === 0 || typeOf(x).shape.length < 3 || !bias || !bias.every((t) => Number.isFinite(t))) return false;
  const columns = shape[shape.length - 1]!;
  const rows = elementCount(shape) / columns;
  const sources = [...new Set([...product.sources, ...node.sources])];
  const result = onlyOutput(node);
  const reshaped = (name: string, value: Value, dims: readonly number[]): Value =>
    onlyOutput(
      graph.add(
        {
          op: "Reshape",
          name,
          inputs: [value, graph.addConstant(`${name}.shape`, shapeTensor(dims))],
          sources,
          outputs: [{ name, type: { dtype, shape: dims } }],
        },
        node,
      ),
    );
  const gemm = graph.add(
    {
      op: "Gemm",
      name: product.name,
      inputs: [
        reshaped(`${operand.name}.operand`, x, [rows, depth]),
        product.inputs[1]!,
        graph.addConstant(`${product.name}.bias`, { dtype: "float32", shape: [columns], data: Float32Array.from(bias) }),
      ],
      attributes: node.attributes,
      sources,
      outputs: [{ name: `${result.name}.rows`, type: { dtype, shape: [rows, columns] } }],
    },
    node,
  );
  const target = graph.addConstant(`${result.name}.shape`, shapeTensor(shape));
  graph.replace(node, { op: "Reshape", inputs: [onlyOutput(gemm), target], sources });
  graph.remove(product);
  return true;
}
