/** TABLE_I8 against a lookup in TypeScript. */
import { expect, it } from "vitest";
import { TABLE_I8 } from "../../format/opcodes.ts";
import * as TableI8 from "../../format/steps/table-i8.ts";
import { randomInt8 } from "../support/reference-arithmetic.ts";
import { randomSource, stepBench } from "../support/step-bench.ts";

const BUILD = process.env["EQM_BUILD"] ?? "plain";

it("looks every int8 up", () => {
  const bench = stepBench(BUILD);
  const table = Int8Array.from({ length: 256 }, (_, i) => i * 7 + 3);
  const src = bench.put(Int8Array.from({ length: 256 }, (_, i) => i - 128));
  const dst = bench.reserve(256);
  bench.run(TABLE_I8, TableI8, { SRC: src, DST: dst, TABLE: bench.put(table), COUNT: 256 });
  expect([...bench.read(Int8Array, dst, 256)]).toEqual([...table]);
});

it.each([1, 7, 8, 9, 15, 16, 17, 100, 20001])("maps %i elements in place", (count) => {
  const next = randomSource(count);
  const bench = stepBench(BUILD);
  const table = randomInt8(next, 256);
  const x = randomInt8(next, count);
  const src = bench.put(x);
  bench.run(TABLE_I8, TableI8, { SRC: src, DST: src, TABLE: bench.put(table), COUNT: count });
  expect([...bench.read(Int8Array, src, count)]).toEqual([...x].map((v) => table[v + 128]));
});
