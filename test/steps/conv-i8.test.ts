/** CONV_I8 over shapes: sizes, edges, images, planes, groups, gaps. */
import { describe, it } from "vitest";
import { FLOAT32, INT8 } from "../../format/dtypes.ts";
import { between } from "../support/reference-arithmetic.ts";
import { randomSource } from "../support/step-bench.ts";
import { sweep } from "../support/sweep.ts";
import { type Case, check, checkOne, checkPlanar, FORMS } from "./conv-i8-case.ts";

const sizes = [1, 2, 3, 7, 8, 9, 15, 16, 17];

describe("CONV_I8", () => {
  it("multiplies 1×1 for any number of rows, inputs and outputs", () => {
    for (const inC of sizes)
      for (const outC of sizes) for (const inW of [1, 2, 3, 4, 5, 29]) check({ inH: 1, inW, inC, outC }, inC * 1000 + outC * 30 + inW);
  });

  it("convolves 3×3 at every edge, with few and odd channels", () => {
    for (const inC of [1, 2, 3, 4, 8, 17]) {
      for (const size of [1, 2, 3, 5, 7]) {
        check({ inH: size, inW: size + 1, inC, outC: 9, kernel: [3, 3], pads: [1, 1, 1, 1] }, inC * 10 + size);
        check({ inH: size + 2, inW: size + 3, inC, outC: 8, kernel: [3, 3], stride: [2, 2], pads: [0, 0, 1, 1] }, inC * 10 + size + 500);
      }
    }
  });

  it("takes images smaller than the kernel's reach", () => {
    check({ inH: 7, inW: 7, inC: 5, outC: 11, kernel: [3, 3], dilation: [6, 6], pads: [6, 6, 6, 6] }, 1);
    check({ inH: 2, inW: 3, inC: 4, outC: 3, kernel: [7, 5], pads: [3, 2, 4, 3], batch: 2 }, 2);
    check({ inH: 1, inW: 1, inC: 16, outC: 16, kernel: [5, 5], pads: [4, 4, 4, 4] }, 3);
  });

  it("takes several images, and row blocks that end inside one", () => {
    check({ batch: 2, inH: 5, inW: 3, inC: 6, outC: 10, kernel: [3, 3], pads: [1, 1, 1, 1], rowBlock: 4 }, 1);
    check({ batch: 3, inH: 4, inW: 4, inC: 7, outC: 8, rowBlock: 12 }, 2);
    check({ batch: 3, inH: 9, inW: 9, inC: 3, outC: 16, kernel: [3, 3], stride: [2, 1], pads: [1, 0, 1, 2], rowBlock: 28 }, 3);
  });

  it("gathers short and odd runs over many patches, rows and images", () => {
    const pads = [1, 2, 3, 4] as const;
    check({ batch: 2, inH: 13, inW: 17, inC: 3, outC: 8, kernel: [3, 3], pads: [1, 1, 1, 1] }, 1);
    check({ batch: 2, inH: 21, inW: 9, inC: 1, outC: 12, kernel: [10, 4], stride: [2, 2], pads: [4, 1, 5, 1] }, 2);
    check({ batch: 3, inH: 12, inW: 70, inC: 7, outC: 3, kernel: [3, 5], stride: [2, 3], dilation: [2, 1], pads, rowBlock: 84 }, 3);
    check({ batch: 2, inH: 9, inW: 40, inC: 12, outC: 8, kernel: [2, 3], stride: [3, 1], dilation: [1, 2], pads, groups: 4, srcGap: 1 }, 4);
    check({ inH: 3, inW: 2, inC: 19, outC: 8, kernel: [3, 3], pads: [6, 7, 2, 9], rowBlock: 76 }, 5);
  });

  it("convolves from planes, at every edge", () => {
    for (const size of [1, 2, 4, 5, 8]) {
      checkPlanar({ inH: size, inW: size + 3, inC: 8, outC: 11, kernel: [3, 3], pads: [1, 1, 1, 1], batch: 2 }, size);
      checkPlanar({ inH: size + 3, inW: size + 2, inC: 16, outC: 8, kernel: [3, 3], stride: [2, 2], pads: [0, 0, 1, 1] }, size + 10);
    }
    checkPlanar({ inH: 7, inW: 7, inC: 8, outC: 11, kernel: [3, 3], dilation: [6, 6], pads: [6, 6, 6, 6] }, 1);
    checkPlanar({ inH: 2, inW: 3, inC: 8, outC: 3, kernel: [7, 5], pads: [3, 2, 4, 3], batch: 2 }, 2);
    checkPlanar({ inH: 1, inW: 1, inC: 16, outC: 16, kernel: [5, 5], pads: [9, 8, 4, 7] }, 3);
    checkPlanar({ inH: 9, inW: 8, inC: 24, outC: 10, kernel: [1, 1], stride: [2, 3], srcGap: 3, dstGap: 5 }, 4);
  });

  it("convolves random shapes from planes", () => {
    const next = randomSource(77);
    for (let i = 0; i < sweep(60, 600); i++) {
      const groups = next() % 4 === 0 ? between(next, 1, 3) : 1;
      const kernel = [between(next, 1, 4), between(next, 1, 5)] as const;
      const dilation = [between(next, 1, 2), between(next, 1, 3)] as const;
      const pads = [between(next, 0, 3), between(next, 0, 3), between(next, 0, 3), between(next, 0, 3)] as const;
      const inC = groups * 8 * between(next, 1, 3);
      const c: Case = {
        batch: between(next, 1, 2),
        inH: Math.max(between(next, 1, 9), (kernel[0] - 1) * dilation[0] + 1 - pads[0] - pads[2]),
        inW: Math.max(between(next, 1, 17), (kernel[1] - 1) * dilation[1] + 1 - pads[1] - pads[3]),
        inC,
        outC: groups * between(next, 1, 20),
        kernel,
        dilation,
        pads,
        groups,
        stride: [between(next, 1, 3), between(next, 1, 4)],
        srcGap: next() % 3 === 0 ? between(next, 1, 5) : 0,
        dstGap: next() % 3 === 0 ? between(next, 1, 5) : 0,
        dtype: next() % 4 === 0 ? FLOAT32 : INT8,
        bounded: next() % 2,
      };
      checkOne(c, i + 1, FORMS[next() % FORMS.length]!, between(next, 1, 4));
    }
  });

  it("keeps groups apart", () => {
    for (const groups of [2, 3, 4]) {
      check({ inH: 5, inW: 6, inC: groups * 5, outC: groups * 3, kernel: [3, 3], pads: [1, 1, 1, 1], groups, batch: 2 }, groups);
      check({ inH: 5, inW: 6, inC: groups * 8, outC: groups * 9, groups }, groups + 10);
    }
  });

  it("reads and writes slices of wider tensors", () => {
    check({ inH: 6, inW: 5, inC: 7, outC: 13, srcGap: 4, dstGap: 3 }, 1);
    check({ inH: 6, inW: 5, inC: 8, outC: 8, srcGap: 1, dstGap: 9, kernel: [3, 2], pads: [1, 0, 1, 1] }, 2);
    check({ inH: 6, inW: 5, inC: 8, outC: 6, srcGap: 3, dstGap: 1, dtype: FLOAT32 }, 3);
  });

  it("agrees on random shapes", () => {
    const next = randomSource(20);
    for (let i = 0; i < sweep(60, 600); i++) {
      const groups = next() % 4 === 0 ? between(next, 1, 4) : 1;
      const kernel = [between(next, 1, 4), between(next, 1, 5)] as const;
      const dilation = [between(next, 1, 2), between(next, 1, 3)] as const;
      const pads = [between(next, 0, 3), between(next, 0, 3), between(next, 0, 3), between(next, 0, 3)] as const;
      check(
        {
          batch: between(next, 1, 2),
          inH: Math.max(between(next, 1, 9), (kernel[0] - 1) * dilation[0] + 1 - pads[0] - pads[2]),
          inW: Math.max(between(next, 1, 9), (kernel[1] - 1) * dilation[1] + 1 - pads[1] - pads[3]),
          inC: groups * between(next, 1, 20),
          outC: groups * between(next, 1, 20),
          kernel,
          dilation,
          pads,
          groups,
          stride: [between(next, 1, 3), between(next, 1, 3)],
          srcGap: next() % 3 === 0 ? between(next, 1, 5) : 0,
          dstGap: next() % 3 === 0 ? between(next, 1, 5) : 0,
          dtype: next() % 4 === 0 ? FLOAT32 : INT8,
          bounded: next() % 2,
        },
        i + 1,
      );
    }
  });
});
