/** Attributes that became inputs: bounds, axes, starts, pads, counts. */
import { numberAttribute, numbersAttribute } from "../../ir/attributes.ts";
import type { Value } from "../../ir/graph.ts";
import { type Draft, floatScalar, int64List, type Rewrite, type Rewriting, withInput, without } from "./draft.ts";
import { asNode } from "./reading.ts";

/** One attribute and the input that it becomes. */
interface Move {
  readonly attribute: string;
  readonly input: number;
  /** A float scalar, or a list of int64. */
  readonly kind: "float" | "int64s";
}

/** Moves attributes to inputs; one that the node does not have stays left out. */
export function attributesToInputs(...moves: readonly Move[]): Rewrite {
  return (draft, rewriting) => {
    let { inputs } = draft;
    for (const move of moves) {
      const value = moved(draft, move, rewriting);
      if (value) inputs = withInput(inputs, move.input, value);
    }
    return { ...draft, inputs, attributes: without(draft.attributes, ...moves.map(({ attribute }) => attribute)) };
  };
}

function moved(draft: Draft, { attribute, kind }: Move, rewriting: Rewriting): Value | null {
  if (draft.attributes[attribute] === undefined) return null;
  const node = asNode(draft);
  if (kind === "float") return rewriting.constant(attribute, floatScalar(numberAttribute(node, attribute, 0)));
  return rewriting.constant(attribute, int64List(numbersAttribute(node, attribute, [])));
}

/** ReduceX: no axes, given or left out, meant all of them; the newer form says so by having no axes. */
export const reduceAxes: Rewrite = (draft, rewriting) => {
  const axes = numbersAttribute(asNode(draft), "axes", []);
  const rest = { ...draft, attributes: without(draft.attributes, "axes") };
  return axes.length === 0 ? rest : attributesToInputs({ attribute: "axes", input: 1, kind: "int64s" })(draft, rewriting);
};

/** Pad: `pads` and `value` became inputs; `value` counts for the mode constant alone. */
export const padAmounts: Rewrite = attributesToInputs(
  { attribute: "pads", input: 1, kind: "int64s" },
  { attribute: "value", input: 2, kind: "float" },
);

/** TopK: `k` became an input of one element. */
export const topKCount: Rewrite = (draft, rewriting) => {
  const k = rewriting.constant("k", int64List([numberAttribute(asNode(draft), "k", 0)]));
  return { ...draft, inputs: withInput(draft.inputs, 1, k), attributes: without(draft.attributes, "k") };
};

/** Split: without sizes, the number of equal parts is that of the outputs; opset 18 wants it said. */
export const splitCount: Rewrite = (draft) =>
  draft.inputs[1] ? draft : { ...draft, attributes: { ...draft.attributes, num_outputs: draft.outputs.length } };

/** DFT: `axis` became an input, with another default. */
export const transformAxis: Rewrite = (draft, rewriting) => {
  const axis = BigInt(numberAttribute(asNode(draft), "axis", 1));
  const value = rewriting.constant("axis", { dtype: "int64", shape: [], data: BigInt64Array.of(axis) });
  return { ...draft, inputs: withInput(draft.inputs, 2, value), attributes: without(draft.attributes, "axis") };
};
