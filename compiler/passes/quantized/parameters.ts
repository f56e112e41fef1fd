/** Scale and zero point of QuantizeLinear and DequantizeLinear, and nodes with given ones: what the passes on quantized models share. */
import type { DType, Tensor } from "../../../host/tensor.ts";
import { type Graph, type Node, onlyOutput, typeOf, type Value } from "../../ir/graph.ts";

/** (q − zeroPoint)·scale, for the whole tensor. */
export interface TensorParameters {
  readonly dtype: "int8" | "uint8";
  readonly scale: number;
  readonly zeroPoint: number;
}

/** The parameters of a QuantizeLinear or DequantizeLinear to or from 8 bits where they are known and one for the whole tensor; else null. */
export function tensorParameters(node: Node | null): TensorParameters | null {
  if (node?.op !== "QuantizeLinear" && node?.op !== "DequantizeLinear") return null;
  const { dtype } = typeOf(node.op === "QuantizeLinear" ? onlyOutput(node) : node.inputs[0]!);
  const [, scale, zero] = node.inputs;
  if ((dtype !== "int8" && dtype !== "uint8") || scale?.constant?.data.length !== 1 || (zero && !zero.constant)) return null;
  return { dtype, scale: Number(scale.constant.data[0]), zeroPoint: zero ? Number(zero.constant!.data[0]) : 0 };
}

/** Whether two parameters give every integer the same number. */
export function areEqual(a: TensorParameters, b: TensorParameters): boolean {
  return a.dtype === b.dtype && a.scale === b.scale && a.zeroPoint === b.zeroPoint;
}

/** A tensor of one number. */
function scalar(dtype: DType, value: number): Tensor {
  const data = dtype === "float32" ? Float32Array.of(value) : dtype === "int8" ? Int8Array.of(value) : Uint8Array.of(value);
  return { dtype, shape: [], data };
}

function operands(graph: Graph, value: Value, { dtype, scale, zeroPoint }: TensorParameters): readonly Value[] {
  return [
    value,
    graph.addConstant(`${value.name}.scale`, scalar("float32", scale)),
    graph.addConstant(`${value.name}.zeroPoint`, scalar(dtype, zeroPoint)),
  ];
}

/** Adds a QuantizeLinear of `value` before `before`; its result. */
export function addQuantize(graph: Graph, value: Value, parameters: TensorParameters, sources: readonly string[], before?: Node): Value {
  const type = { dtype: parameters.dtype, shape: typeOf(value).shape };
  const [name, inputs] = [`${value.name}.Q`, operands(graph, value, parameters)];
  return onlyOutput(
    graph.add({ op: "QuantizeLinear", name, inputs, sources, outputs: [{ name: `${value.name}.quantized`, type }] }, before),
  );
}

/** Adds a DequantizeLinear of `value` before `before`; its result. */
export function addDequantize(graph: Graph, value: Value, parameters: TensorParameters, sources: readonly string[], before?: Node): Value {
  const type = { dtype: "float32", shape: typeOf(value).shape } as const;
  const [name, inputs] = [`${value.name}.DQ`, operands(graph, value, parameters)];
  return onlyOutput(
    graph.add({ op: "DequantizeLinear", name, inputs, sources, outputs: [{ name: `${value.name}.dequantized`, type }] }, before),
  );
}
