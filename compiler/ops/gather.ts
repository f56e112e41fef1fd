/** Gather: entries along an axis, by their indices; negative ones count from the end. */
import { DTYPES, type DTypeArrays, elementCount, newArray } from "../../host/tensor.ts";
import { badOperands } from "../errors.ts";
import { numberAttribute } from "../ir/attributes.ts";
import { frontAxis } from "./axes.ts";
import type { OpDefinition } from "./definition.ts";
import { INDICES, operandType, requiredTensor } from "./operands.ts";

/** Gather. */
export const gather: OpDefinition = {
  name: "Gather",
  infer: (node) => {
    const { dtype, shape } = operandType(node, 0, DTYPES);
    const { shape: indices } = operandType(node, 1, INDICES);
    const axis = frontAxis(node, numberAttribute(node, "axis", 0), shape.length);
    return [{ dtype, shape: [...shape.slice(0, axis), ...indices, ...shape.slice(axis + 1)] }];
  },
  evaluate: (node, inputs) => {
    const [x, indices] = [requiredTensor(inputs, 0), requiredTensor(inputs, 1)];
    const axis = frontAxis(node, numberAttribute(node, "axis", 0), x.shape.length);
    const length = x.shape[axis]!;
    const places = Array.from(indices.data as ArrayLike<number | bigint>, (index) => {
      const place = Number(index) < 0 ? Number(index) + length : Number(index);
      if (place < 0 || place >= length) throw badOperands(node, `the index ${index} is outside of an axis of ${length}.`);
      return place;
    });
    const inner = elementCount(x.shape.slice(axis + 1));
    const outer = elementCount(x.shape.slice(0, axis));
    const data = newArray(x.dtype, outer * places.length * inner) as DTypeArrays["float32"];
    let at = 0;
    for (let o = 0; o < outer; o++) {
      for (const place of places) {
        const from = (o * length + place) * inner;
        data.set((x.data as Float32Array).subarray(from, from + inner), at);
        at += inner;
      }
    }
    return [{ dtype: x.dtype, shape: [...x.shape.slice(0, axis), ...indices.shape, ...x.shape.slice(axis + 1)], data }];
  },
};
