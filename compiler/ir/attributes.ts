/** Reading attributes with their defaults; a wrong kind is the model's fault. */
import type { Tensor } from "../../host/tensor.ts";
import { badAttribute } from "../errors.ts";
import type { Node } from "./graph.ts";

/** A number attribute (ONNX INT or FLOAT). */
export function numberAttribute(node: Node, name: string, otherwise: number): number {
  const value = node.attributes[name];
  if (value === undefined) return otherwise;
  if (typeof value !== "number") throw badAttribute(node, name, "a number");
  return value;
}

/** A string attribute. */
export function stringAttribute(node: Node, name: string, otherwise: string): string {
  const value = node.attributes[name];
  if (value === undefined) return otherwise;
  if (typeof value !== "string") throw badAttribute(node, name, "a string");
  return value;
}

/** A list of numbers (ONNX INTS or FLOATS). */
export function numbersAttribute(node: Node, name: string, otherwise: readonly number[]): readonly number[];
export function numbersAttribute(node: Node, name: string, otherwise: null): readonly number[] | null;
export function numbersAttribute(node: Node, name: string, otherwise: readonly number[] | null): readonly number[] | null {
  const value = node.attributes[name];
  if (value === undefined) return otherwise;
  if (!Array.isArray(value) || value.some((v) => typeof v !== "number")) throw badAttribute(node, name, "a list of numbers");
  return value as readonly number[];
}

/** A tensor attribute. */
export function tensorAttribute(node: Node, name: string): Tensor | null {
  const value = node.attributes[name];
  if (value === undefined) return null;
  if (typeof value !== "object" || Array.isArray(value)) throw badAttribute(node, name, "a tensor");
  return value as Tensor;
}
