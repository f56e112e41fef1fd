/** What claims to be pair-safe, run-safe, or of four bits, is proved, whatever the build. */
import { describe, expect, it } from "vitest";
import { INT8 } from "../../format/dtypes.ts";
import * as Opcode from "../../format/opcodes.ts";
import * as Packing from "../../format/packings.ts";
import * as ConvI8 from "../../format/steps/conv-i8.ts";
import * as TableI8 from "../../format/steps/table-i8.ts";
import { openProgram } from "../../host/inspection.ts";
import type { Program } from "../../host/program.ts";
import { constant, plainModule, program, step } from "../support/small-model.ts";

/** Weights at 0 (8 × 8 and eight int32; of four bits, 80 bytes), biases at 128, scales at 192; x at 256, y at 320, scratch from 384. */
function layer(
  changes: Readonly<Record<string, number>> = {},
  weights = new Int8Array(64).fill(64),
  more: readonly Int32Array[] = [],
  packing = Packing.GEMM_PAIR_SAFE_I8,
): Program {
  const fields = {
    ...{ SRC: 256, DST: 320, WEIGHTS: 0, BIAS: 128, SCALE: 192, SCRATCH: 384, BATCH: 1, IN_H: 1, IN_W: 1, IN_C: 8, OUT_H: 1, OUT_W: 1 },
    ...{ OUT_C: 8, KERNEL_H: 1, KERNEL_W: 1, STRIDE_H: 1, STRIDE_W: 1, DILATION_H: 1, DILATION_W: 1, GROUPS: 1, SRC_PITCH: 8 },
    ...{ DST_PITCH: 8, MIN: -128, MAX: 127, OUT_DTYPE: INT8, ROW_BLOCK: 4, BOUNDED: 1, PAIR_SAFE: 1, WEIGHT_BITS: 8 },
  };
  const channels = new Uint8Array(32);
  return program({
    inputs: [{ name: "x", dtype: "int8", shape: [8], address: 256 }],
    outputs: [{ name: "y", dtype: "int8", shape: [8], address: 320 }],
    constants: [
      constant(0, new Uint8Array(weights.buffer), packing, 8, 1, 8),
      constant(128, channels, Packing.CHANNELS_32, 8),
      constant(192, channels, Packing.CHANNELS_32, 8),
    ],
    constantsBytes: 256,
    steps: [step(Opcode.CONV_I8, ConvI8, { ...fields, ...changes }), ...more],
  });
}

describe("a layer that is marked PAIR_SAFE", () => {
  it("is taken where its weights are", () => {
    expect(() => openProgram(layer(), plainModule)).not.toThrow();
  });

  it("is refused where a pair is over the limit", () => {
    const weights = new Int8Array(64).fill(64);
    weights[41] = 65;
    expect(() => openProgram(layer({}, weights), plainModule)).toThrow(
      expect.objectContaining({
        name: "FormatError",
        code: "bad-constants",
        message: "Constant 0: it claims to be pair-safe, and a pair of its weights is not.",
        details: { constant: 0 },
      }),
    );
  });

  it.each<[string, Readonly<Record<string, number>>, string]>([
    ["other weights", { WEIGHTS: 64 }, "it is marked PAIR_SAFE, its weights are not"],
    ["another shape", { IN_C: 4, SRC_PITCH: 4 }, "its pair-safe weights are of another shape"],
    ["fewer outputs", { OUT_C: 7 }, "its pair-safe weights are of another shape"],
    ["no mark", { PAIR_SAFE: 0 }, "it reads pair-safe weights as something else"],
    ["another mark", { PAIR_SAFE: 2 }, "it is marked BLOCKS_OF_1, its weights are not"],
    ["the mark of run-safe weights", { PAIR_SAFE: 5 }, "it is marked RUN_SAFE, its weights are not"],
    ["a mark that is none", { PAIR_SAFE: 6 }, "not so: PAIR_SAFE is 0 to 5"],
    ["its input among them", { SRC: 0 }, "it reads pair-safe weights as something else"],
  ])("is refused with %s", (_, changes, problem) => {
    expect(() => openProgram(layer(changes), plainModule)).toThrow(`Step 0 (CONV_I8): ${problem}.`);
  });

  it("lends its weights to no other step", () => {
    const table = step(Opcode.TABLE_I8, TableI8, { SRC: 90, DST: 320, TABLE: 128, ROWS: 1, COLUMNS: 6, SRC_PITCH: 6, DST_PITCH: 6 });
    expect(() => openProgram(layer({}, undefined, [table]), plainModule)).toThrow(
      "Step 1 (TABLE_I8): it reads pair-safe weights as something else.",
    );
  });
});

