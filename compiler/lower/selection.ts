/** Lowering rules of TopK, ScatterND on rows, CumSum and CumProd. */
import * as Opcode from "../../format/opcodes.ts";
import * as Cumulate from "../../format/steps/cumulate.ts";
import * as Scatter from "../../format/steps/scatter.ts";
import * as TopK from "../../format/steps/top-k.ts";
import { dtypeCode, elementCount } from "../../host/tensor.ts";
import { numberAttribute, stringAttribute } from "../ir/attributes.ts";
import { type Node, onlyOutput, requiredInput, typeOf } from "../ir/graph.ts";
import type { Builder } from "./builder.ts";
import { constantIntegers, emitCopy } from "./movement.ts";

/** TopK; results that nobody reads are not written. */
export function lowerTopK(builder: Builder, node: Node): void {
  const x = requiredInput(node, 0);
  const { dtype, shape } = typeOf(x);
  const [k] = constantIntegers(node.inputs[1])!;
  const given = numberAttribute(node, "axis", -1);
  const axis = given < 0 ? given + shape.length : given;
  const [values, places] = node.outputs;
  const src = builder.reference(x);
  const [valuesAt, placesAt] = [values ? builder.define(values) : -1, places ? builder.define(places) : -1];
  if (elementCount(shape) === 0 || k === 0) return;
  builder.step(
    Opcode.TOP_K,
    TopK,
    {
      SRC: src,
      VALUES: valuesAt,
      PLACES: placesAt,
      DTYPE: dtypeCode(dtype),
      OUTER: elementCount(shape.slice(0, axis)),
      COUNT: shape[axis]!,
      INNER: elementCount(shape.slice(axis + 1)),
      K: k!,
      LARGEST: numberAttribute(node, "largest", 1) !== 0 ? 1 : 0,
      LAST: 0,
    },
    ["VALUES", ...(places ? ["PLACES"] : [])],
    TopK.scratchBytes(k!),
  );
}

const SCATTERS: Readonly<Record<string, number>> = {
  none: Scatter.SET,
  add: Scatter.ADD,
  mul: Scatter.MUL,
  max: Scatter.MAXIMUM,
  min: Scatter.MINIMUM,
};

/** ScatterND of rows: the data are copied, then changed in place. */
export function lowerScatter(builder: Builder, node: Node): void {
  const [x, indices, updates] = [requiredInput(node, 0), requiredInput(node, 1), requiredInput(node, 2)];
  const { dtype, shape } = typeOf(x);
  const inner = elementCount(shape.slice(1));
  const [src, places, changes] = [builder.reference(x), builder.reference(indices), builder.reference(updates)];
  const dst = builder.define(onlyOutput(node));
  const count = elementCount(typeOf(indices).shape);
  emitCopy(builder, src, dst, builder.byteSize({ dtype, shape: [1] }), [elementCount(shape)], [1], [1]);
  if (count === 0 || elementCount(shape) === 0) return;
  builder.step(Opcode.SCATTER, Scatter, {
    DST: dst,
    UPDATES: changes,
    INDICES: places,
    INDEX_DTYPE: dtypeCode(typeOf(indices).dtype),
    OP: SCATTERS[stringAttribute(node, "reduction", "none")]!,
    DTYPE: dtypeCode(dtype),
    ROWS: shape[0]!,
    COUNT: count,
    INNER: inner,
  });
}

/** CumSum and CumProd along a known axis. */
export function lowerCumulation(builder: Builder, node: Node): void {
  const x = requiredInput(node, 0);
  const { dtype, shape } = typeOf(x);
  const given = constantIntegers(node.inputs[1])![0]!;
  const axis = given < 0 ? given + shape.length : given;
  const src = builder.reference(x);
  const dst = builder.define(onlyOutput(node));
  if (elementCount(shape) === 0) return;
  builder.step(Opcode.CUMULATE, Cumulate, {
    SRC: src,
    DST: dst,
    OP: node.op === "CumSum" ? Cumulate.SUM : Cumulate.PRODUCT,
    DTYPE: dtypeCode(dtype),
    OUTER: elementCount(shape.slice(0, axis)),
    COUNT: shape[axis]!,
    INNER: elementCount(shape.slice(axis + 1)),
    EXCLUSIVE: numberAttribute(node, "exclusive", 0) !== 0 ? 1 : 0,
    REVERSE: numberAttribute(node, "reverse", 0) !== 0 ? 1 : 0,
  });
}
