/**
 * Softmax, LogSoftmax and Hardmax before opset 13: the operand is seen as a matrix, the axes from `axis` on are one.
 *
 *   Softmax₁₁(x, axis) = Reshape(Softmax(Flatten(x, axis), −1), Shape(x))
 *
 * Where `axis` is the last one, or those behind it are 1, that is the newer operator on that axis.
 */
import { numberAttribute } from "../../ir/attributes.ts";
import { type Draft, int64List, type Rewrite } from "./draft.ts";
import { asNode, operand } from "./reading.ts";

/** Rewrites all three. */
export const softmaxOfMatrix: Rewrite = (draft, rewriting): Draft => {
  const x = operand(draft, 0);
  const axis = numberAttribute(asNode(draft), "axis", 1);
  const shape = rewriting.typeOf(x)?.shape;
  if (axis === -1 || axis + 1 === shape?.length) return { ...draft, attributes: { axis: -1 } };
  if (shape && axis >= 0 && shape.slice(axis + 1).every((size) => size === 1)) return { ...draft, attributes: { axis } };
  const matrix = rewriting.before("Flatten", "flatten", [x], { axis });
  const result = rewriting.before(draft.op, "rows", [matrix], { axis: -1 });
  const back = shape ? rewriting.constant("shape", int64List(shape)) : rewriting.before("Shape", "shape", [x]);
  return { ...draft, op: "Reshape", inputs: [result, back], attributes: {} };
};
