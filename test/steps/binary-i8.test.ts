/** BINARY_I8 against the formulas of its header in TypeScript. */
import { describe, expect, it } from "vitest";
import { BINARY_I8 } from "../../format/opcodes.ts";
import { ADD, DIV, MUL, PRELU, SUB } from "../../format/steps/binary.ts";
import * as BinaryI8 from "../../format/steps/binary-i8.ts";
import { between, clamp, randomInt8, roundHalfEven } from "../support/reference-arithmetic.ts";
import { floatBits, randomSource, stepBench } from "../support/step-bench.ts";

interface Case {
  readonly dims: readonly number[];
  /** Elements per step of each dimension; 0 broadcasts. */
  readonly a: readonly number[];
  readonly b: readonly number[];
  readonly range?: readonly [number, number];
  readonly scales?: readonly [number, number, number];
  readonly inPlace?: boolean;
}

const pad = (values: readonly number[], fill: number): number[] => [...Array<number>(6 - values.length).fill(fill), ...values];
const f = Math.fround;

function check(c: Case, op: number, seed: number): void {
  const next = randomSource(seed);
  const dims = pad(c.dims, 1);
  const aStrides = pad(c.a, 0);
  const bStrides = pad(c.b, 0);
  const reach = (strides: readonly number[]): number => dims.reduce((sum, d, i) => sum + (d - 1) * strides[i]!, 1);
  const a = randomInt8(next, reach(aStrides));
  const b = randomInt8(next, reach(bStrides));
  const [aZero, bZero, outZero] = [between(next, -128, 127), between(next, -128, 127), between(next, -40, 40)];
  b[0] = bZero;
  a[a.length - 1] = aZero;
  const [aScale, bScale, outScale] = (c.scales ?? (op === DIV ? [0.4, 0.7, 9] : [0.4, 0.7, 0.01])).map(f) as [number, number, number];
  const [min, max] = c.range ?? [-128, 127];
  const count = dims.reduce((x, y) => x * y, 1);
  const bench = stepBench(process.env["EQM_BUILD"] ?? "plain");
  const aAddress = bench.put(a);
  const dst = c.inPlace ? aAddress : bench.reserve(count);
  const fields: Record<string, number> = {};
  for (let i = 0; i < 6; i++) {
    fields[`DIM${i}`] = dims[i]!;
    fields[`A_STRIDE${i}`] = aStrides[i]!;
    fields[`B_STRIDE${i}`] = bStrides[i]!;
  }
  bench.run(BINARY_I8, BinaryI8, {
    ...fields,
    A: aAddress,
    B: bench.put(b),
    DST: dst,
    OP: op,
    A_ZERO: aZero,
    A_SCALE: floatBits(aScale),
    B_ZERO: bZero,
    B_SCALE: floatBits(bScale),
    OUT_SCALE: floatBits(outScale),
    OUT_ZERO: outZero,
    MIN: min,
    MAX: max,
  });
  const expected = Array.from({ length: count }, (_, e) => {
    let rest = e;
    let ai = 0;
    let bi = 0;
    for (let i = 5; i >= 0; i--) {
      const index = rest % dims[i]!;
      rest = Math.floor(rest / dims[i]!);
      ai += index * aStrides[i]!;
      bi += index * bStrides[i]!;
    }
    const x = a[ai]! - aZero;
    const y = b[bi]! - bZero;
    let v: number;
    if (op === ADD) v = f(f(x * aScale) + f(y * bScale));
    else if (op === SUB) v = f(f(x * aScale) - f(y * bScale));
    else if (op === MUL) v = f(f(x * y) * outScale);
    else if (op === DIV) v = f(f(x / y) * outScale);
    else v = x >= 0 ? f(x * aScale) : f(f(x * y) * outScale);
    return clamp((Number.isNaN(v) ? 0 : roundHalfEven(clamp(v, -32768, 32767))) + outZero, min, max);
  });
  expect([...bench.read(Int8Array, dst, count)], JSON.stringify({ seed, op, ...c })).toEqual(expected);
}

const cases: readonly Case[] = [
  ...[1, 7, 8, 9, 15, 16, 17, 50].flatMap((n) => [
    { dims: [n], a: [1], b: [1] },
    { dims: [n], a: [1], b: [0] },
    { dims: [n], a: [0], b: [1] },
    { dims: [n], a: [0], b: [0] },
    { dims: [n], a: [3], b: [1] },
    { dims: [3, n], a: [n, 1], b: [0, 1] },
    { dims: [n, 3], a: [3, 1], b: [1, 0] },
  ]),
  { dims: [2, 3, 4, 5], a: [60, 20, 5, 1], b: [60, 20, 5, 1] },
  { dims: [2, 3, 4, 5], a: [60, 20, 5, 1], b: [0, 5, 0, 1] },
  { dims: [2, 3, 4, 5], a: [0, 20, 0, 1], b: [12, 4, 1, 0] },
  { dims: [2, 1, 3, 2, 2, 9], a: [36, 0, 12, 6, 3, 1], b: [0, 0, 1, 0, 7, 2] },
  { dims: [4, 9], a: [1, 4], b: [9, 1] },
  { dims: [1], a: [0], b: [0] },
  { dims: [20001], a: [1], b: [1] },
  { dims: [20001], a: [1], b: [0] },
  { dims: [40], a: [1], b: [1], range: [-3, 60] },
  { dims: [40], a: [1], b: [1], inPlace: true },
  { dims: [5, 9], a: [9, 1], b: [0, 1], inPlace: true },
  { dims: [40], a: [1], b: [1], scales: [1e6, 1e6, 1e9] },
  // On either side of 256·(A_SCALE + B_SCALE) = 2²².
  { dims: [300], a: [1], b: [1], scales: [8000, 8383, 1] },
  { dims: [300], a: [1], b: [1], scales: [8000, 8385, 1] },
  { dims: [300], a: [1], b: [1], scales: [0.5, 0.25, 1] },
  { dims: [7, 33], a: [40, 1], b: [33, 1] },
];

describe.each([
  ["ADD", ADD],
  ["SUB", SUB],
  ["MUL", MUL],
  ["DIV", DIV],
  ["PRELU", PRELU],
])("BINARY_I8 %s", (_, op) => {
  it("agrees over shapes and broadcasts", () => {
    cases.forEach((c, i) => check(c, op, i + 1));
  });
});
