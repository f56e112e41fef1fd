/** Lowering rules of MaxPool and AveragePool. */
import * as Opcode from "../../format/opcodes.ts";
import * as Pool from "../../format/steps/pool.ts";
import { dtypeCode } from "../../host/tensor.ts";
import { numberAttribute, numbersAttribute } from "../ir/attributes.ts";
import { type Node, typeOf } from "../ir/graph.ts";
import type { Builder } from "./builder.ts";
import { type Ends, floatEnds, int8Ends } from "./ends.ts";
import { clampOf, imageShape, windowOf } from "./geometry.ts";
import { floatBits } from "./lowered.ts";
import { quantizedClamp } from "./rescale.ts";

/** MaxPool and AveragePool on int8. A maximum keeps scale and zero point, so it asks for equal ones. */
export function lowerPoolI8(builder: Builder, node: Node): boolean {
  const ends = int8Ends(node);
  if (!ends || node.outputs.length > 1) return false;
  const keeps = ends.x!.scale === ends.result!.scale && ends.x!.zeroPoint === ends.result!.zeroPoint;
  if (node.op === "MaxPool" && !keeps) return false;
  emitPool(builder, node, ends);
  return true;
}

/** MaxPool and AveragePool on float32, int8 or uint8 tensors. */
export function lowerPool(builder: Builder, node: Node): void {
  emitPool(builder, node, floatEnds(node));
}

function emitPool(builder: Builder, node: Node, { src, dst, x, result }: Ends): void {
  const input = imageShape(typeOf(src).shape);
  const output = imageShape(typeOf(dst).shape);
  const kernelShape = numbersAttribute(node, "kernel_shape", []);
  const { kernel, strides, dilations, padsBegin, padsEnd } = windowOf(node, kernelShape);
  const three = (name: string, [d, h, w]: readonly [number, number, number]): Record<string, number> => ({
    [`${name}_D`]: d,
    [`${name}_H`]: h,
    [`${name}_W`]: w,
  });
  const clamp = clampOf(node);
  const { dtype } = typeOf(src);
  const bounds = result ? quantizedClamp(clamp.low, clamp.high, result.scale, result.zeroPoint) : integerRange(dtype);
  const indices = node.outputs[1];
  const source = builder.reference(src);
  const place = builder.define(dst);
  builder.step(
    Opcode.POOL,
    Pool,
    {
      SRC: source,
      DST: place,
      INDICES: indices ? builder.define(indices) : -1,
      KIND: node.op === "MaxPool" ? Pool.MAXIMUM : Pool.AVERAGE,
      DTYPE: dtypeCode(dtype),
      BATCH: input.batch,
      IN_D: input.depth,
      IN_H: input.height,
      IN_W: input.width,
      CHANNELS: input.channels,
      OUT_D: output.depth,
      OUT_H: output.height,
      OUT_W: output.width,
      ...three("KERNEL", kernel),
      ...three("STRIDE", strides),
      ...three("DILATION", dilations),
      PAD_FRONT: padsBegin[0],
      PAD_TOP: padsBegin[1],
      PAD_LEFT: padsBegin[2],
      PAD_BACK: padsEnd[0],
      PAD_BOTTOM: padsEnd[1],
      PAD_RIGHT: padsEnd[2],
      COUNT_INCLUDE_PAD: numberAttribute(node, "count_include_pad", 0),
      COLUMN_MAJOR: numberAttribute(node, "storage_order", 0),
      SCALE: floatBits(x && result ? Math.fround(Math.fround(x.scale) / Math.fround(result.scale)) : 1),
      IN_ZERO: x?.zeroPoint ?? 0,
      OUT_ZERO: result?.zeroPoint ?? 0,
      MIN: bounds ? bounds.min : floatBits(clamp.low),
      MAX: bounds ? bounds.max : floatBits(clamp.high),
    },
    indices ? ["DST", "INDICES"] : ["DST"],
  );
}

function integerRange(dtype: string): { readonly min: number; readonly max: number } | null {
  if (dtype === "int8") return { min: -128, max: 127 };
  return dtype === "uint8" ? { min: 0, max: 255 } : null;
}
