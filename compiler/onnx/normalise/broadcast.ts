/** The binary operators before opset 7: the second operand is laid onto the first from `axis` on. */
import { numberAttribute } from "../../ir/attributes.ts";
import { type Draft, int64List, Refusal, type Rewrite, type Rewriting, without } from "./draft.ts";
import { asNode, operand, rankOf } from "./reading.ts";

/** Appends axes of 1 to the second operand, so that NumPy's broadcasting does what `axis` said. Without `axis` both rules agree. */
export const alignSecondOperand: Rewrite = (draft, rewriting) => {
  const plain = { ...draft, attributes: without(draft.attributes, "axis", "broadcast") };
  const node = asNode(draft);
  if (numberAttribute(node, "broadcast", 0) === 0 || draft.attributes["axis"] === undefined) return plain;
  const rank = knownRank(draft, 0, rewriting);
  const secondRank = knownRank(draft, 1, rewriting);
  const axis = numberAttribute(node, "axis", 0);
  const trailing = rank - (axis < 0 ? axis + rank : axis) - secondRank;
  return trailing > 0 ? appendAxes(plain, trailing, secondRank, rewriting) : plain;
};

/** PRelu: before opset 7 a slope of one axis is one for each channel. */
export const alignSlope: Rewrite = (draft, rewriting) => {
  const slope = rewriting.typeOf(operand(draft, 1));
  if (!slope)
    throw new Refusal(`its slope's shape is not known when reading a model of opset ${rewriting.opset}; export it with opset 7 or later`);
  if (slope.shape.length !== 1 || slope.shape[0] === 1) return draft;
  const trailing = knownRank(draft, 0, rewriting) - 2;
  return trailing > 0 ? appendAxes(draft, trailing, 1, rewriting) : draft;
};

function knownRank(draft: Draft, index: number, rewriting: Rewriting): number {
  const rank = rankOf(operand(draft, index), rewriting);
  if (rank === null)
    throw new Refusal(`it broadcasts as in opset ${rewriting.opset}, onto a shape that is not known; export it with opset 7 or later`);
  return rank;
}

function appendAxes(draft: Draft, count: number, rank: number, rewriting: Rewriting): Draft {
  const axes = rewriting.constant("axes", int64List(Array.from({ length: count }, (_, i) => rank + i)));
  const aligned = rewriting.before("Unsqueeze", "align", [operand(draft, 1), axes]);
  return { ...draft, inputs: [operand(draft, 0), aligned, ...draft.inputs.slice(2)] };
}
