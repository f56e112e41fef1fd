/**
 * onnxruntime's own operators on quantized tensors: within one step of the real result rounded, always; and of what onnxruntime-web gives, where it
 * is there. A step apart are the few values that lie between two steps but for the last bits of a float32.
 */
import { expect, test } from "vitest";
import { compile } from "../../compiler/index.ts";
import { load } from "../../host/index.ts";
import type { Tensor } from "../../host/tensor.ts";
import { float, int, ints, type NodeSpec, type TensorSpec } from "../support/onnx-model.ts";
import { roundHalfEven } from "../support/reference-arithmetic.ts";
import { hasOnnxruntime, runOnnxruntime } from "./onnxruntime.ts";
import { type Chance, chance, integers, microsoft, modelOf, named, parameters, randomBytes } from "./operators.ts";
import { type Bytes, multiply, tensorOf } from "./reference.ts";

/** One random model: its node, operands that are inputs, constants, and the real numbers that its results are. */
interface Case {
  readonly node: NodeSpec;
  readonly inputs: readonly (readonly [string, Bytes])[];
  readonly constants?: readonly TensorSpec[];
  readonly y: Bytes;
  readonly shape: readonly number[];
  readonly real: readonly number[];
}

/** The part of the values that may be a step apart, in all of an operator's cases. Softmax takes its exponentials from tables there. */
const LARGEST_RATE = 0.01;
const SOFTMAX_RATE = 0.03;

function agree(title: string, make: (c: Chance, dtype: "uint8" | "int8") => Case, count = 8): void {
  test(title, async () => {
    let values = 0;
    let apart = 0;
    for (let seed = 1; seed <= count; seed++) {
      const { node, inputs, constants = [], y, shape, real } = make(chance(seed), seed % 2 === 0 ? "int8" : "uint8");
      const feeds: Readonly<Record<string, Tensor>> = Object.fromEntries(inputs.map(([name, bytes]) => [name, tensorOf(bytes)]));
      const initializers = [...inputs.flatMap(([name, bytes]) => parameters(name, bytes)), ...parameters("y", y), ...constants];
      const model = modelOf([node], feeds, { y: { dtype: y.dtype, shape } }, initializers);
      const got = await run(model, feeds);
      const [low, high] = y.dtype === "int8" ? [-128, 127] : [0, 255];
      const expected = real.map((x) => Math.max(low, Math.min(high, roundHalfEven(x / y.scales[0]!) + y.zeros[0]!)));
      expect(farthest(got, expected), `seed ${seed}`).toBeLessThanOrEqual(1);
      if (!hasOnnxruntime) continue;
      const theirs = (await runOnnxruntime(model, feeds))["y"]!;
      expect(farthest(got, theirs), `seed ${seed}, onnxruntime`).toBeLessThanOrEqual(1);
      values += got.length;
      apart += got.filter((x, i) => x !== theirs[i]).length;
    }
    if (process.env["EQM_RATES"]) console.log(`${title}: ${apart} of ${values} a step apart`);
    expect(apart).toBeLessThanOrEqual(values * (title === "QLinearSoftmax" ? SOFTMAX_RATE : LARGEST_RATE));
  });
}

async function run(bytes: Uint8Array, inputs: Readonly<Record<string, Tensor>>): Promise<readonly number[]> {
  const loaded = await load((await compile(bytes, { precision: "float32" })).bytes);
  try {
    return Array.from(loaded.run(Object.fromEntries(Object.entries(inputs).map(([name, { data }]) => [name, data])))["y"]!, Number);
  } finally {
    loaded.dispose();
  }
}

function farthest(a: readonly number[], b: readonly number[]): number {
  expect(a.length).toBe(b.length);
  return a.reduce((most, x, i) => Math.max(most, Math.abs(x - b[i]!)), 0);
}

/** The real numbers that bytes are. */
function reals({ data, zeros, scales }: Bytes): readonly number[] {
  return Array.from(data, (q) => (q - zeros[0]!) * scales[0]!);
}

/** A result's parameters. */
function resultOf(c: Chance, dtype: "uint8" | "int8", least: number, most: number): Bytes {
  return { ...randomBytes(c, dtype, [1]), scales: [c.real(least, most)] };
}

function binary(op: string, compute: (a: number, b: number) => number, least: number, most: number): void {
  agree(op, (c, dtype) => {
    const shape = [c.between(1, 3), c.between(2, 6), c.between(1, 20)];
    const a = randomBytes(c, dtype, shape);
    const isRow = c.between(0, 1) === 0;
    const b = randomBytes(c, dtype, isRow ? [shape[2]!] : shape);
    const y = resultOf(c, dtype, least, most);
    const [ra, rb] = [reals(a), reals(b)];
    return {
      node: microsoft(op, [...named("a"), ...named("b"), "y.scale", "y.zero"], ["y"]),
      ...{
        inputs: [
          ["a", a],
          ["b", b],
        ] as const,
        y,
        shape,
      },
      real: ra.map((x, i) => compute(x, rb[isRow ? i % shape[2]! : i]!)),
    };
  });
}

