/** Lowering rules of QuantizeLinear, DequantizeLinear and Cast. */
import * as Opcode from "../../format/opcodes.ts";
import * as Packing from "../../format/packings.ts";
import * as Cast from "../../format/steps/cast.ts";
import * as Dequantize from "../../format/steps/dequantize.ts";
import * as Quantize from "../../format/steps/quantize.ts";
import * as TableI8 from "../../format/steps/table-i8.ts";
import { type DType, dtypeCode, elementCount } from "../../host/tensor.ts";
import { numberAttribute } from "../ir/attributes.ts";
import { type Node, onlyOutput, requiredInput, typeOf } from "../ir/graph.ts";
import { areEqual, tensorParameters } from "../passes/quantized/parameters.ts";
import type { Builder } from "./builder.ts";
import type { Reference } from "./lowered.ts";
import { type TypedReference, temporary } from "./movement.ts";
import { roundHalfEven } from "./rescale.ts";

/** QuantizeLinear and DequantizeLinear: per tensor, per axis or blocked, with constant or computed scales. */
export function lowerQuantizeLinear(builder: Builder, node: Node): void {
  const [x, scale, zero] = [requiredInput(node, 0), requiredInput(node, 1), node.inputs[2] ?? null];
  const y = onlyOutput(node);
  const isQuantize = node.op === "QuantizeLinear";
  const { shape } = typeOf(x);
  const scaleShape = typeOf(scale).shape;
  const given = numberAttribute(node, "axis", 1);
  const at = given < 0 ? given + shape.length : given;
  const perTensor = elementCount(scaleShape) === 1;
  const isBlocked = !perTensor && scaleShape.length === shape.length && (shape.length > 1 || scaleShape[0] !== shape[0]);
  const inner = perTensor ? 1 : elementCount(shape.slice(at + 1));
  const axis = perTensor ? elementCount(shape) : shape[at]!;
  const block = isBlocked ? numberAttribute(node, "block_size", 0) || Math.ceil(axis / scaleShape[at]!) : 1;
  const fields = {
    SRC: builder.reference(x),
    SCALE: builder.reference(scale),
    ZERO: zero ? builder.reference(zero) : -1,
    DTYPE: dtypeCode(typeOf(isQuantize ? y : x).dtype),
    OUTER: perTensor ? 1 : elementCount(shape.slice(0, at)),
    AXIS: axis,
    INNER: inner,
    BLOCK: block,
    SCALE_OUTER: isBlocked ? scaleShape[at]! * inner : 0,
    SCALE_AXIS: perTensor ? 0 : isBlocked ? inner : 1,
    SCALE_INNER: isBlocked ? 1 : 0,
  };
  const dst = builder.define(y);
  if (elementCount(shape) === 0) return;
  if (isQuantize) builder.step(Opcode.QUANTIZE, Quantize, { ...fields, DST: dst, TRANSPOSED: 0 });
  else builder.step(Opcode.DEQUANTIZE, Dequantize, { ...fields, DST: dst });
}

/** QuantizeLinear of dequantized bytes: the same bytes where type and parameters are the same, else a table from the old ones to the new. */
export function lowerRequantize(builder: Builder, node: Node): boolean {
  const dequantize = node.op === "QuantizeLinear" ? requiredInput(node, 0).producer : null;
  const from = dequantize?.op === "DequantizeLinear" ? tensorParameters(dequantize) : null;
  const to = from && tensorParameters(node);
  if (!from || !to) return false;
  const x = requiredInput(dequantize!, 0);
  const src = builder.reference(x);
  if (areEqual(from, to)) {
    builder.place(onlyOutput(node), src);
    return true;
  }
  const f = Math.fround;
  const count = elementCount(typeOf(x).shape);
  const [least, most] = to.dtype === "int8" ? [-128, 127] : [0, 255];
  const table = Int8Array.from({ length: 256 }, (_, i) => {
    const q = from.dtype === "int8" ? i - 128 : (i + 128) & 255;
    const real = f(f(q - from.zeroPoint) * f(from.scale));
    return Math.max(least, Math.min(most, roundHalfEven(f(real / f(to.scale))) + to.zeroPoint));
  });
  const dst = builder.define(onlyOutput(node));
  if (count === 0) return true;
  builder.step(Opcode.TABLE_I8, TableI8, {
    SRC: src,
    DST: dst,
    TABLE: builder.constant(Packing.COPY, { dtype: "int8", shape: [256], data: table }),
    ROWS: 1,
    COLUMNS: count,
    SRC_PITCH: count,
    DST_PITCH: count,
  });
  return true;
}

/** Cast between the types that exist at run time. */
export function lowerCast(builder: Builder, node: Node): void {
  const x = requiredInput(node, 0);
  const y = onlyOutput(node);
  const operand = { reference: builder.reference(x), type: typeOf(x) };
  const { dtype } = typeOf(y);
  if (operand.type.dtype === dtype) builder.place(y, operand.reference);
  else emitCast(builder, operand, dtype, builder.define(y));
}

/** An operand in another type, in `dst` or a new place; itself where it has the type already. */
export function emitCast(builder: Builder, { reference, type }: TypedReference, dtype: DType, dst?: Reference): Reference {
  if (type.dtype === dtype) return reference;
  const place = dst ?? temporary(builder, builder.byteSize({ dtype, shape: type.shape }));
  const count = elementCount(type.shape);
  if (count > 0)
    builder.step(Opcode.CAST, Cast, {
      SRC: reference,
      DST: place,
      SRC_DTYPE: dtypeCode(type.dtype),
      DST_DTYPE: dtypeCode(dtype),
      COUNT: count,
    });
  return place;
}
