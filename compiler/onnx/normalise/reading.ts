/** Reading a draft's attributes and operands. */

import type { Node, Value } from "../../ir/graph.ts";
import { invalidModel } from "../errors.ts";
import type { Draft, Rewriting } from "./draft.ts";

/** The draft as ir/attributes.ts takes it. */
export function asNode(draft: Draft): Node {
  return {
    op: draft.op,
    name: draft.name,
    inputs: draft.inputs,
    outputs: [],
    attributes: draft.attributes,
    sources: [],
    channelsLast: false,
  };
}

/** An input that the operator always has. */
export function operand(draft: Draft, index: number): Value {
  const value = draft.inputs[index];
  if (!value) throw invalidModel(`${draft.op} "${draft.name}" lacks its input ${index}`);
  return value;
}

/** The rank of a value, or null where it is not known yet. */
export function rankOf(value: Value, rewriting: Rewriting): number | null {
  return rewriting.typeOf(value)?.shape.length ?? null;
}
