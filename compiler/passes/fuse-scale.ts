/**
 * Folds multiplications and the rest of the constant arithmetic around Conv and Gemm into their weights and biases (see affine.ts):
 * x·c, x/c and c−x before or behind them, x+c and x−c before them. Gemm's own alpha and beta join its constants, too, and a C that is
 * one number for all outputs becomes one for each.
 *
 *   alpha · A·B + beta · C = A·(alpha·B) + (beta·C)
 */
import { numberAttribute } from "../ir/attributes.ts";
import { type Graph, type Node, typeOf } from "../ir/graph.ts";
import { affineOf, biasOf, foldIntoConsumer, foldIntoProducer, setWeights } from "./affine.ts";

/** Folds until nothing changes within one sweep. Returns how many nodes it rewrote. */
export function fuseScale(graph: Graph): number {
  let fused = 0;
  for (const node of [...graph.nodes]) {
    if (node.op === "Gemm") {
      if (foldFactors(graph, node)) fused++;
      continue;
    }
    const affine = affineOf(node);
    if (affine && (foldIntoProducer(graph, affine) || foldIntoConsumer(graph, affine))) fused++;
  }
  return fused;
}

function foldFactors(graph: Graph, node: Node): boolean {
  const alpha = numberAttribute(node, "alpha", 1);
  const beta = numberAttribute(node, "beta", 1);
  const weights = node.inputs[1]?.constant;
  const bias = biasOf(node, typeOf(node.outputs[0]!).shape[1]!);
  if (weights?.dtype !== "float32" || !bias) return false;
  const isRow = !node.inputs[2] || `${typeOf(node.inputs[2]).shape}` === `${bias.length}`;
  if (alpha === 1 && beta === 1 && isRow) return false;
  const scaled = alpha === 1 ? null : { ...weights, data: Float32Array.from(weights.data as Float32Array, (w) => w * alpha) };
  if (!setWeights(graph, node, scaled, bias)) return false;
  graph.setAttributes(node, { alpha: undefined });
  return true;
}