binary("QLinearAdd", (a, b) => a + b, 0.02, 0.2);
binary("QLinearMul", (a, b) => a * b, 0.05, 0.5);

function unary(
  op: string,
  shapeOf: (c: Chance) => readonly number[],
  compute: (x: readonly number[], shape: readonly number[]) => readonly number[],
  attributes: Parameters<typeof microsoft>[3] = {},
  [least, most]: readonly [number, number] = [0.02, 0.1],
  resultShape: (shape: readonly number[]) => readonly number[] = (shape) => shape,
): void {
  agree(op, (c, dtype) => {
    const shape = shapeOf(c);
    const x = randomBytes(c, dtype, shape);
    const y = resultOf(c, dtype, least, most);
    return {
      node: microsoft(op, [...named("x"), "y.scale", "y.zero"], ["y"], attributes),
      ...{ inputs: [["x", x]] as const, y, shape: resultShape(shape) },
      real: compute(reals(x), shape),
    };
  });
}

const image = (c: Chance): readonly number[] => [c.between(1, 2), c.between(1, 9), c.between(4, 8), c.between(4, 8)];

unary("QLinearLeakyRelu", image, (x) => x.map((v) => (v < 0 ? v * 0.1 : v)), { alpha: float(0.1) });
unary("QLinearSigmoid", image, (x) => x.map((v) => 1 / (1 + Math.exp(-v))), {}, [0.003, 0.005]);
unary(
  "QLinearGlobalAveragePool",
  image,
  (x, [n, c, h, w]) =>
    Array.from({ length: n! * c! }, (_, i) => x.slice(i * h! * w!, (i + 1) * h! * w!).reduce((a, b) => a + b, 0) / (h! * w!)),
  { channels_last: int(0) },
  [0.02, 0.1],
  ([n, c]) => [n!, c!, 1, 1],
);
unary(
  "QLinearAveragePool",
  image,
  (x, [n, c, h, w]) => {
    const [outH, outW] = [h! - 1, w! - 1];
    return Array.from({ length: n! * c! * outH * outW }, (_, i) => {
      const [plane, y, z] = [Math.floor(i / (outH * outW)), Math.floor(i / outW) % outH, i % outW];
      const at = (dy: number, dz: number): number => x[(plane * h! + y + dy) * w! + z + dz]!;
      return (at(0, 0) + at(0, 1) + at(1, 0) + at(1, 1)) / 4;
    });
  },
  { kernel_shape: ints(2, 2), channels_last: int(0) },
  [0.02, 0.1],
  ([n, c, h, w]) => [n!, c!, h! - 1, w! - 1],
);
unary(
  "QLinearSoftmax",
  (c) => [c.between(1, 4), c.between(3, 30)],
  (x, [rows, columns]) =>
    Array.from({ length: rows! }, (_, r) => {
      const row = x.slice(r * columns!, (r + 1) * columns!);
      const exps = row.map((v) => Math.exp(v - Math.max(...row)));
      const sum = exps.reduce((a, b) => a + b, 0);
      return exps.map((e) => e / sum);
    }).flat(),
  { axis: int(1), opset: int(13) },
  [0.004, 0.006],
);

agree("QLinearConcat", (c, dtype) => {
  const parts = Array.from({ length: 3 }, () => randomBytes(c, dtype, [2, c.between(1, 5), 3]));
  const y = resultOf(c, dtype, 0.02, 0.1);
  const shape = [2, parts.reduce((sum, part) => sum + part.shape[1]!, 0), 3];
  const inputs = parts.map((part, i) => [`x${i}`, part] as const);
  const rows = parts.map((part) => reals(part));
  return {
    node: microsoft("QLinearConcat", ["y.scale", "y.zero", ...inputs.flatMap(([name]) => named(name))], ["y"], { axis: int(1) }),
    ...{ inputs, y, shape },
    real: [0, 1].flatMap((n) => parts.flatMap((part, i) => rows[i]!.slice(n * part.shape[1]! * 3, (n + 1) * part.shape[1]! * 3))),
  };
});

agree("QGemm", (c, dtype) => {
  const [m, k, n] = [c.between(1, 5), c.between(1, 30), c.between(1, 12)];
  const a = randomBytes(c, dtype, [m, k]);
  const b = randomBytes(c, dtype, [k, n], n);
  const y = resultOf(c, dtype, 0.5, 3);
  const bias = Array.from({ length: n }, () => c.between(-5000, 5000));
  const { sums } = multiply(a, b);
  return {
    node: microsoft("QGemm", [...named("a"), ...named("b"), "bias", "y.scale", "y.zero"], ["y"]),
    ...{ inputs: [["a", a]] as const, y, shape: [m, n] },
    constants: [integers("b", dtype, b.shape, b.data), ...parameters("b", b), integers("bias", "int32", [n], bias)],
    real: sums.map((sum, i) => (sum + bias[i % n]!) * a.scales[0]! * b.scales[i % n]!),
  };
});
