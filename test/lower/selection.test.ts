import { describe, expect, it } from "vitest";
import type { Attribute } from "../../compiler/ir/graph.ts";
import { type DType, elementCount, newArray, type Tensor } from "../../host/tensor.ts";
import { apply, integers, randomNumbers, tensor } from "../ops/operation.ts";
import { runOp } from "../support/one-op.ts";

/** Values of few kinds, so that many are equal. */
function random(dtype: DType, shape: readonly number[], next: () => number): Tensor {
  const data = newArray(dtype, elementCount(shape));
  for (let i = 0; i < data.length; i++) {
    const value = Math.floor(next() * 9) - (dtype === "uint8" ? 0 : 4);
    data[i] = data instanceof BigInt64Array ? BigInt(value) : value;
  }
  return { dtype, shape, data };
}

async function expectReference(
  op: string,
  operands: readonly Tensor[],
  attributes: Readonly<Record<string, Attribute>>,
  constants: readonly number[],
  outputs = 1,
): Promise<void> {
  const got = await runOp(op, operands, attributes, { outputs, constants });
  const expected = apply(op, operands, attributes, { outputs });
  got.forEach((y, i) => {
    expect(y.shape).toEqual(expected[i]!.shape);
    expect(new Uint8Array(y.data.buffer, y.data.byteOffset, y.data.byteLength)).toEqual(new Uint8Array(expected[i]!.data.buffer));
  });
}

const SHAPES: readonly (readonly number[])[] = [[1], [17], [3, 5], [2, 3, 4], [4, 1, 33]];
const TYPES: readonly DType[] = ["float32", "int8", "uint8", "int32", "int64"];

describe("TopK", () => {
  it.each(TYPES)("takes the first of %s in order, of equal ones the first, for random shapes", async (dtype) => {
    const next = randomNumbers(dtype.length);
    for (const shape of SHAPES) {
      for (let axis = 0; axis < shape.length; axis++) {
        const k = 1 + Math.floor(next() * shape[axis]!);
        const largest = next() < 0.5 ? 0 : 1;
        await expectReference("TopK", [random(dtype, shape, next), integers(k)], { axis, largest }, [1], 2);
      }
    }
  });

  it("counts a NaN as greater than every number, wherever it stands", async () => {
    const x = tensor("float32", [6], [1, Number.NaN, Infinity, -Infinity, Number.NaN, 2]);
    for (const largest of [0, 1]) {
      const [, places] = await runOp("TopK", [x, integers(6)], { largest }, { outputs: 2, constants: [1] });
      expect([...places!.data].map(Number)).toEqual(largest ? [1, 4, 2, 5, 0, 3] : [3, 0, 5, 2, 1, 4]);
    }
  });

  it("serves ArgMax and ArgMin, which may take the last of equal ones", async () => {
    const x = tensor("float32", [2, 4], [3, 1, 3, 1, 0, 5, 5, 0]);
    const places = async (op: string, last: number): Promise<number[]> => {
      const [y] = await runOp(op, [x], { axis: 1, keepdims: 0, select_last_index: last });
      return [...y!.data].map(Number);
    };
    expect(await places("ArgMax", 0)).toEqual([0, 1]);
    expect(await places("ArgMax", 1)).toEqual([2, 2]);
    expect(await places("ArgMin", 0)).toEqual([1, 0]);
    expect(await places("ArgMin", 1)).toEqual([3, 3]);
  });
});

describe("ScatterND", () => {
  it.each(["none", "add", "mul", "max", "min"])("changes rows by %s, in order, of every type", async (reduction) => {
    const next = randomNumbers(reduction.charCodeAt(1));
    for (const dtype of TYPES) {
      for (const [shape, depth] of [
        [[5], 1],
        [[5, 3], 1],
        [[2, 3, 4], 2],
      ] as const) {
        const count = 7;
        const indices = Array.from({ length: count }, () => shape.slice(0, depth).map((d) => Math.floor(next() * 2 * d) - d)).flat();
        const updates = random(dtype, [count, ...shape.slice(depth)], next);
        await expectReference(
          "ScatterND",
          [random(dtype, shape, next), tensor("int64", [count, depth], indices), updates],
          { reduction },
          [],
        );
      }
    }
  });

  it("refuses an index outside of the rows", async () => {
    const run = runOp("ScatterND", [tensor("float32", [3], [1, 2, 3]), tensor("int64", [1, 1], [3]), tensor("float32", [1], [0])]);
    await expect(run).rejects.toThrow();
  });
});

describe("CumSum and CumProd", () => {
  it.each(["CumSum", "CumProd"])("%s runs along any axis, both ways, with and without the element itself", async (op) => {
    const next = randomNumbers(op.length);
    for (const dtype of ["float32", "int32", "int64"] as const) {
      for (const shape of SHAPES) {
        const axis = Math.floor(next() * 2 * shape.length) - shape.length;
        const attributes = { exclusive: next() < 0.5 ? 0 : 1, reverse: next() < 0.5 ? 0 : 1 };
        const operands = [random(dtype, shape, next), tensor("int64", [], [axis])];
        await expectReference(op, operands, attributes, [1]);
        await expectReference(op, operands, attributes, []);
      }
    }
  });
});

describe("integers", () => {
  it.each(["Mod", "BitwiseAnd", "BitwiseOr", "BitwiseXor", "BitShift", "Abs", "Neg", "Sign"])("%s as the reference has it", async (op) => {
    const next = randomNumbers(op.charCodeAt(4));
    const isUnary = op === "Abs" || op === "Neg" || op === "Sign";
    for (const dtype of ["int8", "uint8", "int32", "int64"] as const) {
      if (op === "Neg" && dtype === "uint8") continue;
      for (const variant of [0, 1]) {
        const attributes: Readonly<Record<string, Attribute>> =
          op === "Mod" ? { fmod: variant } : op === "BitShift" ? { direction: variant ? "RIGHT" : "LEFT" } : {};
        const operands = [random(dtype, [3, 17], next), ...(isUnary ? [] : [random(dtype, op === "BitShift" ? [3, 17] : [17], next)])];
        if (op === "BitShift") for (let i = 0; i < 51; i++) operands[1]!.data[i] = dtype === "int64" ? BigInt(i % 8) : i % 8;
        await expectReference(op, operands, attributes, []);
      }
    }
  });
});
