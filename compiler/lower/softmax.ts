/** Lowers Softmax and LogSoftmax. */
import * as Opcode from "../../format/opcodes.ts";
import * as Softmax from "../../format/steps/softmax.ts";
import { dtypeCode, elementCount } from "../../host/tensor.ts";
import { numberAttribute } from "../ir/attributes.ts";
import { type Node, onlyOutput, requiredInput, typeOf } from "../ir/graph.ts";
import { type Builder, quantizedOperand, quantizedResult } from "./builder.ts";
import { floatBits } from "./lowered.ts";

/** Softmax and LogSoftmax; an int8 operand is taken as it is, an int8 result written at once. */
export function lowerSoftmax(builder: Builder, node: Node): void {
  const x = quantizedOperand(requiredInput(node, 0));
  const result = x ? quantizedResult(onlyOutput(node)) : null;
  const value = x ? x.value : requiredInput(node, 0);
  const { dtype, shape } = typeOf(value);
  const axis = numberAttribute(node, "axis", -1);
  const at = axis < 0 ? axis + shape.length : axis;
  const count = shape[at]!;
  const src = builder.reference(value);
  const dst = builder.define(result ? result.value : onlyOutput(node));
  if (elementCount(shape) === 0) return;
  builder.step(
    Opcode.SOFTMAX,
    Softmax,
    {
      SRC: src,
      DST: dst,
      DTYPE: dtypeCode(dtype),
      OUTER: elementCount(shape.slice(0, at)),
      COUNT: count,
      INNER: elementCount(shape.slice(at + 1)),
      SCALE: floatBits(x ? Math.fround(x.scale) : 1),
      LOG: node.op === "LogSoftmax" ? 1 : 0,
      OUT_DTYPE: dtypeCode(result ? "int8" : "float32"),
      OUT_SCALE: floatBits(result ? Math.fround(result.scale) : 1),
      OUT_ZERO: result?.zeroPoint ?? 0,
    },
    ["DST"],
    Softmax.scratchBytes(count),
  );
}
