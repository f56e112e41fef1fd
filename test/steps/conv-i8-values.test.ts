/** CONV_I8 over values: rounding, clamping, saturation, sums at the limits of what the kernels hold. */
import { describe, it } from "vitest";
import { FLOAT32 } from "../../format/dtypes.ts";
import { check } from "./conv-i8-case.ts";

const sizes = [1, 2, 3, 7, 8, 9, 15, 16, 17];

describe("CONV_I8", () => {
  it("clamps to MIN and MAX", () => {
    check({ inH: 4, inW: 9, inC: 16, outC: 24, range: [-5, 30] }, 1);
    check({ inH: 1, inW: 1, inC: 16, outC: 24, range: [-5, 30] }, 2);
    check({ inH: 4, inW: 9, inC: 16, outC: 21, range: [0, 6], dtype: FLOAT32 }, 3);
  });

  it("gives float32 where asked", () => {
    for (const outC of sizes) for (const inW of [1, 3, 8, 25]) check({ inH: 1, inW, inC: 12, outC, dtype: FLOAT32 }, outC * 30 + inW);
  });

  it("gives the same with and without the bound where it holds", () => {
    for (const inW of [1, 5, 24, 33]) check({ inH: 1, inW, inC: 31, outC: 40, bounded: 0 }, inW);
  });

  it("saturates products far beyond the bound", () => {
    for (const gain of [1e3, 1e6, 1e12, 1e30])
      for (const inW of [1, 6, 30]) check({ inH: 1, inW, inC: 9, outC: 17, bounded: 0, gain }, inW);
  });

  it("rounds halves to even", () => {
    for (const scale of [0.5, 0.25, -0.5])
      for (let bias = -9; bias < 9; bias++)
        for (const inW of [1, 4, 24]) check({ inH: 1, inW, inC: 2, outC: 9, fill: { x: 1, w: 1, bias, scale } }, bias + 10);
  });

  it("holds to the edge of the bound", () => {
    for (const bias of [4194302, -4194302, 4194303, -4194303, 32767, 32768, -32769])
      for (const bounded of [0, 1]) check({ inH: 1, inW: 5, inC: 1, outC: 8, bounded, fill: { x: 0, w: 0, bias, scale: 1 } }, 1);
  });

  it("sums extremes exactly", () => {
    for (const x of [-128, 127])
      for (const w of [-128, -127, 127, -8, 7])
        for (const inW of [1, 5, 30]) check({ inH: 1, inW, inC: 1200, outC: 8, fill: { x, w, bias: 77, scale: 5e-6 } }, 1);
  });

  it("multiplies four-bit weights in runs of any length, for any number of rows", () => {
    for (let rows = 1; rows <= 40; rows++) {
      check({ inH: 1, inW: rows, inC: rows * 37 + 3, outC: 9 + (rows % 8) }, rows);
      check({ inH: 1, inW: 41 - rows, inC: rows * 4, outC: rows }, rows + 100);
    }
    // Few large weights among many zeros make runs as long as they may be.
    for (const w of [0, 1, -1])
      for (const inW of [1, 5]) check({ inH: 1, inW, inC: 4200, outC: 8, fill: { x: -128, w, bias: 5, scale: 1e-5 } }, 1);
  });
});
