/**
 * Operators of which the data decide how many entries the result has: NonZero and NonMaxSuppression. Their type is the most that there can be; as
 * constants they are what they are.
 */
import { DTYPES, type DType, elementCount, type Tensor } from "../../host/tensor.ts";
import { badOperands, notConstant } from "../errors.ts";
import { numberAttribute } from "../ir/attributes.ts";
import { type Node, typeOf } from "../ir/graph.ts";
import { rowMajorStrides } from "./axes.ts";
import type { OpDefinition } from "./definition.ts";
import { operandType, requiredTensor } from "./operands.ts";

/** The axis along which the results of an operator are counted, by its name. */
export const COUNTED_AXES: Readonly<Record<string, number>> = { NonZero: 1, NonMaxSuppression: 0 };

const INT64: DType = "int64";

/** Whether all operands are known, and with them the number of entries. */
function isKnown(node: Node): boolean {
  return node.inputs.every((value) => value === null || value.constant !== null);
}

function places(x: Tensor): Tensor {
  const strides = rowMajorStrides(x.shape);
  const found: number[] = [];
  x.data.forEach((value: number | bigint, i: number) => {
    if (Number(value) !== 0) found.push(i);
  });
  const data = BigInt64Array.from({ length: found.length * x.shape.length }, (_, j) => {
    const axis = Math.floor(j / found.length);
    return BigInt(Math.floor(found[j % found.length]! / strides[axis]!) % x.shape[axis]!);
  });
  return { dtype: INT64, shape: [x.shape.length, found.length], data };
}

/** NonZero. */
export const nonZero: OpDefinition = {
  name: "NonZero",
  infer: (node) => {
    const { shape } = operandType(node, 0, DTYPES);
    if (shape.length < 1 || shape.length > 6) throw badOperands(node, `its operand has rank ${shape.length}; eqm takes 1 to 6.`);
    const known = isKnown(node) ? node.inputs[0]!.constant : null;
    return [{ dtype: INT64, shape: known ? places(known).shape : [shape.length, elementCount(shape)] }];
  },
  evaluate: (_node, inputs) => [places(requiredTensor(inputs, 0))],
};

/** The most boxes of a class, as the node says and there are. */
export function suppressionLimit(node: Node): number {
  const most = node.inputs[2];
  if (most && !most.constant) throw notConstant(node, "max_output_boxes_per_class");
  return Math.max(0, Math.min(most ? Number(most.constant!.data[0] ?? 0) : 0, typeOf(node.inputs[0]!).shape[1]!));
}

type Box = readonly [number, number, number, number];

/** Corners y, x, y, x in order. */
function corners(boxes: Float32Array, at: number, isCentred: boolean): Box {
  const [a, b, c, d] = boxes.subarray(at * 4, at * 4 + 4) as unknown as Box;
  const f = Math.fround;
  // Axis 0 and 1 as they stand: which of them is x does not matter to areas.
  if (isCentred) return [f(a - f(c / 2)), f(b - f(d / 2)), f(a + f(c / 2)), f(b + f(d / 2))];
  return [Math.min(a, c), Math.min(b, d), Math.max(a, c), Math.max(b, d)];
}

function overlap(p: Box, q: Box): number {
  const f = Math.fround;
  const height = Math.max(0, f(Math.min(p[2], q[2]) - Math.max(p[0], q[0])));
  const width = Math.max(0, f(Math.min(p[3], q[3]) - Math.max(p[1], q[1])));
  const area = (box: Box): number => f(f(box[2] - box[0]) * f(box[3] - box[1]));
  const common = f(height * width);
  if (!(area(p) > 0) || !(area(q) > 0)) return 0;
  return f(common / f(f(area(p) + area(q)) - common));
}

function suppressed(node: Node, inputs: readonly (Tensor | null)[]): Tensor {
  const [boxes, scores] = [requiredTensor(inputs, 0), requiredTensor(inputs, 1)];
  const [batch, classes, count] = scores.shape as readonly [number, number, number];
  const isCentred = numberAttribute(node, "center_point_box", 0) !== 0;
  const iou = inputs[3] ? Number(inputs[3].data[0]) : 0;
  const bound = inputs[4] ? Number(inputs[4].data[0]) : null;
  const limit = suppressionLimit(node);
  const chosen: number[] = [];
  for (let image = 0; image < batch; image++) {
    for (let kind = 0; kind < classes; kind++) {
      const score = (i: number): number => Number(scores.data[(image * classes + kind) * count + i]);
      const order = Array.from({ length: count }, (_, i) => i).sort((a, b) => score(b) - score(a) || a - b);
      const own: Box[] = [];
      for (const i of order) {
        if (own.length >= limit || (bound !== null && !(score(i) > bound))) continue;
        const box = corners(boxes.data as Float32Array, image * count + i, isCentred);
        if (own.some((other) => overlap(box, other) > iou)) continue;
        own.push(box);
        chosen.push(image, kind, i);
      }
    }
  }
  return { dtype: INT64, shape: [chosen.length / 3, 3], data: BigInt64Array.from(chosen, BigInt) };
}

/** NonMaxSuppression. */
export const nonMaxSuppression: OpDefinition = {
  name: "NonMaxSuppression",
  infer: (node) => {
    const boxes = operandType(node, 0, ["float32"]).shape;
    const scores = operandType(node, 1, ["float32"]).shape;
    if (boxes.length !== 3 || scores.length !== 3 || boxes[2] !== 4 || boxes[0] !== scores[0] || boxes[1] !== scores[2])
      throw badOperands(node, `boxes [${boxes.join(", ")}] do not fit scores [${scores.join(", ")}].`);
    if (isKnown(node)) {
      const known = node.inputs.map((value) => value?.constant ?? null);
      return [{ dtype: INT64, shape: suppressed(node, known).shape }];
    }
    return [{ dtype: INT64, shape: [scores[0]! * scores[1]! * suppressionLimit(node), 3] }];
  },
  evaluate: (node, inputs) => [suppressed(node, inputs)],
};