describe("a layer that is marked RUN_SAFE", () => {
  const open = (weights: ReturnType<typeof small>, changes: Readonly<Record<string, number>> = {}) =>
    openProgram(layer({ PAIR_SAFE: ConvI8.RUN_SAFE, ...changes }, weights, [], Packing.GEMM_RUN_SAFE_I8), plainModule);
  const small = () => Int8Array.from({ length: 64 }, (_, i) => (i % 2 ? 64 : -64));

  it("is taken where its weights are", () => {
    expect(() => open(small())).not.toThrow();
  });

  it.each([65, -128])("is refused where a run is over the limit, by a weight of %i", (value) => {
    for (const at of [1, 6, 37, 62]) {
      const weights = small();
      weights[at] = value < 0 && at % 2 ? 65 : value;
      expect(() => open(weights)).toThrow(
        expect.objectContaining({
          name: "FormatError",
          code: "bad-constants",
          message: "Constant 0: it claims to be run-safe, and a run of its weights is not.",
        }),
      );
    }
  });

  it.each<[string, Readonly<Record<string, number>>, string]>([
    ["another shape", { IN_C: 4, SRC_PITCH: 4 }, "its run-safe weights are of another shape"],
    ["no mark", { PAIR_SAFE: 0 }, "it reads run-safe weights as something else"],
    ["the mark of pair-safe weights", { PAIR_SAFE: 1 }, "it is marked PAIR_SAFE, its weights are not"],
    ["its input among them", { SRC: 0 }, "it reads run-safe weights as something else"],
  ])("is refused with %s", (_, changes, problem) => {
    expect(() => open(small(), changes)).toThrow(`Step 0 (CONV_I8): ${problem}.`);
  });
});

describe("a layer that is marked WEIGHT_BITS 4", () => {
  const four = { WEIGHT_BITS: 4, PAIR_SAFE: 0 };
  const small = () => Int8Array.from({ length: 64 }, (_, i) => (i % 16) - 8);
  const open = (changes: Readonly<Record<string, number>>, weights = small(), more: readonly Int32Array[] = []) =>
    openProgram(layer({ ...four, ...changes }, weights, more, Packing.GEMM_I4), plainModule);

  it("is taken where its weights are", () => {
    expect(() => open({})).not.toThrow();
  });

  it.each([8, -9, 127, -128, 16, -16])("is refused where a weight is %i", (value) => {
    for (const at of [0, 3, 37, 63]) {
      const weights = small();
      weights[at] = value;
      expect(() => open({}, weights)).toThrow(
        expect.objectContaining({
          name: "FormatError",
          code: "bad-constants",
          message: "Constant 0: it claims to be of four bits, and one of its weights is not.",
          details: { constant: 0 },
        }),
      );
    }
  });

  it.each<[string, Readonly<Record<string, number>>, string]>([
    ["other weights", { WEIGHTS: 64 }, "it is marked WEIGHT_BITS 4, its weights are not"],
    ["another shape", { IN_C: 4, SRC_PITCH: 4 }, "its four-bit weights are of another shape"],
    ["fewer outputs", { OUT_C: 7 }, "its four-bit weights are of another shape"],
    ["no mark", { WEIGHT_BITS: 8 }, "it reads four-bit weights as something else"],
    ["the mark of pair-safe weights", { WEIGHT_BITS: 8, PAIR_SAFE: 1 }, "it is marked PAIR_SAFE, its weights are not"],
    ["both marks", { PAIR_SAFE: 1 }, "not so: WEIGHT_BITS is 8, or 4 where PAIR_SAFE is 0"],
    ["a mark that is none", { WEIGHT_BITS: 5 }, "not so: WEIGHT_BITS is 8, or 4 where PAIR_SAFE is 0"],
    ["its input among them", { SRC: 0 }, "it reads four-bit weights as something else"],
  ])("is refused with %s", (_, changes, problem) => {
    expect(() => open(changes)).toThrow(`Step 0 (CONV_I8): ${problem}.`);
  });

  it("does not pass for pair-safe", () => {
    expect(() => openProgram(layer(four, small()), plainModule)).toThrow(
      "Step 0 (CONV_I8): it is marked WEIGHT_BITS 4, its weights are not.",
    );
  });

  it("lends its weights to no other step", () => {
    const table = step(Opcode.TABLE_I8, TableI8, { SRC: 70, DST: 320, TABLE: 128, ROWS: 1, COLUMNS: 6, SRC_PITCH: 6, DST_PITCH: 6 });
    expect(() => open({}, small(), [table])).toThrow("Step 1 (TABLE_I8): it reads four-bit weights as something else.");
  });
});

