/** Random models of one integer operator, written with onnx-proto. */
import type { Tensor } from "../../host/tensor.ts";
import { randomNumbers } from "../passes/evaluation.ts";
import { model, type NodeSpec, node, type TensorSpec, value } from "../support/onnx-model.ts";
import type { Bytes } from "./reference.ts";

/** Random choices, the same for a seed on every machine. */
export interface Chance {
  /** An integer in [low, high]. */
  readonly between: (low: number, high: number) => number;
  readonly pick: <T>(choices: readonly T[]) => T;
  readonly real: (low: number, high: number) => number;
}

export function chance(seed: number): Chance {
  const next = randomNumbers(seed);
  const between = (low: number, high: number): number => low + Math.floor(next() * (high - low + 1));
  return {
    between,
    pick: (choices) => choices[between(0, choices.length - 1)]!,
    real: (low, high) => Math.fround(low + next() * (high - low)),
  };
}

const BITS = { uint8: [0, 255], int8: [-128, 127] } as const;

/** Random bytes over their whole range; `count` scales and zero points. `zero` "none" makes all zero points 0. */
export function randomBytes(
  c: Chance,
  dtype: "int8" | "uint8",
  shape: readonly number[],
  count = 1,
  zero: "any" | "none" | "middle" = "any",
): Bytes {
  const [low, high] = BITS[dtype];
  const size = shape.reduce((a, b) => a * b, 1);
  const values = Array.from({ length: size }, () => c.between(low, high));
  const middle = dtype === "uint8" ? 128 : 0;
  return {
    dtype,
    shape,
    data: dtype === "int8" ? Int8Array.from(values) : Uint8Array.from(values),
    zeros: Array.from({ length: count }, () => (zero === "any" ? c.between(low, high) : zero === "none" ? 0 : middle)),
    scales: Array.from({ length: count }, () => c.real(0.001, 0.1)),
  };
}

const CODES = { float32: 1, uint8: 2, int8: 3, int32: 6, int64: 7 } as const;

/** A tensor of bytes or int32. */
export function integers(name: string, dtype: "int8" | "uint8" | "int32", dims: readonly number[], values: ArrayLike<number>): TensorSpec {
  return { name, dims: [...dims], dataType: CODES[dtype], int32Data: Array.from(values) };
}

/** Scales and zero points as initializers `name.scale` and `name.zero`, scalars where there is one. */
export function parameters(name: string, { dtype, scales, zeros }: Pick<Bytes, "dtype" | "scales" | "zeros">): TensorSpec[] {
  const dims = scales.length === 1 ? [] : [scales.length];
  return [{ name: `${name}.scale`, dims, dataType: 1, floatData: [...scales] }, integers(`${name}.zero`, dtype, dims, zeros)];
}

/** Names of a quantized operand's three inputs. */
export function named(name: string): string[] {
  return [name, `${name}.scale`, `${name}.zero`];
}

/** A model whose inputs are given by their tensors. */
export function modelOf(
  nodes: NodeSpec[],
  inputs: Readonly<Record<string, Tensor>>,
  outputs: Readonly<Record<string, { readonly dtype: keyof typeof CODES; readonly shape: readonly number[] | null }>>,
  initializers: TensorSpec[],
): Uint8Array {
  return model({
    opset: 21,
    nodes,
    initializers,
    inputs: Object.entries(inputs).map(([name, { dtype, shape }]) => value(name, [...shape], CODES[dtype as keyof typeof CODES])),
    graph: { output: Object.entries(outputs).map(([name, { dtype, shape }]) => value(name, shape, CODES[dtype])) },
    more: {
      irVersion: 10,
      opsetImport: [
        { domain: "", version: 21 },
        { domain: "com.microsoft", version: 1 },
      ],
    },
  });
}

/** A node of onnxruntime's domain. */
export function microsoft(...[opType, input, output, attributes]: Parameters<typeof node>): NodeSpec {
  return node(opType, input, output, attributes, { domain: "com.microsoft" });
}
