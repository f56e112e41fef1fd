/**
 * Softmax, LogSoftmax and Hardmax before opset 13: the operand is seen as a matrix, the axes from `axis` on are one.
 *
 *   Softmax₁₁(x, axis) = Reshape(Softmax(Flatten(x, axis), −1), Shape(x))
 *
 * Where `axis` is the last one that is the newer operator on that axis.
 */
import { numberAttribute } from "../../ir/attributes.ts";
import type { Draft, Rewrite } from "./draft.ts";
import { asNode, operand, rankOf } from "./reading.ts";

/** Rewrites all three. */
export const softmaxOfMatrix: Rewrite = (draft, rewriting): Draft => {
  const x = operand(draft, 0);
  const axis = numberAttribute(asNode(draft), "axis", 1);
  const rank = rankOf(x, rewriting);
  if (axis === -1 || (rank !== null && axis === rank - 1)) return { ...draft, attributes: { axis: -1 } };
  const matrix = rewriting.before("Flatten", "flatten", [x], { axis });
  const result = rewriting.before(draft.op, "rows", [matrix], { axis: -1 });
  const shape = rewriting.before("Shape", "shape", [x]);
  return { ...draft, op: "Reshape", inputs: [result, shape], attributes: {} };
};