describe("a layer that is marked to be of blocks", () => {
  // Columns 1 and 6 of eight are left: a quad of 1 column each, or two pairs of 2.
  const sparse = () => Int8Array.from({ length: 64 }, (_, i) => (i % 8 === 1 || i % 8 === 6 ? 9 : 0));
  const open = (
    changes: Readonly<Record<string, number>>,
    quads = 1,
    weights = sparse(),
    columns: 1 | 2 = 1,
    more: readonly Int32Array[] = [],
  ) => {
    const packing = columns === 1 ? Packing.GEMM_BLOCKS_1_I8 : Packing.GEMM_BLOCKS_2_I8;
    const mark = columns === 1 ? ConvI8.BLOCKS_OF_1 : ConvI8.BLOCKS_OF_2;
    const dense = layer({ PAIR_SAFE: mark, ...changes }, weights, more, packing);
    const [first, ...rest] = dense.constants;
    return openProgram({ ...dense, constants: [{ ...first!, p1: 8, p2: quads }, ...rest] }, plainModule);
  };

  it("is taken where its weights are", () => {
    expect(() => open({})).not.toThrow();
    expect(() => open({}, 1, sparse(), 2)).not.toThrow();
    expect(() => open({}, 0, new Int8Array(64))).not.toThrow();
  });

  it.each([
    [0, 1],
    [0, 2],
    [2, 2],
  ] as const)("is refused where its weights are said to be %i quads in blocks of %i", (quads, columns) => {
    expect(() => open({}, quads, sparse(), columns)).toThrow(
      expect.objectContaining({
        name: "FormatError",
        code: "bad-constants",
        message: `Constant 0: what is not zero of it is not what it claims, ${quads}.`,
        details: { constant: 0 },
      }),
    );
  });

  it.each([-1, 5, 2 ** 30])("is refused where there cannot be %i quads", (quads) => {
    expect(() => open({}, quads)).toThrow(expect.objectContaining({ code: "bad-constants" }));
  });

  it.each<[string, Readonly<Record<string, number>>, string]>([
    ["other weights", { WEIGHTS: 64 }, "it is marked BLOCKS_OF_1, its weights are not"],
    ["other blocks", { PAIR_SAFE: 3 }, "it is marked BLOCKS_OF_2, its weights are not"],
    ["another form", { PAIR_SAFE: 4 }, "it is marked SCATTERED, its weights are not"],
    ["another shape", { IN_C: 4, SRC_PITCH: 4 }, "its sparse weights are of another shape"],
    ["fewer outputs", { OUT_C: 7 }, "its sparse weights are of another shape"],
    ["no mark", { PAIR_SAFE: 0 }, "it reads sparse weights as something else"],
    ["the mark of pair-safe weights", { PAIR_SAFE: 1 }, "it is marked PAIR_SAFE, its weights are not"],
    ["the mark of four bits beside", { WEIGHT_BITS: 4 }, "not so: WEIGHT_BITS is 8, or 4 where PAIR_SAFE is 0"],
    ["its input among them", { SRC: 0 }, "it reads sparse weights as something else"],
  ])("is refused with %s", (_, changes, problem) => {
    expect(() => open(changes)).toThrow(`Step 0 (CONV_I8): ${problem}.`);
  });

  it("lends its weights to no other step", () => {
    const table = step(Opcode.TABLE_I8, TableI8, { SRC: 90, DST: 320, TABLE: 128, ROWS: 1, COLUMNS: 6, SRC_PITCH: 6, DST_PITCH: 6 });
    expect(() => open({}, 1, sparse(), 1, [table])).toThrow("Step 1 (TABLE_I8): it reads sparse weights as something else.");
  });
});

describe("a layer that is marked SCATTERED", () => {
  // Each of eight outputs has two weights of eight.
  const sparse = () => Int8Array.from({ length: 64 }, (_, i) => (i % 8 === i >> 3 || i % 8 === (i >> 3) % 3 ? 9 : 0));
  const open = (pairs: number, weights = sparse()) => {
    const { constants, ...rest } = layer({ PAIR_SAFE: ConvI8.SCATTERED }, weights, [], Packing.GEMM_SCATTERED_I8);
    const [first, ...others] = constants;
    return openProgram({ ...rest, constants: [{ ...first!, p1: 8, p2: pairs }, ...others] }, plainModule);
  };

  it("is taken where its weights are", () => {
    expect(() => open(8)).not.toThrow();
    expect(() => open(0, new Int8Array(64))).not.toThrow();
  });

  it.each([0, 7])("is refused where its weights are said to be %i pairs", (pairs) => {
    expect(() => open(pairs)).toThrow(`Constant 0: what is not zero of it is not what it claims, ${pairs}.`);
  });

  it("is refused where its weights are said to be more pairs than they are", () => {
    const few = sparse().map((w, i) => (i < 32 ? w : 0));
    expect(() => open(4, few)).not.toThrow();
    expect(() => open(5, few)).toThrow("Constant 0: what is not zero of it is not what it claims, 5.");
  });
});
