/** Reductions that are a function around another one, and means of several operands. Integers keep their type; roots and logarithms of them truncate. */
import type { Value } from "../ir/graph.ts";
import { type Composer, dtypeOf, shapeOf } from "./composer.ts";
import type { Decomposition } from "./definition.ts";

/** The node's own axes and attributes on another operand. */
function reduced(c: Composer, kind: string, x: Value, attributes = c.node.attributes): Value {
  return c.op(`Reduce${kind}`, [x, c.optional(1)], attributes);
}

/** Computes in float32 and comes back to the operand's type. */
function inFloat(name: string, build: (c: Composer, x: Value) => Value): Decomposition {
  return { name, build: (c) => [c.cast(build(c, c.cast(c.input(0), "float32")), dtypeOf(c.input(0)))] };
}

/** Every decomposition of this file. */
export const REDUCTION_FORMS: readonly Decomposition[] = [
  { name: "ReduceL1", build: (c) => [reduced(c, "Sum", c.op("Abs", [c.input(0)]))] },
  { name: "ReduceSumSquare", build: (c) => [reduced(c, "Sum", c.mul(c.input(0), c.input(0)))] },
  inFloat("ReduceL2", (c, x) => c.op("Sqrt", [reduced(c, "Sum", c.mul(x, x))])),
  inFloat("ReduceLogSum", (c, x) => c.op("Log", [reduced(c, "Sum", x)])),
  inFloat("ReduceLogSumExp", (c, x) => {
    // The greatest value is taken out, so that nothing overflows; an infinite one must not be subtracted from itself.
    const most = reduced(c, "Max", x, { ...c.node.attributes, keepdims: 1 });
    const finite = c.op("Clip", [most, c.scalar(-3.4028235e38), c.scalar(3.4028235e38)]);
    const rest = c.op("Log", [reduced(c, "Sum", c.op("Exp", [c.sub(x, finite)]))]);
    return c.add(rest, c.reshape(finite, shapeOf(rest)));
  }),
  {
    name: "Mean",
    build: (c) => {
      const values = c.node.inputs.map((_, i) => c.input(i));
      return [c.div(c.op("Sum", values), c.scalar(values.length))];
    },
  },
];
