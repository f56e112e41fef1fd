/**
 * Folds BatchNormalization into the Conv or Gemm before it, or else behind it (see affine.ts).
 *
 *   y = γ · (x − μ) / √(σ² + ε) + β = s·x + t,   s = γ / √(σ² + ε),   t = β − μ·s   per channel
 *
 * Declines in training mode, and where statistics are computed. A BatchNormalization without a neighbour to fold into becomes a
 * 1×1 depthwise Conv (images) or Mul and Add.
 */
import { numberAttribute } from "../ir/attributes.ts";
import { type Graph, type Node, onlyOutput, requiredInput, typeOf, type Value } from "../ir/graph.ts";
import { type Affine, foldIntoConsumer, foldIntoProducer } from "./affine.ts";
import { constantFactor, type Factor } from "./constant-operand.ts";

/** Folds every BatchNormalization in inference form with constant statistics. Returns how many. */
export function fuseBatchNorm(graph: Graph): number {
  let fused = 0;
  for (const node of [...graph.nodes]) {
    if (node.op !== "BatchNormalization" || node.outputs.length !== 1) continue;
    const affine = normalization(node);
    if (!affine) continue;
    if (!foldIntoProducer(graph, affine) && !foldIntoConsumer(graph, affine)) standAlone(graph, affine);
    fused++;
  }
  return fused;
}

/** Scale and shift of shape [C, 1…], which broadcast to N, C, spatial…. */
function normalization(node: Node): (Affine & { readonly scale: Factor; readonly shift: Factor }) | null {
  if (numberAttribute(node, "training_mode", 0) !== 0) return null;
  const [gamma, beta, mean, variance] = [1, 2, 3, 4].map((i) => constantFactor(requiredInput(node, i))?.data);
  if (!gamma || !beta || !mean || !variance) return null;
  const epsilon = numberAttribute(node, "epsilon", 1e-5);
  const scale = gamma.map((g, i) => g / Math.sqrt(variance[i]! + epsilon));
  const shift = beta.map((b, i) => b - mean[i]! * scale[i]!);
  const operand = requiredInput(node, 0);
  const shape = [
    gamma.length,
    ...typeOf(operand)
      .shape.slice(2)
      .map(() => 1),
  ];
  return { node, operand, scale: { shape, data: scale }, shift: { shape, data: shift } };
}

function standAlone(graph: Graph, { node, operand, scale, shift }: Affine & { readonly scale: Factor; readonly shift: Factor }): void {
  const { shape } = typeOf(operand);
  const channels = scale.data.length;
  const constant = (name: string, { data }: Factor, dims: readonly number[]): Value =>
    graph.addConstant(`${node.name}.${name}`, { dtype: "float32", shape: dims, data: Float32Array.from(data) });
  if (shape.length === 3 || shape.length === 4) {
    const kernel = shape.slice(2).map(() => 1);
    graph.replace(node, {
      op: "Conv",
      inputs: [operand, constant("scale", scale, [channels, 1, ...kernel]), constant("shift", shift, [channels])],
      attributes: { group: channels, kernel_shape: kernel },
    });
    return;
  }
  const product = graph.add(
    {
      op: "Mul",
      name: `${node.name}.scale`,
      inputs: [operand, constant("scale", scale, scale.shape)],
      sources: node.sources,
      outputs: [{ name: `${onlyOutput(node).name}.scaled`, type: typeOf(operand) }],
    },
    node,
  );
  graph.replace(node, { op: "Add", inputs: [onlyOutput(product), constant("shift", shift, shift.shape)] });
}
