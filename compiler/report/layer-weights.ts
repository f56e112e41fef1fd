/** The weights of a layer as they stand in the graph. */
import type { Node } from "../ir/graph.ts";

/** The integers or numbers of a layer's weights; undefined where they are computed. */
export function storedWeights(node: Node): ArrayLike<number | bigint> | undefined {
  const given = node.inputs[1];
  return (given?.constant ?? given?.producer?.inputs[0]?.constant)?.data;
}

/** How many of them are 0. */
export function zerosOf(weights: ArrayLike<number | bigint>): number {
  let zeros = 0;
  for (let i = 0; i < weights.length; i++) if (Number(weights[i]) === 0) zeros++;
  return zeros;
}
