/** Softmax and LogSoftmax along one axis; sums in float64, results rounded once. */
import { elementCount } from "../../host/tensor.ts";
import { numberAttribute } from "../ir/attributes.ts";
import { frontAxis } from "./axes.ts";
import type { OpDefinition } from "./definition.ts";
import { exp, log } from "./mathematics.ts";
import { floats, floatTensor, operandType, requiredTensor } from "./operands.ts";

function alongAxis(name: string, finish: (x: number, max: number, sum: number) => number): OpDefinition {
  return {
    name,
    infer: (node) => {
      const type = operandType(node, 0, ["float32"]);
      frontAxis(node, numberAttribute(node, "axis", -1), type.shape.length);
      return [type];
    },
    evaluate: (node, inputs) => {
      const { shape } = requiredTensor(inputs, 0);
      const x = floats(inputs, 0);
      const axis = frontAxis(node, numberAttribute(node, "axis", -1), shape.length);
      const count = shape[axis]!;
      const inner = elementCount(shape.slice(axis + 1));
      const y = new Float32Array(x.length);
      for (let i = 0; i < (count === 0 ? 0 : x.length / count); i++) {
        const start = Math.floor(i / inner) * count * inner + (i % inner);
        const end = start + count * inner;
        let max = -Infinity;
        for (let at = start; at < end; at += inner) max = x[at]! > max ? x[at]! : max;
        let sum = 0;
        for (let at = start; at < end; at += inner) sum += exp(x[at]! - max);
        for (let at = start; at < end; at += inner) y[at] = finish(x[at]!, max, sum);
      }
      return [floatTensor(shape, y)];
    },
  };
}

/** Softmax: e^(x − max) / Σ e^(x − max). */
export const softmax = alongAxis("Softmax", (x, max, sum) => exp(x - max) / sum);

/** LogSoftmax: x − max − log Σ e^(x − max). */
export const logSoftmax = alongAxis("LogSoftmax", (x, max, sum) => x - max - log(sum));
