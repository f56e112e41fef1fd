import { describe, expect, it } from "vitest";
import * as Opcode from "../../format/opcodes.ts";
import * as Select from "../../format/steps/select.ts";
import { randomSource, stepBench } from "../support/step-bench.ts";

function words(name: string, values: readonly number[]): Record<string, number> {
  return Object.fromEntries(values.map((value, i) => [`${name}${i}`, value]));
}

describe("SELECT", () => {
  for (const [name, bytes, ArrayType] of [
    ["bytes", 1, Uint8Array],
    ["float32", 4, Float32Array],
    ["int64", 8, BigInt64Array],
  ] as const) {
    for (const width of [1, 3, 16, 17]) {
      it(`chooses ${name} in rows of ${width}, with a broadcast condition and operand`, () => {
        const random = randomSource(width);
        const values = (n: number) => Array.from({ length: n }, () => random() % 200);
        const make = (list: readonly number[]) =>
          ArrayType === BigInt64Array ? BigInt64Array.from(list, BigInt) : new (ArrayType as typeof Uint8Array)(list);
        const [c, a, b] = [values(4).map((v) => v & 1), values(4 * width), values(width)];
        const bench = stepBench();
        const dst = bench.reserve(4 * width * bytes);
        bench.run(Opcode.SELECT, Select, {
          C: bench.put(Uint8Array.from(c)),
          A: bench.put(make(a)),
          B: bench.put(make(b)),
          DST: dst,
          ELEMENT_BYTES: bytes,
          ...words("DIM", [1, 1, 1, 2, 2, width]),
          ...words("C_STRIDE", [0, 0, 0, 2, 1, 0]),
          ...words("A_STRIDE", [0, 0, 0, 2 * width, width, 1]),
          ...words("B_STRIDE", [0, 0, 0, 0, 0, 1]),
        });
        const expected = make(Array.from({ length: 4 * width }, (_, i) => (c[Math.floor(i / width)] ? a[i]! : b[i % width]!)));
        expect(bench.read(ArrayType as typeof Uint8Array, dst, 4 * width)).toEqual(expected);
      });
    }
  }
});
