/** A node on its way from its model's opset to the newest form. */
import type { Tensor } from "../../../host/tensor.ts";
import type { Attribute, Value, ValueType } from "../../ir/graph.ts";

/** A node that is not in the graph yet. */
export interface Draft {
  readonly op: string;
  readonly name: string;
  readonly inputs: readonly (Value | null)[];
  readonly attributes: Readonly<Record<string, Attribute>>;
  /** Names of the outputs; one that is left out is "". */
  readonly outputs: readonly string[];
}

/** What a rule may do to the graph beside changing the draft. */
export interface Rewriting {
  /** The model's opset of the default domain. */
  readonly opset: number;
  /** Adds a constant whose name ends in `/role`. */
  readonly constant: (role: string, tensor: Tensor) => Value;
  /** Adds a node before the draft and gives its only output; `role` ends its name. */
  readonly before: (op: string, role: string, inputs: readonly (Value | null)[], attributes?: Readonly<Record<string, Attribute>>) => Value;
  /** The type of a value, or null where it is not known yet. */
  readonly typeOf: (value: Value) => ValueType | null;
}

/** Turns a draft of an earlier opset into the next form; throws `Refusal`. */
export type Rewrite = (draft: Draft, rewriting: Rewriting) => Draft;

/** An operator's form of an earlier opset has no counterpart that eqm computes. */
export class Refusal extends Error {}

/** The attributes without some. */
export function without(attributes: Draft["attributes"], ...names: readonly string[]): Record<string, Attribute> {
  return Object.fromEntries(Object.entries(attributes).filter(([name]) => !names.includes(name)));
}

/** The inputs with one more set; those skipped are left out. */
export function withInput(inputs: Draft["inputs"], index: number, value: Value): Draft["inputs"] {
  const next = Array.from({ length: Math.max(inputs.length, index + 1) }, (_, i) => inputs[i] ?? null);
  next[index] = value;
  return next;
}

/** A list of int64; what is beyond their range becomes its end, as exporters mean it. */
export function int64List(values: readonly number[]): Tensor {
  return { dtype: "int64", shape: [values.length], data: BigInt64Array.from(values, toInt64) };
}

/** A float scalar. */
export function floatScalar(value: number): Tensor {
  return { dtype: "float32", shape: [], data: Float32Array.of(value) };
}

/** A list of floats. */
export function floatList(values: readonly number[]): Tensor {
  return { dtype: "float32", shape: [values.length], data: Float32Array.from(values) };
}

function toInt64(value: number): bigint {
  if (value >= 2 ** 63) return 2n ** 63n - 1n;
  if (value <= -(2 ** 63)) return -(2n ** 63n);
  return BigInt(Math.trunc(value));
}
