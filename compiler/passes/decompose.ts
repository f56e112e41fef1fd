/**
 * Replaces operators that are stated in others (decompose/) by what they are made of, down to operators that are lowered.
 *
 * It runs on a graph whose values have types, before anything is fused, so that the parts are fused and quantized like any other's.
 */
import { Composer } from "../decompose/composer.ts";
import { findDecomposition } from "../decompose/index.ts";
import type { Graph } from "../ir/graph.ts";
import { evaluateNode, inferNode } from "../ops/index.ts";

/** Decomposes all nodes that can be, what they consist of included. Returns how many. Errors: those of the operators. */
export function decompose(graph: Graph): number {
  let count = 0;
  for (let nodes = graph.nodes.filter((node) => findDecomposition(node)); nodes.length > 0; ) {
    count += nodes.length;
    for (const node of nodes) {
      const composer = new Composer(node, graph, { infer: inferNode, evaluate: evaluateNode }, node, false);
      const results = findDecomposition(node)!.build(composer);
      node.outputs.forEach((output, i) => {
        graph.replaceUses(output, results[i]!);
      });
      graph.remove(node);
    }
    nodes = graph.nodes.filter((node) => findDecomposition(node));
  }
  return count;
}
