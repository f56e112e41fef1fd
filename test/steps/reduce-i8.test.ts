/** REDUCE of int8 against the formula of its header in TypeScript. */
import { describe, expect, it } from "vitest";
import { INT8 } from "../../format/dtypes.ts";
import { REDUCE } from "../../format/opcodes.ts";
import * as Reduce from "../../format/steps/reduce.ts";
import { between, randomInt8, requantize } from "../support/reference-arithmetic.ts";
import { floatBits, randomSource, stepBench } from "../support/step-bench.ts";

function check(
  outer: number,
  count: number,
  inner: number,
  seed: number,
  range: readonly [number, number] = [-128, 127],
  gain = 1.3,
  extreme = false,
): void {
  const next = randomSource(seed);
  const x = extreme ? new Int8Array(outer * count * inner).fill(-128) : randomInt8(next, outer * count * inner);
  const [inZero, outZero] = [between(next, -128, 127), between(next, -40, 40)];
  const scale = Math.fround(gain / count);
  const bench = stepBench(process.env["EQM_BUILD"] ?? "plain");
  const dst = bench.reserve(outer * inner);
  bench.run(REDUCE, Reduce, {
    SRC: bench.put(x),
    DST: dst,
    KIND: Reduce.MEAN,
    DTYPE: INT8,
    OUTER: outer,
    COUNT: count,
    INNER: inner,
    SCALE: floatBits(scale),
    IN_ZERO: inZero,
    OUT_ZERO: outZero,
    MIN: range[0],
    MAX: range[1],
  });
  const expected = Array.from({ length: outer * inner }, (_, e) => {
    let sum = 0;
    for (let c = 0; c < count; c++) sum += x[(Math.floor(e / inner) * count + c) * inner + (e % inner)]! - inZero;
    return requantize(sum, scale, outZero, range[0], range[1]);
  });
  expect([...bench.read(Int8Array, dst, outer * inner)], JSON.stringify({ outer, count, inner, seed })).toEqual(expected);
}

describe("REDUCE of int8", () => {
  it("averages over images of any size and channels", () => {
    let seed = 1;
    for (const inner of [1, 2, 7, 8, 9, 15, 16, 17, 40]) for (const count of [1, 2, 7, 8, 9, 49, 100]) check(2, count, inner, seed++);
  });

  it("sums more rows than int16 holds", () => {
    for (const inner of [1, 3, 8, 33]) {
      check(1, 256, inner, 1, [-128, 127], 1.3, true);
      check(1, 257, inner, 2, [-128, 127], 1.3, true);
      check(2, 1100, inner, 3, [-128, 127], 1.3, true);
    }
  });

  it("clamps, and saturates under a huge scale", () => {
    for (const inner of [1, 12]) {
      check(3, 9, inner, 1, [-5, 20]);
      check(3, 9, inner, 2, [-128, 127], 1e30);
    }
  });
});
