import { describe, expect, it } from "vitest";
import { BOOL, FLOAT32, INT8, INT32, INT64, UINT8 } from "../../format/dtypes.ts";
import * as Opcode from "../../format/opcodes.ts";
import * as Compare from "../../format/steps/compare.ts";
import { randomSource, stepBench } from "../support/step-bench.ts";

const TYPES = [
  ["float32", FLOAT32, Float32Array],
  ["int32", INT32, Int32Array],
  ["int64", INT64, BigInt64Array],
  ["int8", INT8, Int8Array],
  ["uint8", UINT8, Uint8Array],
  ["bool", BOOL, Uint8Array],
] as const;

const OPS = [
  ["EQUAL", Compare.EQUAL, (a: number, b: number) => a === b],
  ["LESS", Compare.LESS, (a: number, b: number) => a < b],
  ["GREATER", Compare.GREATER, (a: number, b: number) => a > b],
  ["LESS_OR_EQUAL", Compare.LESS_OR_EQUAL, (a: number, b: number) => a <= b],
  ["GREATER_OR_EQUAL", Compare.GREATER_OR_EQUAL, (a: number, b: number) => a >= b],
  ["NOT_EQUAL", Compare.NOT_EQUAL, (a: number, b: number) => a !== b],
] as const;

function words(name: string, values: readonly number[]): Record<string, number> {
  return Object.fromEntries(values.map((value, i) => [`${name}${i}`, value]));
}

describe("COMPARE", () => {
  for (const [typeName, dtype, ArrayType] of TYPES) {
    for (const [opName, op, holds] of OPS) {
      it(`${opName} on ${typeName}, broadcasting a row and a column`, () => {
        const random = randomSource(7 + op);
        const values = (n: number) =>
          Array.from({ length: n }, () => (random() % 5) - (typeName === "bool" || typeName === "uint8" ? 0 : 2));
        const [a, b] = [values(2 * 3), values(2 * 17)];
        const make = (list: readonly number[]) =>
          ArrayType === BigInt64Array ? BigInt64Array.from(list, BigInt) : new (ArrayType as typeof Int32Array)(list);
        const bench = stepBench();
        const dst = bench.reserve(2 * 3 * 17);
        bench.run(Opcode.COMPARE, Compare, {
          A: bench.put(make(a)),
          B: bench.put(make(b)),
          DST: dst,
          OP: op,
          DTYPE: dtype,
          ...words("DIM", [1, 1, 1, 2, 3, 17]),
          ...words("A_STRIDE", [0, 0, 0, 3, 1, 0]),
          ...words("B_STRIDE", [0, 0, 0, 17, 0, 1]),
        });
        const expected = Array.from({ length: 2 * 3 * 17 }, (_, i) => {
          const [n, row, column] = [Math.floor(i / 51), Math.floor(i / 17) % 3, i % 17];
          return Number(holds(a[n * 3 + row]!, b[n * 17 + column]!));
        });
        expect([...bench.read(Uint8Array, dst, expected.length)]).toEqual(expected);
      });
    }
  }

  it("finds a NaN unequal to itself, and neither less nor greater", () => {
    const results = OPS.map(([, op]) => {
      const bench = stepBench();
      const x = bench.put(Float32Array.of(Number.NaN));
      const dst = bench.reserve(1);
      bench.run(Opcode.COMPARE, Compare, {
        A: x,
        B: x,
        DST: dst,
        OP: op,
        DTYPE: FLOAT32,
        ...words("DIM", [1, 1, 1, 1, 1, 1]),
        ...words("A_STRIDE", [0, 0, 0, 0, 0, 0]),
        ...words("B_STRIDE", [0, 0, 0, 0, 0, 0]),
      });
      return bench.read(Uint8Array, dst, 1)[0];
    });
    expect(results).toEqual([0, 0, 0, 0, 0, 1]);
  });
});
