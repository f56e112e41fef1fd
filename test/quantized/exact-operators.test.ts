/**
 * ONNX's integer operators give the bytes that ONNX says, and those of onnxruntime-web where it is there: products and convolutions with every
 * mixture of types, zero points and scales, QuantizeLinear, DequantizeLinear and what moves elements.
 */
import { expect, test } from "vitest";
import { compile } from "../../compiler/index.ts";
import * as Opcode from "../../format/opcodes.ts";
import { load } from "../../host/index.ts";
import { readEqm } from "../../host/reader.ts";
import { createScanner } from "../../host/scanner.ts";
import type { Tensor } from "../../host/tensor.ts";
import { int, ints, node, type TensorSpec } from "../support/onnx-model.ts";
import { plainModule } from "../support/small-model.ts";
import { sweep } from "../support/sweep.ts";
import { hasOnnxruntime, runOnnxruntime } from "./onnxruntime.ts";
import { type Chance, chance, integers, modelOf, named, parameters, randomBytes } from "./operators.ts";
import { type Bytes, convolve, type Geometry, multiply, quantized, requantized, tensorOf } from "./reference.ts";

/** A model, what it is fed, and what it has to give. */
interface Case {
  readonly model: Uint8Array;
  readonly inputs: Readonly<Record<string, Tensor>>;
  readonly expected: readonly number[];
  /** onnxruntime has no QLinear operator of int8 by uint8. */
  readonly isOurs?: boolean;
}

/** Runs a model, none of whose steps may multiply in float32. */
async function run(bytes: Uint8Array, inputs: Readonly<Record<string, Tensor>>): Promise<readonly number[]> {
  const { bytes: eqm } = await compile(bytes);
  const { opcodes } = planOf(eqm);
  expect(opcodes.filter((opcode) => FLOAT_PRODUCTS.includes(opcode))).toEqual([]);
  const loaded = await load(eqm);
  try {
    const feeds = Object.fromEntries(Object.entries(inputs).map(([name, { data }]) => [name, data]));
    return Array.from(loaded.run(feeds)["y"]!, Number);
  } finally {
    loaded.dispose();
  }
}

const plainScanner = createScanner(plainModule);
const FLOAT_PRODUCTS: readonly number[] = [Opcode.CONV_F32, Opcode.DEPTHWISE_F32, Opcode.MATMUL_F32];

function planOf(eqm: Uint8Array): { readonly opcodes: readonly number[] } {
  return { opcodes: readEqm(eqm, plainScanner).plan.steps.map((words) => words[0]!) };
}

/** `count` random cases of a seed each, four times as many in the long run, against the reference and against onnxruntime. */
function agree(title: string, count: number, make: (c: Chance) => Case): void {
  test(title, async () => {
    for (let seed = 1; seed <= sweep(count, 4 * count); seed++) {
      const { model, inputs, expected, isOurs = false } = make(chance(seed));
      const got = await run(model, inputs);
      expect(got, `seed ${seed}`).toEqual(expected);
      if (hasOnnxruntime && !isOurs) expect(got, `seed ${seed}, onnxruntime`).toEqual((await runOnnxruntime(model, inputs))["y"]);
    }
  });
}

function isMixed(a: Bytes, b: Bytes): boolean {
  return a.dtype === "int8" && b.dtype === "uint8";
}

const TYPES = ["uint8", "int8"] as const;

interface Convolution {
  readonly x: Bytes;
  readonly w: Bytes;
  readonly geometry: Geometry;
  readonly attributes: Parameters<typeof node>[3];
}

function convolution(
  c: Chance,
  typesOfW: readonly ("int8" | "uint8")[],
  zeroOfW: "any" | "none" | "middle",
  perChannel: boolean,
): Convolution {
  const group = c.pick([1, 1, 2, 4]);
  const isDepthwise = group === 4 && c.between(0, 1) === 0;
  const perGroup = isDepthwise ? 1 : c.between(1, 5);
  const outputs = group * (isDepthwise ? 1 : c.between(1, 4));
  const kernel = [c.between(1, 3), c.between(1, 3)] as const;
  const pick = (least: number, most: number): [number, number] => [c.between(least, most), c.between(least, most)];
  const geometry: Geometry = { group, strides: pick(1, 2), dilations: pick(1, 2), pads: [...pick(0, 1), ...pick(0, 1)] };
  const x = randomBytes(c, c.pick(TYPES), [c.between(1, 2), group * perGroup, c.between(5, 9), c.between(5, 9)]);
  const w = randomBytes(c, c.pick(typesOfW), [outputs, perGroup, ...kernel], perChannel ? outputs : 1, zeroOfW);
  const attributes = {
    group: int(group),
    strides: ints(...geometry.strides),
    dilations: ints(...geometry.dilations),
    pads: ints(...geometry.pads),
  };
  return { x, w, geometry, attributes };
}

