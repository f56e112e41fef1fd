/** CONV_I8 of weights in blocks: quads that go two at a time and those that go alone, rows that have their columns brought together and those left over. */
import { describe, it } from "vitest";
import { type Case, checkOne } from "./conv-i8-case.ts";

const FORMS = ["blocks of 1", "blocks of 2"] as const;
/** Largest magnitudes of weights: all run-safe, most, some, hardly any. */
const SPREADS = [32, 60, 90, 128];

/** Checks a case with weights of each form and spread, of which other seeds leave other parts. */
function checkBlocks(c: Case, seed: number, planes: number | "patches" = "patches"): void {
  FORMS.forEach((form, i) => {
    SPREADS.forEach((largest, j) => {
      checkOne({ ...c, largest }, seed * 8 + i * 4 + j, form, planes);
    });
  });
}

describe("CONV_I8 of blocks", () => {
  it("multiplies any number of rows", () => {
    for (const rows of [1, 2, 3, 4, 5, 6, 7, 8, 9, 15, 16, 17, 20, 31, 32, 33, 47, 53])
      checkBlocks({ inH: 1, inW: rows, inC: 40, outC: 11 }, rows);
  });

  it("multiplies any depth, odd ones too", () => {
    for (const inC of [1, 2, 3, 4, 5, 7, 9, 15, 31, 63, 130]) checkBlocks({ inH: 1, inW: 37, inC, outC: 9 }, inC);
  });

  it("ends row blocks anywhere", () => {
    for (const rowBlock of [4, 16, 20, 36, 48]) checkBlocks({ batch: 2, inH: 5, inW: 11, inC: 24, outC: 8, rowBlock }, rowBlock);
  });

  it("takes patches, inside and at edges, and of several images", () => {
    checkBlocks({ batch: 2, inH: 7, inW: 9, inC: 8, outC: 17, kernel: [3, 3], pads: [1, 1, 1, 1] }, 1);
    checkBlocks({ inH: 9, inW: 12, inC: 5, outC: 8, kernel: [3, 2], stride: [2, 1], pads: [1, 0, 1, 2] }, 2);
    checkBlocks({ inH: 8, inW: 6, inC: 32, outC: 20, kernel: [2, 3], groups: 2, dilation: [1, 2], pads: [1, 2, 0, 2], dstGap: 3 }, 3);
  });

  it("takes planes of any width", () => {
    for (const inW of [4, 7, 8, 12, 15, 16, 17, 24, 28, 32, 43])
      checkBlocks({ inH: 4, inW, inC: 16, outC: 9, kernel: [3, 3], pads: [1, 1, 1, 1] }, inW, inW % 3 === 0 ? 1 : 4);
    checkBlocks({ batch: 2, inH: 9, inW: 39, inC: 8, outC: 8, kernel: [3, 3], stride: [2, 2], pads: [1, 1, 1, 1] }, 50, 3);
  });

  it("takes planes whose kernel is so wide that columns do not find room beside them", () => {
    checkBlocks({ inH: 1, inW: 16, inC: 8, outC: 16, kernel: [1, 13], pads: [0, 6, 0, 6] }, 1, 1);
    checkBlocks({ inH: 3, inW: 8, inC: 16, outC: 8, kernel: [3, 9], pads: [1, 4, 1, 4] }, 2, 1);
  });

  it("sums extremes exactly", () => {
    const scale = 1e-5;
    for (const [x, w] of [
      [127, 127],
      [-128, -128],
      [127, -128],
      [-128, 127],
      [-128, 64],
      [-128, -64],
      [127, 32],
      [-128, 32],
      [-128, -32],
      [-1, 32],
    ] as const) {
      for (const form of FORMS) {
        checkOne({ inH: 1, inW: 37, inC: 50, outC: 8, fill: { x, w, bias: -7, scale } }, 1, form);
        checkOne({ inH: 3, inW: 24, inC: 16, outC: 8, kernel: [3, 3], fill: { x, w, bias: 9, scale } }, 1, form, 1);
      }
    }
  });
});
