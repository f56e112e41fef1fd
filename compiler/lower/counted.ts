/** Lowering rules of NonZero and NonMaxSuppression, which also say how many entries they found. */
import * as Opcode from "../../format/opcodes.ts";
import * as Fill from "../../format/steps/fill.ts";
import * as NonZero from "../../format/steps/non-zero.ts";
import * as Suppress from "../../format/steps/suppress.ts";
import { dtypeCode, elementCount } from "../../host/tensor.ts";
import { numberAttribute } from "../ir/attributes.ts";
import { type Node, onlyOutput, requiredInput, typeOf } from "../ir/graph.ts";
import { suppressionLimit } from "../ops/counted.ts";
import type { Builder } from "./builder.ts";
import type { Reference } from "./lowered.ts";
import { sixWords } from "./strides.ts";

function none(builder: Builder, total: Reference): void {
  builder.step(Opcode.FILL, Fill, { DST: total, ELEMENT_BYTES: 4, COUNT: 1, VALUE_LOW: 0, VALUE_HIGH: 0 });
}

/** The places of what is not 0. */
export function lowerNonZero(builder: Builder, node: Node): void {
  const x = requiredInput(node, 0);
  const { dtype, shape } = typeOf(x);
  const src = builder.reference(x);
  const dst = builder.define(onlyOutput(node));
  const total = builder.count(onlyOutput(node));
  if (elementCount(shape) === 0) {
    none(builder, total);
    return;
  }
  const dims = [...shape, ...Array.from({ length: 6 - shape.length }, () => 1)];
  const fields = { SRC: src, DST: dst, TOTAL: total, DTYPE: dtypeCode(dtype), RANK: shape.length, ...sixWords("DIM", dims) };
  builder.step(Opcode.NON_ZERO, NonZero, fields, ["DST", "TOTAL"]);
}

/** The boxes that no better one covers. */
export function lowerSuppression(builder: Builder, node: Node): void {
  const [boxes, scores] = [requiredInput(node, 0), requiredInput(node, 1)];
  const [batch, classes, count] = typeOf(scores).shape as readonly [number, number, number];
  const optional = (index: number): Reference | number => {
    const value = node.inputs[index];
    return value ? builder.reference(value) : -1;
  };
  const fields = {
    BOXES: builder.reference(boxes),
    SCORES: builder.reference(scores),
    IOU: optional(3),
    SCORE: optional(4),
    BATCH: batch,
    CLASSES: classes,
    COUNT: count,
    LIMIT: suppressionLimit(node),
    CENTRED: numberAttribute(node, "center_point_box", 0) !== 0 ? 1 : 0,
  };
  const dst = builder.define(onlyOutput(node));
  const total = builder.count(onlyOutput(node));
  if (batch * classes * count * fields.LIMIT === 0) none(builder, total);
  else builder.step(Opcode.SUPPRESS, Suppress, { ...fields, DST: dst, TOTAL: total }, ["DST", "TOTAL"], Suppress.scratchBytes(count));
}