function qlinearConv(
  zeroOfW: "any" | "none" | "middle",
  typesOfW: readonly ("int8" | "uint8")[],
  perChannel: boolean,
): (c: Chance) => Case {
  return (c) => {
    const { x, w, geometry, attributes } = convolution(c, typesOfW, zeroOfW, perChannel);
    const { shape, sums } = convolve(x, w, geometry);
    const bias = c.between(0, 2) > 0 ? Array.from({ length: w.shape[0]! }, () => c.between(-20_000, 20_000)) : null;
    const place = (i: number): number => Math.floor(i / (shape[2]! * shape[3]!)) % shape[1]!;
    const y = { ...randomBytes(c, x.dtype, [1]), scales: [c.real(0.5, 4)] };
    const biased = sums.map((sum, i) => sum + (bias ? bias[place(i)]! : 0));
    const initializers: TensorSpec[] = [
      ...parameters("x", x),
      integers("w", w.dtype, w.shape, w.data),
      ...parameters("w", w),
      ...parameters("y", y),
    ];
    if (bias) initializers.push(integers("bias", "int32", [bias.length], bias));
    const operands = [...named("x"), ...named("w"), "y.scale", "y.zero", ...(bias ? ["bias"] : [])];
    const inputs = { x: tensorOf(x) };
    return {
      model: modelOf([node("QLinearConv", operands, ["y"], attributes)], inputs, { y: { dtype: y.dtype, shape } }, initializers),
      inputs,
      expected: requantized(biased, x, w, y, place),
      isOurs: isMixed(x, w),
    };
  };
}

agree("QLinearConv with signed weights, a scale for each channel", 25, qlinearConv("none", ["int8"], true));
agree("QLinearConv with unsigned weights around 128", 12, qlinearConv("middle", ["uint8"], false));
agree("QLinearConv with weights of any zero point", 20, qlinearConv("any", ["uint8"], false));

agree("ConvInteger gives the sums", 20, (c) => {
  const { x, w, geometry, attributes } = convolution(c, ["uint8"], "any", false);
  const { shape, sums } = convolve({ ...x, dtype: "uint8" }, w, geometry);
  const inputs = { x: tensorOf(x) };
  const initializers = [integers("w", w.dtype, w.shape, w.data), parameters("x", x)[1]!, parameters("w", w)[1]!];
  return {
    model: modelOf(
      [node("ConvInteger", ["x", "w", "x.zero", "w.zero"], ["y"], attributes)],
      inputs,
      { y: { dtype: "int32", shape } },
      initializers,
    ),
    inputs,
    expected: sums,
  };
});

function product(c: Chance, depth: number, perColumn: boolean): readonly [Bytes, Bytes] {
  const [rows, columns] = [c.between(1, 6), c.between(1, 20)];
  const b = randomBytes(c, c.pick(TYPES), [depth, columns], perColumn ? columns : 1);
  return [randomBytes(c, c.pick(TYPES), [rows, depth]), b];
}

agree("QLinearMatMul by constant weights of any zero point", 25, (c) => {
  const [a, b] = product(c, c.between(1, 40), c.between(0, 1) === 0);
  const { shape, sums } = multiply(a, b);
  const y = { ...randomBytes(c, a.dtype, [1]), scales: [c.real(0.5, 4)] };
  const inputs = { a: tensorOf(a) };
  const operands = [...named("a"), ...named("b"), "y.scale", "y.zero"];
  const initializers = [...parameters("a", a), integers("b", b.dtype, b.shape, b.data), ...parameters("b", b), ...parameters("y", y)];
  return {
    model: modelOf([node("QLinearMatMul", operands, ["y"])], inputs, { y: { dtype: y.dtype, shape } }, initializers),
    inputs,
    expected: requantized(sums, a, b, y, (i) => i % shape[1]!),
    isOurs: isMixed(a, b),
  };
});

