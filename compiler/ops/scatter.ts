/** ScatterND: rows of a tensor replaced, or combined with updates in their order. Integers wrap. */
import { type DTypeArrays, elementCount } from "../../host/tensor.ts";
import { badOperands } from "../errors.ts";
import { stringAttribute } from "../ir/attributes.ts";
import { type Node, requiredInput, typeOf } from "../ir/graph.ts";
import { rowMajorStrides } from "./axes.ts";
import type { OpDefinition } from "./definition.ts";
import { commonType, INDICES, operandType, requiredTensor } from "./operands.ts";

type Combine = (y: number | bigint, u: number | bigint) => number | bigint;

const COMBINATIONS: Readonly<Record<string, Combine>> = {
  none: (_y, u) => u,
  add: (y, u) => (y as number) + (u as number),
  mul: (y, u) => (y as number) * (u as number),
  max: (y, u) => (u > y || Number.isNaN(u) ? u : y),
  min: (y, u) => (u < y || Number.isNaN(u) ? u : y),
};

function combination(node: Node): Combine {
  const name = stringAttribute(node, "reduction", "none");
  const found = Object.hasOwn(COMBINATIONS, name) ? COMBINATIONS[name] : undefined;
  if (!found) throw badOperands(node, `its reduction is ${name}; ONNX has ${Object.keys(COMBINATIONS).join(", ")}.`);
  return found;
}

function checkShapes(node: Node): void {
  const data = typeOf(requiredInput(node, 0)).shape;
  const { shape: indices } = operandType(node, 1, INDICES);
  const updates = typeOf(requiredInput(node, 2)).shape;
  const depth = indices.at(-1) ?? 0;
  const expected = [...indices.slice(0, -1), ...data.slice(depth)];
  if (indices.length === 0 || depth < 1 || depth > data.length || `${updates}` !== `${expected}`)
    throw badOperands(node, `updates [${updates.join(", ")}] at [${indices.join(", ")}] do not fit [${data.join(", ")}].`);
}

/** ScatterND with every reduction. */
export const scatterND: OpDefinition = {
  name: "ScatterND",
  infer: (node) => {
    const dtype = commonType(node, undefined, [0, 2]);
    combination(node);
    checkShapes(node);
    return [{ dtype, shape: typeOf(requiredInput(node, 0)).shape }];
  },
  evaluate: (node, inputs) => {
    const [x, indices, updates] = [requiredTensor(inputs, 0), requiredTensor(inputs, 1), requiredTensor(inputs, 2)];
    const combine = combination(node);
    const depth = indices.shape.at(-1)!;
    const strides = rowMajorStrides(x.shape);
    const inner = elementCount(x.shape.slice(depth));
    const data = x.data.slice() as DTypeArrays["float32"];
    for (let i = 0; i < indices.data.length / depth; i++) {
      let start = 0;
      for (let j = 0; j < depth; j++) {
        const given = Number(indices.data[i * depth + j]!);
        const place = given < 0 ? given + x.shape[j]! : given;
        if (place < 0 || place >= x.shape[j]!) throw badOperands(node, `the index ${given} is outside of an axis of ${x.shape[j]}.`);
        start += place * strides[j]!;
      }
      for (let j = 0; j < inner; j++) data[start + j] = combine(data[start + j]!, updates.data[i * inner + j]!) as number;
    }
    return [{ dtype: x.dtype, shape: x.shape, data }];
  },
};
