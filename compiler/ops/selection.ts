/** TopK: the first of each line in order of their values; of equal ones the one of the lower place, a NaN above all numbers. */
import { type DTypeArrays, elementCount, newArray } from "../../host/tensor.ts";
import { badOperands } from "../errors.ts";
import { numberAttribute } from "../ir/attributes.ts";
import type { Node } from "../ir/graph.ts";
import { frontAxis } from "./axes.ts";
import type { OpDefinition } from "./definition.ts";
import { NUMERIC, operandType, requiredIntegers, requiredTensor } from "./operands.ts";

interface Lines {
  readonly axis: number;
  readonly count: number;
  readonly inner: number;
  readonly k: number;
  readonly result: readonly number[];
}

function linesOf(node: Node, shape: readonly number[]): Lines {
  const axis = frontAxis(node, numberAttribute(node, "axis", -1), shape.length);
  const [k] = requiredIntegers(node, 1, "k");
  const count = shape[axis]!;
  if (k === undefined || k < 0 || k > count) throw badOperands(node, `it asks for ${k} of ${count}.`);
  return { axis, count, inner: elementCount(shape.slice(axis + 1)), k, result: shape.map((d, i) => (i === axis ? k : d)) };
}

/** Whether a comes before b among the largest. */
function compare(a: number | bigint, b: number | bigint): number {
  const [isNaNA, isNaNB] = [Number.isNaN(a), Number.isNaN(b)];
  if (isNaNA || isNaNB) return Number(isNaNB) - Number(isNaNA);
  return a === b ? 0 : a > b ? -1 : 1;
}

/** TopK; results are always sorted. */
export const topK: OpDefinition = {
  name: "TopK",
  infer: (node) => {
    const { dtype, shape } = operandType(node, 0, NUMERIC);
    const { result } = linesOf(node, shape);
    return [
      { dtype, shape: result },
      { dtype: "int64" as const, shape: result },
    ].slice(0, node.outputs.length);
  },
  evaluate: (node, inputs) => {
    const { dtype, shape, data } = requiredTensor(inputs, 0);
    const { count, inner, k, result } = linesOf(node, shape);
    const sign = numberAttribute(node, "largest", 1) !== 0 ? 1 : -1;
    const values = newArray(dtype, elementCount(result)) as DTypeArrays["float32"];
    const places = new BigInt64Array(values.length);
    const outer = count * inner === 0 ? 0 : data.length / (count * inner);
    for (let line = 0; line < outer * inner; line++) {
      const start = Math.floor(line / inner) * count * inner + (line % inner);
      const at = (i: number): number | bigint => data[start + i * inner]!;
      const order = Array.from({ length: count }, (_, i) => i).sort((a, b) => sign * compare(at(a), at(b)) || a - b);
      for (let j = 0; j < k; j++) {
        const to = Math.floor(line / inner) * k * inner + j * inner + (line % inner);
        values[to] = at(order[j]!) as number;
        places[to] = BigInt(order[j]!);
      }
    }
    return [
      { dtype, shape: result, data: values },
      { dtype: "int64" as const, shape: result, data: places },
    ].slice(0, node.outputs.length);
  },
};
