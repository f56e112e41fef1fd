/** Brings a node of any opset to the form of the newest one. Nothing else in the compiler knows of opsets. */
import { type Draft, Refusal, type Rewriting, without } from "./draft.ts";
import { BEFORE_OPSET_7, RULES } from "./rules.ts";

/** The draft in opset 28's form. Throws `Refusal` where that has no counterpart. */
export function normalise(draft: Draft, rewriting: Rewriting): Draft {
  const { opset } = rewriting;
  if (opset < 7 && opset < ((Object.hasOwn(BEFORE_OPSET_7, draft.op) && BEFORE_OPSET_7[draft.op]) || 7)) {
    throw new Refusal(`its form of opset ${opset} is not supported; export the model with opset 7 or later`);
  }
  let next = opset < 6 ? { ...draft, attributes: without(draft.attributes, "consumed_inputs") } : draft;
  for (const { below, rewrite } of (Object.hasOwn(RULES, draft.op) && RULES[draft.op]) || []) {
    if (opset < below) next = rewrite(next, rewriting);
  }
  return next;
}
