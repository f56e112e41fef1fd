/** Pad: constant, reflect, edge and wrap, over all or some axes; a negative amount cuts off. */
import { type DType, elementCount } from "../../host/tensor.ts";
import { badOperands } from "../errors.ts";
import { stringAttribute } from "../ir/attributes.ts";
import { type Node, typeOf } from "../ir/graph.ts";
import { frontAxes, rowMajorStrides } from "./axes.ts";
import type { OpDefinition } from "./definition.ts";
import { constantIntegers, operandType, pick, requiredIntegers, requiredTensor } from "./operands.ts";

const MODES = ["constant", "reflect", "edge", "wrap"];

interface Padding {
  readonly shape: readonly number[];
  readonly before: readonly number[];
}

/** Pad. */
export const pad: OpDefinition = {
  name: "Pad",
  infer: (node) => {
    const { dtype, shape } = operandType(node, 0);
    checkValue(node, dtype);
    return [{ dtype, shape: paddingOf(node, shape).shape }];
  },
  evaluate: (node, inputs) => {
    const x = requiredTensor(inputs, 0);
    const { shape, before } = paddingOf(node, x.shape);
    const mode = stringAttribute(node, "mode", "constant");
    const strides = rowMajorStrides(x.shape);
    let indices: Int32Array = new Int32Array(1);
    shape.forEach((length, axis) => {
      const next = new Int32Array(indices.length * length);
      const positions = Array.from({ length }, (_, i) => sourcePosition(mode, i - before[axis]!, x.shape[axis]!));
      indices.forEach((index, i) => {
        positions.forEach((position, j) => (next[i * length + j] = index < 0 || position < 0 ? -1 : index + position * strides[axis]!));
      });
      indices = next;
    });
    return [pick(x, shape, indices, inputs[2]?.data[0] ?? 0)];
  },
};

function checkValue(node: Node, dtype: DType): void {
  const value = node.inputs[2];
  if (!value) return;
  const type = typeOf(value);
  if (type.dtype !== dtype || elementCount(type.shape) !== 1)
    throw badOperands(node, `its padding is ${type.dtype} [${type.shape.join(", ")}]; it must be one ${dtype}.`);
}

function paddingOf(node: Node, x: readonly number[]): Padding {
  const mode = stringAttribute(node, "mode", "constant");
  if (!MODES.includes(mode)) throw badOperands(node, `mode ${mode} is not one of ${MODES.join(", ")}.`);
  const pads = requiredIntegers(node, 1, "the padding");
  const axes = frontAxes(node, constantIntegers(node, 3, "axes") ?? x.map((_, i) => i), x.length);
  if (pads.length !== 2 * axes.length) throw badOperands(node, `pads [${pads.join(", ")}] are not two for each of ${axes.length} axes.`);
  const before = x.map(() => 0);
  const shape = [...x];
  axes.forEach((axis, i) => {
    before[axis] = pads[i]!;
    shape[axis] = x[axis]! + pads[i]! + pads[axes.length + i]!;
    if (shape[axis]! < 0) throw badOperands(node, `pads [${pads.join(", ")}] cut off more than [${x.join(", ")}] has.`);
    if (mode !== "constant" && x[axis] === 0 && shape[axis]! > 0) throw badOperands(node, `an empty axis has nothing to ${mode}.`);
  });
  return { shape, before };
}

/** Where position `i` of a padded axis, counted from the operand's first, comes from; −1 for the padding value. */
function sourcePosition(mode: string, i: number, length: number): number {
  if (i >= 0 && i < length) return i;
  switch (mode) {
    case "edge":
      return i < 0 ? 0 : length - 1;
    case "wrap":
      return ((i % length) + length) % length;
    case "reflect": {
      const period = Math.max(1, 2 * (length - 1));
      const at = ((i % period) + period) % period;
      return at < length ? at : period - at;
    }
    default:
      return -1;
  }
}
