/** Permutations of axes. */
import { numbersAttribute } from "../ir/attributes.ts";
import { type Node, requiredInput, typeOf } from "../ir/graph.ts";

/** Axis i of the result of a Transpose is axis perm[i] of the operand; without the attribute the axes are reversed. */
export function permutationOf(node: Node): readonly number[] {
  const rank = typeOf(requiredInput(node, 0)).shape.length;
  return numbersAttribute(
    node,
    "perm",
    Array.from({ length: rank }, (_, i) => rank - 1 - i),
  );
}
