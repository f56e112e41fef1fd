/** Dynamic quantization: activations are quantized while the model runs, by the range that they have, and their sums are made real again. */
import { expect, test } from "vitest";
import { compile } from "../../compiler/index.ts";
import * as Opcode from "../../format/opcodes.ts";
import { load } from "../../host/index.ts";
import { readEqm } from "../../host/reader.ts";
import { createScanner } from "../../host/scanner.ts";
import type { Tensor } from "../../host/tensor.ts";
import { int, type NodeSpec, node, type TensorSpec } from "../support/onnx-model.ts";
import { roundHalfEven } from "../support/reference-arithmetic.ts";
import { plainModule } from "../support/small-model.ts";
import { hasOnnxruntime, runOnnxruntime } from "./onnxruntime.ts";
import { type Chance, chance, integers, microsoft, modelOf, parameters, randomBytes } from "./operators.ts";
import type { Bytes } from "./reference.ts";

const scanner = createScanner(plainModule);

/** Σ (a − zero a)(b − zero b) · scale a · scale b + bias with a quantized by its range. */
function reference(a: readonly number[], rows: number, b: Bytes, bias: readonly number[]): readonly number[] {
  const f = Math.fround;
  const [depth, columns] = b.shape as [number, number];
  const [low, high] = [Math.min(0, ...a), Math.max(0, ...a)];
  const scale = high === low ? 1 : f(f(high - low) / 255);
  const zero = roundHalfEven(Math.max(0, Math.min(255, f(-low / scale))));
  const q = a.map((x) => Math.max(0, Math.min(255, roundHalfEven(f(x / scale)) + zero)) - zero);
  return Array.from({ length: rows * columns }, (_, i) => {
    const [row, column] = [Math.floor(i / columns), i % columns];
    let sum = 0;
    for (let k = 0; k < depth; k++) sum += q[row * depth + k]! * (b.data[k * columns + column]! - b.zeros[0]!);
    return sum * scale * b.scales[0]! + bias[column]!;
  });
}

interface Form {
  readonly name: string;
  readonly nodes: readonly NodeSpec[];
}

const PARTS = node("DynamicQuantizeLinear", ["a"], ["q", "s", "z"]);
const FORMS: readonly Form[] = [
  {
    name: "ONNX's operators",
    nodes: [
      PARTS,
      node("MatMulInteger", ["q", "b", "z", "b.zero"], ["sums"]),
      node("Cast", ["sums"], ["real"], { to: int(1) }),
      node("Mul", ["s", "b.scale"], ["scale"]),
      node("Mul", ["real", "scale"], ["scaled"]),
      node("Add", ["scaled", "bias"], ["y"]),
    ],
  },
  {
    name: "MatMulIntegerToFloat",
    nodes: [PARTS, microsoft("MatMulIntegerToFloat", ["q", "b", "s", "b.scale", "z", "b.zero", "bias"], ["y"])],
  },
  { name: "DynamicQuantizeMatMul", nodes: [microsoft("DynamicQuantizeMatMul", ["a", "b", "b.scale", "b.zero", "bias"], ["y"])] },
];

function inputs(c: Chance, rows: number, depth: number, kind: string): Tensor {
  const value = kind === "zeros" ? () => 0 : kind === "positive" ? () => c.real(0.5, 3) : () => c.real(-2, 3);
  return { dtype: "float32", shape: [rows, depth], data: Float32Array.from({ length: rows * depth }, value) };
}

test.each(FORMS.flatMap((form) => ["mixed", "positive", "zeros"].map((kind) => ({ ...form, kind }))))(
  "$name, $kind activations",
  async ({ nodes, kind }) => {
    for (let seed = 1; seed <= 4; seed++) {
      const c = chance(seed);
      const [rows, depth, columns] = [c.between(1, 5), c.between(1, 300), c.between(2, 20)];
      const a = inputs(c, rows, depth, kind);
      const b = randomBytes(c, c.pick(["int8", "uint8"]), [depth, columns]);
      const bias = Array.from({ length: columns }, () => c.real(-1, 1));
      const constants: readonly TensorSpec[] = [
        ...parameters("b", b),
        integers("b", b.dtype, b.shape, b.data),
        { name: "bias", dims: [columns], dataType: 1, floatData: bias },
      ];
      const model = modelOf([...nodes], { a }, { y: { dtype: "float32", shape: [rows, columns] } }, [...constants]);
      const { bytes, report } = await compile(model);
      expect(report.alreadyQuantized).toBe(true);
      const opcodes = readEqm(bytes, scanner).plan.steps.map((words) => words[0]!);
      expect([opcodes.includes(Opcode.CONV_I8), opcodes.includes(Opcode.CONV_F32)]).toEqual([true, false]);
      const loaded = await load(bytes);
      const got = Array.from(loaded.run({ a: a.data })["y"]!, Number);
      loaded.dispose();
      const expected = reference(Array.from(a.data, Number), rows, b, bias);
      const theirs = hasOnnxruntime ? (await runOnnxruntime(model, { a }))["y"]! : expected;
      // Sums are the same integers; four float32 roundings are left.
      const largest = Math.max(...expected.map(Math.abs));
      for (const want of [expected, theirs]) {
        got.forEach((x, i) => {
          expect(Math.abs(x - want[i]!), `seed ${seed}, ${i}`).toBeLessThanOrEqual(largest * 1e-6);
        });
      }
    }
  },
);
