/** Lowers Resize: one RESAMPLE step for each axis that changes, by tables of source positions and weights. */
import * as Opcode from "../../format/opcodes.ts";
import * as Packing from "../../format/packings.ts";
import * as Resample from "../../format/steps/resample.ts";
import { type DType, dtypeBytes, dtypeCode, elementCount } from "../../host/tensor.ts";
import { type Node, onlyOutput, requiredInput, typeOf, type Value } from "../ir/graph.ts";
import { type AxisResampling, axisResamplings } from "../ops/resize.ts";
import { type Builder, quantizedOperand, quantizedResult } from "./builder.ts";
import { floatBits, type Reference } from "./lowered.ts";

/** Resize of int8 images: exact for nearest, float32 between the axes for the rest. */
export function lowerResizeI8(builder: Builder, node: Node): boolean {
  const x = quantizedOperand(requiredInput(node, 0));
  const result = quantizedResult(onlyOutput(node));
  if (!x || x.scale !== result?.scale || x.zeroPoint !== result.zeroPoint) return false;
  const axes = axisResamplings(node);
  if (axes.some(({ outside }) => outside !== null)) return false;
  emitResize(builder, x.value, result.value, axes);
  return true;
}

/** Resize of float32 and, nearest only, of other types. */
export function lowerResize(builder: Builder, node: Node): void {
  emitResize(builder, requiredInput(node, 0), onlyOutput(node), axisResamplings(node));
}

function emitResize(builder: Builder, x: Value, y: Value, axes: readonly AxisResampling[]): void {
  const { dtype, shape } = typeOf(x);
  let src = builder.reference(x);
  if (axes.length === 0) {
    builder.place(y, src);
    return;
  }
  // The axis that shrinks the image most comes first, the one that enlarges it most last.
  const ordered = [...axes].sort((a, b) => a.outLength / a.inLength - b.outLength / b.inLength);
  let current = [...shape];
  let type: DType = dtype;
  ordered.forEach((axis, i) => {
    const isLast = i === ordered.length - 1;
    const next = current.map((d, j) => (j === axis.axis ? axis.outLength : d));
    const mixes = axis.weights !== null;
    const laterMixes = ordered.slice(i + 1).some(({ weights }) => weights !== null);
    const nextType: DType = isLast ? dtype : type === "int8" && mixes && laterMixes ? "float32" : type;
    const dst: Reference = isLast
      ? builder.define(y)
      : { region: builder.region(elementCount(next) * dtypeBytes(nextType)), offsetBytes: 0 };
    builder.step(Opcode.RESAMPLE, Resample, {
      SRC: src,
      DST: dst,
      SRC_DTYPE: dtypeCode(type),
      DST_DTYPE: dtypeCode(nextType),
      OUTER: elementCount(current.slice(0, axis.axis)),
      IN_LENGTH: axis.inLength,
      OUT_LENGTH: axis.outLength,
      INNER: elementCount(current.slice(axis.axis + 1)),
      TAPS: axis.taps,
      INDICES: builder.constant(Packing.COPY, { dtype: "int32", shape: [axis.indices.length], data: axis.indices }),
      WEIGHTS: axis.weights ? builder.constant(Packing.COPY, { dtype: "float32", shape: [axis.weights.length], data: axis.weights }) : -1,
      OUTSIDE: floatBits(axis.outside ?? 0),
    });
    src = dst;
    current = next;
    type = nextType;
  });
}