agree("QLinearMatMul of two activations", 12, (c) => {
  const [a, b] = product(c, c.between(1, 40), false);
  const { shape, sums } = multiply(a, b);
  const y = { ...randomBytes(c, a.dtype, [1]), scales: [c.real(0.5, 4)] };
  const inputs = { a: tensorOf(a), b: tensorOf(b) };
  const operands = [...named("a"), ...named("b"), "y.scale", "y.zero"];
  return {
    model: modelOf([node("QLinearMatMul", operands, ["y"])], inputs, { y: { dtype: y.dtype, shape } }, [
      ...parameters("a", a),
      ...parameters("b", b),
      ...parameters("y", y),
    ]),
    inputs,
    expected: requantized(sums, a, b, y, (i) => i % shape[1]!),
    isOurs: isMixed(a, b),
  };
});

/** `computed`: zero point of a and the matrix b are inputs. */
function matMulInteger(depth: (c: Chance) => number, computed: boolean): (c: Chance) => Case {
  return (c) => {
    const [a, b] = product(c, depth(c), !computed && c.between(0, 1) === 0);
    const { shape, sums } = multiply(a, b);
    const zero: Tensor = { dtype: a.dtype, shape: [], data: a.dtype === "int8" ? Int8Array.of(a.zeros[0]!) : Uint8Array.of(a.zeros[0]!) };
    const isMatrix = computed && c.between(0, 1) === 0;
    const inputs = { a: tensorOf(a), ...(computed ? { "a.zero": zero } : {}), ...(isMatrix ? { b: tensorOf(b) } : {}) };
    const initializers = [
      ...(computed ? [] : [parameters("a", a)[1]!]),
      ...(isMatrix ? [] : [integers("b", b.dtype, b.shape, b.data)]),
      parameters("b", b)[1]!,
    ];
    return {
      model: modelOf(
        [node("MatMulInteger", ["a", "b", "a.zero", "b.zero"], ["y"])],
        inputs,
        { y: { dtype: "int32", shape } },
        initializers,
      ),
      inputs,
      expected: sums,
    };
  };
}

agree(
  "MatMulInteger gives the sums",
  20,
  matMulInteger((c) => c.between(1, 40), false),
);
agree(
  "MatMulInteger of depths whose sums float32 does not hold",
  4,
  matMulInteger((c) => c.between(1500, 2500), false),
);
agree(
  "MatMulInteger with zero points that are computed",
  15,
  matMulInteger((c) => c.between(1, 600), true),
);

agree("QuantizeLinear and DequantizeLinear, between them what moves elements", 20, (c) => {
  const x = Array.from({ length: 2 * 3 * 4 }, () => c.real(-20, 20));
  const y = randomBytes(c, c.pick(TYPES), [1]);
  const inputs: Readonly<Record<string, Tensor>> = { x: { dtype: "float32", shape: [2, 3, 4], data: Float32Array.from(x) } };
  const q = quantized(x, y.scales[0]!, y.zeros[0]!, y.dtype);
  const nodes = [
    node("QuantizeLinear", ["x", ...named("y").slice(1)], ["q"]),
    node("Reshape", ["q", "shape"], ["r"]),
    node("Transpose", ["r"], ["t"], { perm: ints(1, 0) }),
    node("Concat", ["t", "t"], ["c"], { axis: int(1) }),
    node("DequantizeLinear", ["c", ...named("y").slice(1)], ["y"]),
  ];
  const shape: TensorSpec = { name: "shape", dims: [2], dataType: 7, int64Data: [6, 4] };
  const real = (i: number): number => Math.fround((q[i]! - y.zeros[0]!) * Math.fround(y.scales[0]!));
  const columns = [0, 1, 2, 3, 4, 5, 0, 1, 2, 3, 4, 5];
  return {
    model: modelOf(nodes, inputs, { y: { dtype: "float32", shape: [4, 12] } }, [...parameters("y", y), shape]),
    inputs,
    expected: [0, 1, 2, 3].flatMap((row) => columns.map((column) => real(column * 4 + row))),
  };
});

