/** Small changes of form: attributes renamed, dropped or made explicit, an operator renamed. */
import { numberAttribute } from "../../ir/attributes.ts";
import type { Attribute, Value } from "../../ir/graph.ts";
import { type Draft, int64List, Refusal, type Rewrite, type Rewriting, without } from "./draft.ts";
import { asNode, operand } from "./reading.ts";

/** Makes explicit what was the default then. */
export function withAttributes(defaults: Readonly<Record<string, Attribute>>): Rewrite {
  return (draft) => ({ ...draft, attributes: { ...defaults, ...draft.attributes } });
}

/** Drops attributes that say nothing any more. */
export function withoutAttributes(...names: readonly string[]): Rewrite {
  return (draft) => ({ ...draft, attributes: without(draft.attributes, ...names) });
}

/** Gives an attribute another name. */
export function renamedAttribute(from: string, to: string): Rewrite {
  return (draft) => {
    const value = draft.attributes[from];
    return value === undefined ? draft : { ...draft, attributes: { ...without(draft.attributes, from), [to]: value } };
  };
}

/** Gives values of the attribute `mode` other names. */
export function renamedModes(names: Readonly<Record<string, string>>): Rewrite {
  return (draft) => {
    const mode = draft.attributes["mode"];
    return typeof mode === "string" && Object.hasOwn(names, mode)
      ? { ...draft, attributes: { ...draft.attributes, mode: names[mode]! } }
      : draft;
  };
}

/** Scatter was renamed in opset 11. */
export const scatterToElements: Rewrite = (draft) => ({ ...draft, op: "ScatterElements" });

/** GroupNormalization before opset 21: scale and bias are one for each group; each is repeated over its group's channels. */
export const groupScales: Rewrite = (draft, rewriting) => {
  const channels = rewriting.typeOf(operand(draft, 0))?.shape[1];
  const groups = numberAttribute(asNode(draft), "num_groups", 0);
  if (channels === undefined || groups < 1 || channels % groups !== 0) {
    throw new Refusal("its groups of channels are not known when reading; export it with opset 21 or later");
  }
  const each = [1, 2].map((index) => perChannel(draft, index, groups, channels / groups, rewriting));
  return { ...draft, inputs: [operand(draft, 0), ...each] };
};

function perChannel(draft: Draft, index: number, groups: number, size: number, rewriting: Rewriting): Value {
  const role = index === 1 ? "scale" : "bias";
  const column = rewriting.before("Reshape", `${role}/column`, [
    operand(draft, index),
    rewriting.constant(`${role}/column/shape`, int64List([groups, 1])),
  ]);
  const matrix = rewriting.before("Expand", `${role}/repeat`, [
    column,
    rewriting.constant(`${role}/repeat/shape`, int64List([groups, size])),
  ]);
  return rewriting.before("Reshape", `${role}/channels`, [matrix, rewriting.constant(`${role}/channels/shape`, int64List([-1]))]);
}
