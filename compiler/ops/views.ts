/** Operators that give a tensor another shape, or pass it on: its elements stay in order. */
import { elementCount } from "../../host/tensor.ts";
import { badOperands } from "../errors.ts";
import { numberAttribute } from "../ir/attributes.ts";
import type { Node, ValueType } from "../ir/graph.ts";
import { frontAxes } from "./axes.ts";
import type { OpDefinition } from "./definition.ts";
import { constantIntegers, operandType, requiredIntegers, requiredTensor } from "./operands.ts";

function view(name: string, shapeOf: (node: Node, x: readonly number[]) => readonly number[]): OpDefinition {
  return {
    name,
    infer: (node) => {
      const { dtype, shape } = operandType(node, 0);
      return [{ dtype, shape: shapeOf(node, shape) }];
    },
    evaluate: (node, inputs) => {
      const x = requiredTensor(inputs, 0);
      return [{ ...x, shape: shapeOf(node, x.shape) }];
    },
  };
}

/** Reshape: −1 is what is left, 0 the operand's own size unless allowzero. */
function reshaped(node: Node, x: readonly number[]): readonly number[] {
  const asked = requiredIntegers(node, 1, "the new shape");
  const allowsZero = numberAttribute(node, "allowzero", 0) !== 0;
  const fail = (): Error => badOperands(node, `[${x.join(", ")}] cannot take the shape [${asked.join(", ")}].`);
  const open = asked.indexOf(-1);
  if (asked.some((d, i) => d < -1 || (d === -1 && i !== open) || (d === 0 && !allowsZero && i >= x.length))) throw fail();
  const shape = asked.map((d, i) => (d === 0 && !allowsZero ? x[i]! : d));
  if (open >= 0) {
    const rest = shape.reduce((product, d, i) => (i === open ? product : product * d), 1);
    if (rest === 0 || elementCount(x) % rest !== 0) throw fail();
    shape[open] = elementCount(x) / rest;
  }
  if (elementCount(shape) !== elementCount(x)) throw fail();
  return shape;
}

function flattened(node: Node, x: readonly number[]): readonly number[] {
  const axis = numberAttribute(node, "axis", 1);
  const front = axis < 0 ? axis + x.length : axis;
  if (front < 0 || front > x.length) throw badOperands(node, `axis ${axis} is outside of rank ${x.length}.`);
  return [elementCount(x.slice(0, front)), elementCount(x.slice(front))];
}

function squeezed(node: Node, x: readonly number[]): readonly number[] {
  const given = constantIntegers(node, 1, "axes");
  if (!given) return x.filter((d) => d !== 1);
  const axes = frontAxes(node, given, x.length);
  if (axes.some((axis) => x[axis] !== 1))
    throw badOperands(node, `axes [${given.join(", ")}] of [${x.join(", ")}] are not all of length 1.`);
  return x.filter((_, i) => !axes.includes(i));
}

function unsqueezed(node: Node, x: readonly number[]): readonly number[] {
  const given = requiredIntegers(node, 1, "axes");
  const axes = frontAxes(node, given, x.length + given.length);
  const rest = [...x];
  return Array.from({ length: x.length + given.length }, (_, i) => (axes.includes(i) ? 1 : rest.shift()!));
}

/** Dropout of a trained model: the operand itself; the mask, where it is asked for, is true throughout. */
const DROPOUT: OpDefinition = {
  name: "Dropout",
  infer: (node) => {
    const x = operandType(node, 0);
    const training = node.inputs[2];
    if (training) {
      operandType(node, 2, ["bool"]);
      // Training mode draws random numbers, unless its ratio is zero.
      const ratio = node.inputs[1] ? Number(node.inputs[1].constant?.data[0] ?? Number.NaN) : 0.5;
      if (ratio !== 0 && training.constant?.data[0] !== 0)
        throw badOperands(node, "it drops at random (training_mode); eqm runs inference. Export the model in evaluation mode.");
    }
    const mask: ValueType = { dtype: "bool", shape: x.shape };
    return node.outputs.length > 1 ? [x, mask] : [x];
  },
  evaluate: (node, inputs) => {
    const x = requiredTensor(inputs, 0);
    return node.outputs.length > 1 ? [x, { dtype: "bool", shape: x.shape, data: new Uint8Array(x.data.length).fill(1) }] : [x];
  },
};

/** Every operator of this file. */
export const VIEWS: readonly OpDefinition[] = [
  view("Reshape", reshaped),
  view("Flatten", flattened),
  view("Squeeze", squeezed),
  view("Unsqueeze", unsqueezed),
  view("Identity", (_node, x) => x),
  DROPOUT,
];