agree("QLinearMatMul of stacks of matrices", 12, (c) => {
  const stack = c.between(2, 3);
  const [rows, depth, columns] = [c.between(1, 5), c.between(1, 30), c.between(1, 9)];
  const isShared = c.between(0, 1) === 0;
  const a = randomBytes(c, c.pick(TYPES), [stack, rows, depth]);
  const b = randomBytes(c, "int8", isShared ? [depth, columns] : [stack, depth, columns], 1, "none");
  const y = { ...randomBytes(c, a.dtype, [1]), scales: [c.real(0.5, 4)] };
  const part = ({ data, shape, ...more }: Bytes, i: number): Bytes => {
    const size = shape[1]! * shape[2]!;
    return { ...more, shape: shape.slice(1), data: data.slice(i * size, (i + 1) * size) };
  };
  const sums = Array.from({ length: stack }, (_, i) => multiply(part(a, i), isShared ? b : part(b, i)).sums).flat();
  const isComputed = !isShared && c.between(0, 1) === 0;
  const inputs = { a: tensorOf(a), ...(isComputed ? { b: tensorOf(b) } : {}) };
  const initializers = [...parameters("a", a), ...parameters("b", b), ...parameters("y", y)];
  if (!isComputed) initializers.push(integers("b", b.dtype, b.shape, b.data));
  const operands = [...named("a"), ...named("b"), "y.scale", "y.zero"];
  return {
    model: modelOf(
      [node("QLinearMatMul", operands, ["y"])],
      inputs,
      { y: { dtype: y.dtype, shape: [stack, rows, columns] } },
      initializers,
    ),
    inputs,
    expected: requantized(sums, a, b, y, () => 0),
  };
});

agree("QLinearConv over one axis and over three", 16, (c) => {
  const rank = c.pick([1, 3]);
  const [channels, outputs] = [c.between(1, 4), c.between(1, 5)];
  const size = c.between(5, 9);
  const spatial = rank === 1 ? [size] : [c.between(3, 4), c.between(3, 5), size];
  const kernel = rank === 1 ? [c.between(1, 3)] : [c.between(1, 2), c.between(1, 2), c.between(1, 3)];
  const x = randomBytes(c, c.pick(TYPES), [1, channels, ...spatial]);
  const w = randomBytes(c, "int8", [outputs, channels, ...kernel], outputs, "none");
  const pads = spatial.map(() => c.between(0, 1));
  const strides = spatial.map(() => c.between(1, 2));
  const out = spatial.map((d, i) => Math.floor((d + 2 * pads[i]! - kernel[i]!) / strides[i]!) + 1);
  const y = { ...randomBytes(c, x.dtype, [1]), scales: [c.real(0.5, 4)] };
  const at = (sizes: readonly number[], i: number): number[] =>
    sizes.map((d, axis) => Math.floor(i / sizes.slice(axis + 1).reduce((p, q) => p * q, 1)) % d);
  const flat = (sizes: readonly number[], places: readonly number[]): number =>
    places.reduce((index, p, axis) => index * sizes[axis]! + p, 0);
  const count = (sizes: readonly number[]): number => sizes.reduce((p, q) => p * q, 1);
  const sums = Array.from({ length: outputs * count(out) }, (_, i) => {
    const [o, place] = [Math.floor(i / count(out)), at(out, i % count(out))];
    let sum = 0;
    for (let k = 0; k < channels * count(kernel); k++) {
      const [channel, tap] = [Math.floor(k / count(kernel)), at(kernel, k % count(kernel))];
      const from = place.map((p, axis) => p * strides[axis]! + tap[axis]! - pads[axis]!);
      if (from.some((p, axis) => p < 0 || p >= spatial[axis]!)) continue;
      sum += (x.data[channel * count(spatial) + flat(spatial, from)]! - x.zeros[0]!) * w.data[o * channels * count(kernel) + k]!;
    }
    return sum;
  });
  const inputs = { x: tensorOf(x) };
  const operands = [...named("x"), ...named("w"), "y.scale", "y.zero"];
  const attributes = { pads: ints(...pads, ...pads), strides: ints(...strides) };
  const initializers = [...parameters("x", x), integers("w", w.dtype, w.shape, w.data), ...parameters("w", w), ...parameters("y", y)];
  return {
    model: modelOf(
      [node("QLinearConv", operands, ["y"], attributes)],
      inputs,
      { y: { dtype: y.dtype, shape: [1, outputs, ...out] } },
      initializers,
    ),
    inputs,
    expected: requantized(sums, x, w, y, (i) => Math.floor(i / count(out))),
  };
});
