/**
 * QuantizeLinear and DequantizeLinear: per tensor, per axis or in blocks along an axis.
 *
 *   q = saturate(roundHalfEven(f32(x / scale)) + zero)        x = f32(q − zero) · scale
 */
import { type DType, type DTypeArrays, elementCount, newArray } from "../../host/tensor.ts";
import { badOperands } from "../errors.ts";
import { numberAttribute } from "../ir/attributes.ts";
import { type Node, typeOf } from "../ir/graph.ts";
import { dataType } from "../onnx/data-types.ts";
import { frontAxis, rowMajorStrides, stridedIndices } from "./axes.ts";
import type { OpDefinition } from "./definition.ts";
import { floats, floatTensor, operandType, requiredTensor } from "./operands.ts";
import { roundHalfEven } from "./rounding.ts";

const RANGES: Readonly<Partial<Record<DType, readonly [number, number]>>> = { int8: [-128, 127], uint8: [0, 255] };

/** QuantizeLinear to int8 or uint8; a NaN becomes the zero point. */
export const quantizeLinear: OpDefinition = {
  name: "QuantizeLinear",
  infer: (node) => {
    const { shape } = operandType(node, 0, ["float32", "int32"]);
    scaleIndices(node);
    return [{ dtype: quantizedType(node), shape }];
  },
  evaluate: (node, inputs) => {
    const x = requiredTensor(inputs, 0);
    const values = Float32Array.from(x.data as Float32Array);
    const scale = floats(inputs, 1);
    const zero = (inputs[2]?.data ?? null) as Int8Array | null;
    const indices = scaleIndices(node);
    const dtype = quantizedType(node);
    const [low, high] = RANGES[dtype]!;
    const data = newArray(dtype, values.length) as Int8Array;
    for (let i = 0; i < data.length; i++) {
      const j = indices[i]!;
      const quotient = Math.fround(values[i]! / scale[j]!);
      const rounded = Number.isNaN(quotient) ? 0 : roundHalfEven(quotient);
      data[i] = Math.max(low, Math.min(high, rounded + (zero ? zero[j]! : 0)));
    }
    return [{ dtype, shape: x.shape, data }];
  },
};

function quantizedType(node: Node): DType {
  const declared = numberAttribute(node, "output_dtype", 0);
  const zero = node.inputs[2] ? typeOf(node.inputs[2]).dtype : null;
  const dtype = zero ?? (declared === 0 ? "uint8" : dataType(declared)?.dtype);
  if (dtype !== "int8" && dtype !== "uint8")
    throw badOperands(node, `it quantizes to ${dataType(declared)?.name ?? dtype}; eqm has int8 and uint8.`);
  if (declared !== 0 && dataType(declared)?.name.toLowerCase() !== dtype)
    throw badOperands(node, `output_dtype is not the zero point's ${dtype}.`);
  return dtype;
}

/** DequantizeLinear of int8, uint8 or int32 to float32. */
export const dequantizeLinear: OpDefinition = {
  name: "DequantizeLinear",
  infer: (node) => {
    const { dtype, shape } = operandType(node, 0, ["int8", "uint8", "int32"]);
    if (node.inputs[2] && operandType(node, 2).dtype !== dtype)
      throw badOperands(node, `its zero point is ${operandType(node, 2).dtype}, the operand ${dtype}.`);
    scaleIndices(node);
    return [{ dtype: "float32", shape }];
  },
  evaluate: (node, inputs) => {
    const x = requiredTensor(inputs, 0);
    const values = x.data as DTypeArrays["int32"];
    const scale = floats(inputs, 1);
    const zero = (inputs[2]?.data ?? null) as Int8Array | null;
    const indices = scaleIndices(node);
    const data = new Float32Array(values.length);
    for (let i = 0; i < data.length; i++) {
      const j = indices[i]!;
      data[i] = Math.fround(values[i]! - (zero ? zero[j]! : 0)) * scale[j]!;
    }
    return [floatTensor(x.shape, data)];
  },
};

/** For each element of the operand the index of its scale. Errors: `bad-operands`. */
function scaleIndices(node: Node): Int32Array {
  const { shape } = operandType(node, 0);
  const { shape: scale } = operandType(node, 1, ["float32"]);
  const fail = (): Error => badOperands(node, `scales [${scale.join(", ")}] do not fit an operand [${shape.join(", ")}].`);
  if (node.inputs[2]) {
    const { shape: zero } = operandType(node, 2);
    if (elementCount(zero) !== elementCount(scale))
      throw badOperands(node, `zero points [${zero.join(", ")}] do not fit scales [${scale.join(", ")}].`);
  }
  const block = numberAttribute(node, "block_size", 0);
  if (block === 0 && elementCount(scale) === 1 && scale.length <= 1) return new Int32Array(elementCount(shape));
  const axis = frontAxis(node, numberAttribute(node, "axis", 1), shape.length);
  if (block === 0) {
    if (scale.length !== 1 || scale[0] !== shape[axis]) throw fail();
    return stridedIndices(
      shape,
      shape.map((_, i) => (i === axis ? 1 : 0)),
    );
  }
  const fits =
    block > 0 && scale.length === shape.length && scale.every((d, i) => d === (i === axis ? Math.ceil(shape[i]! / block) : shape[i]));
  if (!fits) throw fail();
  const strides = rowMajorStrides(scale);
  const inner = elementCount(shape.slice(axis + 1));
  // The axis in question is walked apart: its stride applies once a block.
  const indices = stridedIndices(
    shape,
    strides.map((stride, i) => (i === axis ? 0 : stride)),
  );
  for (let i = 0; i < indices.length; i++)
    indices[i] = indices[i]! + Math.floor((Math.floor(i / inner) % shape[axis]!) / block) * strides[axis]!;
  return indices;
}
