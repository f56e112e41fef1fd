/** CumSum and CumProd along a known axis: running totals, in float32 step by step; integers wrap. */
import { type DType, type DTypeArrays, elementCount, newArray } from "../../host/tensor.ts";
import { numberAttribute } from "../ir/attributes.ts";
import type { Node } from "../ir/graph.ts";
import { frontAxis } from "./axes.ts";
import type { OpDefinition } from "./definition.ts";
import { operandType, requiredIntegers, requiredTensor } from "./operands.ts";

const TYPES: readonly DType[] = ["float32", "int32", "int64"];

function cumulation(name: string, neutral: number, combine: (a: number, b: number) => number): OpDefinition {
  const axisOf = (node: Node, rank: number): number => frontAxis(node, requiredIntegers(node, 1, "the axis")[0] ?? 0, rank);
  return {
    name,
    infer: (node) => [operandType(node, 0, TYPES)],
    evaluate: (node, inputs) => {
      const { dtype, shape, data: x } = requiredTensor(inputs, 0);
      const axis = axisOf(node, shape.length);
      const [isExclusive, isReverse] = [numberAttribute(node, "exclusive", 0) !== 0, numberAttribute(node, "reverse", 0) !== 0];
      const [count, inner] = [shape[axis]!, elementCount(shape.slice(axis + 1))];
      const data = newArray(dtype, x.length) as DTypeArrays["float32"];
      const start = (dtype === "int64" ? BigInt(neutral) : neutral) as number;
      const round = (value: number): number =>
        dtype === "float32"
          ? Math.fround(value)
          : dtype === "int32"
            ? Number(BigInt.asIntN(32, BigInt(value)))
            : (BigInt.asIntN(64, BigInt(value)) as never);
      for (let line = 0; line < x.length / Math.max(1, count); line++) {
        const first = Math.floor(line / inner) * count * inner + (line % inner);
        let total = start;
        for (let j = 0; j < count; j++) {
          const at = first + (isReverse ? count - 1 - j : j) * inner;
          const next = round(combine(total, x[at] as number));
          data[at] = isExclusive ? total : next;
          total = next;
        }
      }
      return [{ dtype, shape, data }];
    },
  };
}

/** Every operator of this file. */
export const CUMULATIONS: readonly OpDefinition[] = [cumulation("CumSum", 0, (a, b) => a + b), cumulation("CumProd", 1, (a, b) => a * b)];
