/** TABLE_I8 against a lookup in TypeScript. */
import { expect, it } from "vitest";
import { TABLE_I8 } from "../../format/opcodes.ts";
import * as TableI8 from "../../format/steps/table-i8.ts";
import { between, randomInt8 } from "../support/reference-arithmetic.ts";
import { randomSource, stepBench } from "../support/step-bench.ts";

function oneRow(columns: number): Readonly<Record<string, number>> {
  return { ROWS: 1, COLUMNS: columns, SRC_PITCH: columns, DST_PITCH: columns };
}

const BUILD = process.env["EQM_BUILD"] ?? "plain";

it("looks every int8 up", () => {
  const bench = stepBench(BUILD);
  const table = Int8Array.from({ length: 256 }, (_, i) => i * 7 + 3);
  const src = bench.put(Int8Array.from({ length: 256 }, (_, i) => i - 128));
  const dst = bench.reserve(256);
  bench.run(TABLE_I8, TableI8, { SRC: src, DST: dst, TABLE: bench.put(table), ...oneRow(256) });
  expect([...bench.read(Int8Array, dst, 256)]).toEqual([...table]);
});

it.each([1, 7, 8, 9, 15, 16, 17, 100, 20001])("maps %i elements in place", (count) => {
  const next = randomSource(count);
  const bench = stepBench(BUILD);
  const table = randomInt8(next, 256);
  const x = randomInt8(next, count);
  const src = bench.put(x);
  bench.run(TABLE_I8, TableI8, { SRC: src, DST: src, TABLE: bench.put(table), ...oneRow(count) });
  expect([...bench.read(Int8Array, src, count)]).toEqual([...x].map((v) => table[v + 128]));
});

it("reads and writes rows that lie apart, and leaves what is between them", () => {
  const next = randomSource(5);
  for (let trial = 0; trial < 60; trial++) {
    const [rows, columns] = [between(next, 1, 9), between(next, 1, 40)];
    const [srcPitch, dstPitch] = [columns + between(next, 0, 9), columns + between(next, 0, 9)];
    const bench = stepBench(BUILD);
    const table = randomInt8(next, 256);
    const x = randomInt8(next, (rows - 1) * srcPitch + columns);
    const before = randomInt8(next, (rows - 1) * dstPitch + columns);
    const dst = bench.put(before);
    const shape = { ROWS: rows, COLUMNS: columns, SRC_PITCH: srcPitch, DST_PITCH: dstPitch };
    bench.run(TABLE_I8, TableI8, { SRC: bench.put(x), DST: dst, TABLE: bench.put(table), ...shape });
    const expected = [...before];
    for (let r = 0; r < rows; r++) {
      for (let c = 0; c < columns; c++) expected[r * dstPitch + c] = table[x[r * srcPitch + c]! + 128]!;
    }
    expect([...bench.read(Int8Array, dst, before.length)], JSON.stringify(shape)).toEqual(expected);
  }
});
