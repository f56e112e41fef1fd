/** Lowers LayerNormalization and RMSNormalization. */
import * as Opcode from "../../format/opcodes.ts";
import * as Packing from "../../format/packings.ts";
import * as LayerNorm from "../../format/steps/layer-norm.ts";
import { elementCount } from "../../host/tensor.ts";
import { numberAttribute } from "../ir/attributes.ts";
import { type Node, requiredInput, typeOf, type Value } from "../ir/graph.ts";
import { EPSILON } from "../ops/normalization.ts";
import { alongTrailing, constantFactor } from "../passes/constant-operand.ts";
import type { Builder } from "./builder.ts";
import { floatBits, type Reference } from "./lowered.ts";
import { emitBroadcastBinary } from "./movement.ts";

/** What a LAYER_NORM step is given beside its operand; places that are null are left out. */
interface Normalization {
  readonly rows: number;
  readonly count: number;
  readonly epsilon: number;
  readonly isCentred: boolean;
  readonly scale: Reference | null;
  readonly bias: Reference | null;
  readonly mean: Reference | null;
  readonly inverse: Reference | null;
}

/** One step, and one more for each of scale and bias that does not lie along the normalized axes alone. */
export function lowerLayerNorm(builder: Builder, node: Node): void {
  const x = requiredInput(node, 0);
  const type = typeOf(x);
  const axis = numberAttribute(node, "axis", -1);
  const first = axis < 0 ? axis + type.shape.length : axis;
  const src = builder.reference(x);
  const parameters = [requiredInput(node, 1), node.inputs[2] ?? null] as const;
  const [scale, bias] = parameters.map((value) => value && alongNormalized(builder, value, type.shape, first));
  const dst = builder.define(node.outputs[0]!);
  const statistic = (value: Value | undefined): Reference | null => (value ? builder.define(value) : null);
  const [mean, inverse] = [statistic(node.outputs[1]), statistic(node.outputs[2])];
  if (elementCount(type.shape) === 0) return;
  const isFused = scale !== null;
  emitLayerNorm(builder, src, dst, {
    rows: elementCount(type.shape.slice(0, first)),
    count: elementCount(type.shape.slice(first)),
    epsilon: numberAttribute(node, "epsilon", EPSILON),
    isCentred: node.op === "LayerNormalization",
    scale: scale ?? null,
    bias: isFused ? (bias ?? null) : null,
    mean,
    inverse,
  });
  const normalized = { reference: dst, type };
  const open = { low: -Infinity, high: Infinity };
  const operand = (value: Value) => ({ reference: builder.reference(value), type: typeOf(value) });
  if (!isFused) emitBroadcastBinary(builder, "MUL", normalized, operand(parameters[0]), dst, type, open);
  if (parameters[1] && !(isFused && bias)) emitBroadcastBinary(builder, "ADD", normalized, operand(parameters[1]), dst, type, open);
}

/** Emits one LAYER_NORM step. */
export function emitLayerNorm(builder: Builder, src: Reference, dst: Reference, shape: Normalization): void {
  const { scale, bias, mean, inverse } = shape;
  builder.step(
    Opcode.LAYER_NORM,
    LayerNorm,
    {
      SRC: src,
      DST: dst,
      SCALE: scale ?? -1,
      BIAS: bias ?? -1,
      MEAN: mean ?? -1,
      INVERSE: inverse ?? -1,
      ROWS: shape.rows,
      COUNT: shape.count,
      EPSILON: floatBits(shape.epsilon),
      CENTRED: shape.isCentred ? 1 : 0,
    },
    ["DST", ...(mean ? ["MEAN"] : []), ...(inverse ? ["INVERSE"] : [])],
  );
}

/** A parameter as one value for each element of the normalized axes; null where it has another shape. */
function alongNormalized(builder: Builder, value: Value, shape: readonly number[], first: number): Reference | null {
  if (value.constant) {
    const factor = constantFactor(value);
    const values = factor && alongTrailing(factor, shape, first);
    if (!values) return null;
    return builder.constant(Packing.COPY, { dtype: "float32", shape: [values.length], data: Float32Array.from(values) });
  }
  const own = typeOf(value).shape;
  const lead = own.length - (shape.length - first);
  const isWhole = lead >= 0 && own.slice(0, lead).every((d) => d === 1) && `${own.slice(lead)}` === `${shape.slice(first)}`;
  return isWhole ? builder.reference(value) : null;
}
