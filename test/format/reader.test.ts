/** What the reader makes of the header, the section table, the plan and the file as a whole. */
import { describe, expect, it } from "vitest";
import { emitFile } from "../../compiler/emit/emit.ts";
import * as File from "../../format/file.ts";
import * as Opcode from "../../format/opcodes.ts";
import * as Fill from "../../format/steps/fill.ts";
import * as TableI8 from "../../format/steps/table-i8.ts";
import { FormatError } from "../../host/errors.ts";
import { memoryBytes } from "../../host/memory-layout.ts";
import { planWords } from "../../host/program.ts";
import { readEqm } from "../../host/reader.ts";
import { allSections, reseal, withSections } from "../support/reseal.ts";
import { constant, program, scanner, smallFile, smallProgram, step } from "../support/small-model.ts";
import { exchangeEnds, refusal, set, withWord, withWords } from "./refusal.ts";

describe("the header", () => {
  it("must begin with the magic", () => {
    expect(refusal(new Uint8Array(0))).toEqual({
      code: "not-eqm",
      message: "This is not a .eqm file: it starts with nothing, it is empty. Compile the model with `eqm compile`. (byte 0)",
      offset: 0,
    });
    expect(refusal(Buffer.from("<!doctype html>"))).toEqual({
      code: "not-eqm",
      message: "This is not a .eqm file: it starts with 3c 21 64 6f. Compile the model with `eqm compile`. (byte 0)",
      offset: 0,
    });
  });

  it("of a newer version says to update eqm", () => {
    expect(refusal(withWord(4, 2))).toEqual({
      code: "newer-version",
      message: "The file is of format version 2, this eqm reads version 1: update eqm. (byte 4)",
      offset: 4,
    });
    expect(refusal(withWord(4, 0))).toEqual({ code: "bad-header", message: "There is no format version 0. (byte 4)", offset: 4 });
  });

  it("must state the file's size", () => {
    const file = smallFile();
    expect(refusal(file.subarray(0, 100))).toEqual({
      code: "truncated",
      message: `The file is cut off: 100 of ${file.length} bytes are there. Copy or download it again. (byte 100)`,
      offset: 100,
    });
  });

  it("must carry its own hash", () => {
    const file = smallFile();
    file[20]! ^= 1;
    expect(refusal(file)).toEqual({
      code: "hash-mismatch",
      message: "The header is damaged: its hash does not match. Copy or download the file again. (byte 32)",
      offset: 32,
    });
  });

  it("must be of the same step layouts", () => {
    expect(refusal(withWord(File.HEADER_ABI * 4, 12345))).toEqual({
      code: "other-layouts",
      message:
        "The file was compiled by another version of eqm, with steps that this one does not know or lays out differently: compile it again, or update eqm. (byte 16)",
      offset: 16,
    });
  });

  it("must state the memory that the plan takes, neither more nor less", () => {
    expect(refusal(withWord(File.HEADER_MEMORY_BYTES * 4, 131072))).toEqual({
      code: "memory-mismatch",
      message: "The header states 131072 bytes of memory, the plan takes 65536. (byte 20)",
      offset: 20,
    });
    expect(refusal(withWord(File.HEADER_MEMORY_BYTES * 4, 0)).code).toBe("memory-mismatch");
  });

  it("keeps its reserved words 0", () => {
    expect(refusal(withWord(File.HEADER_RESERVED * 4, 1))).toEqual({
      code: "bad-header",
      message: "Word 7 of the header is reserved and not 0. (byte 28)",
      offset: 28,
    });
    expect(refusal(withWord(File.HEADER_THREAD_BYTES * 4, 1)).offset).toBe(24);
  });

  it("counts no more sections than there can be", () => {
    expect(refusal(withWord(File.HEADER_SECTIONS * 4, 65))).toEqual({
      code: "bad-header",
      message: "The header counts 65 sections, more than 64. (byte 12)",
      offset: 12,
    });
    expect(refusal(withWord(File.HEADER_SECTIONS * 4, 64))).toEqual({
      code: "bad-header",
      message: "The table of 64 sections does not fit the file. (byte 12)",
      offset: 12,
    });
  });
});

describe("the section table", () => {
  const row = (i: number, word: number) => File.HEADER_BYTES + i * File.SECTION_BYTES + word * 4;

  it("holds known kinds in ascending order, each once", () => {
    expect(refusal(withWord(row(3, File.SECTION_KIND), File.SIGNATURE))).toEqual({
      code: "bad-section",
      message: "Section 3: kind 7 is not known to this version: update eqm. (byte 112)",
      offset: 112,
    });
    expect(refusal(withWord(row(1, File.SECTION_KIND), File.METADATA))).toEqual({
      code: "bad-section",
      message: "Section 1: kind 1 comes behind kind 1. (byte 64)",
      offset: 64,
    });
  });

  it("leaves no hole and no overlap", () => {
    const file = smallFile();
    const offset = new DataView(file.buffer).getUint32(row(1, File.SECTION_OFFSET), true);
    for (const wrong of [offset + 64, offset - 64, 0, 0xffffffc0]) {
      expect(refusal(withWord(row(1, File.SECTION_OFFSET), wrong))).toEqual({
        code: "bad-section",
        message: `Section 1: it starts at ${wrong}, not at ${offset}. (byte 68)`,
        offset: 68,
      });
    }
    expect(refusal(withWord(row(0, File.SECTION_LENGTH), 0xffffffff))).toMatchObject({ code: "bad-section", offset: 48 });
  });

  it("is padded with zeros", () => {
    const file = smallFile();
    const tableEnd = File.HEADER_BYTES + 4 * File.SECTION_BYTES;
    file[tableEnd] = 1;
    expect(refusal(reseal(file))).toEqual({
      code: "bad-padding",
      message: `A byte between sections is not 0. (byte ${tableEnd})`,
      offset: tableEnd,
    });
  });

  it("has every section that is needed", () => {
    const sections = allSections(smallFile());
    sections.delete(File.PLAN);
    expect(refusal(withSections(smallFile(), sections))).toEqual({
      code: "bad-section",
      message: "The section PLAN is missing. (byte 12)",
      offset: 12,
    });
    expect(refusal(withSections(smallFile(), new Map())).message).toBe("The section METADATA is missing. (byte 12)");
  });

  it("reaches the end of the file", () => {
    const file = smallFile();
    const longer = new Uint8Array(file.length + 64);
    longer.set(file);
    new DataView(longer.buffer).setUint32(File.HEADER_FILE_BYTES * 4, longer.length, true);
    expect(refusal(reseal(longer))).toMatchObject({ code: "trailing-bytes", offset: file.length });
  });
});

describe("the plan", () => {
  it.each<[string, (words: Int32Array) => ArrayLike<number>, string, RegExp]>([
    ["fewer words than its header", () => [1, 2], "bad-plan", /^The plan is shorter than its header\./],
    ["a wrong number of words", set(4, 1), "bad-plan", /^The plan says 1 words, it has 39\./],
    ["a wrong number of steps", set(3, 4), "bad-plan", /^The plan says 4 steps, it has 3\./],
    ["a step of length 0", set(6, 0), "bad-plan", /^Step 0 says 0 words, the plan has 39 left\./],
    ["a step of negative length", set(6, -6), "bad-plan", /^Step 0 says -6 words, the plan has 39 left\./],
    ["an unknown opcode", set(5, 999), "bad-step", /^Step 0: there is no opcode 999 in this version: update eqm/],
    ["steps that are not those of its checksum", set(5, Opcode.FILL), "other-layouts", /^The file was compiled by another version/],
    ["a step of another's length", exchangeEnds, "bad-step", /^Step 0 \(FILL\): it has 9 words, not 7\./],
    ["a read before the data", set(7, -1), "bad-step", /^Step 0 \(TABLE_I8\): it reads 6 bytes at -1, the data ends at 512\./],
    ["a read behind the data", set(7, 507), "bad-step", /^Step 0 \(TABLE_I8\): it reads 6 bytes at 507, the data ends at 512\./],
    ["a write into constants", set(8, 250), "bad-step", /^Step 0 \(TABLE_I8\): it writes 6 bytes at 250, the arena is 256 to 512\./],
    ["a write behind the arena", set(8, 507), "bad-step", /^Step 0 \(TABLE_I8\): it writes 6 bytes at 507, the arena is 256 to 512\./],
    [
      "a count that overflows",
      set(10, 0x7fffffff),
      "bad-step",
      /^Step 0 \(TABLE_I8\): it reads 12884901882 bytes at 256, the data ends at 512\./,
    ],
    ["a count below 1", set(10, 0), "bad-step", /^Step 0 \(TABLE_I8\): not so: sizes are positive\./],
    ["a negative arena", set(1, -1), "bad-plan", /^The plan's arenaBytes is -1\./],
    ["constants out of line", set(0, 257), "bad-plan", /^The plan's constantsBytes is 257, no multiple of 64\./],
    ["staging that no constant needs", set(2, 64), "bad-plan", /^The plan's stagingBytes is 64, its constants need 0\./],
    [
      "an arena beyond the address space",
      set(1, 0x7fffffff),
      "too-much-memory",
      /^The plan wants 2147483903 bytes of data, more than 2147418112\./,
    ],
  ])("with %s is refused", (_name, change, code, message) => {
    const refused = refusal(withWords(File.PLAN, change));
    expect(refused.code).toBe(code);
    expect(refused.message).toMatch(message);
  });

  it("names the byte at which a step begins", () => {
    const file = withWords(File.PLAN, set(5 + 9 + 23, 999));
    const { offset, code } = refusal(file);
    expect(code).toBe("bad-step");
    expect(file[offset!]! | ((file[offset! + 1]! & 0x7f) << 7)).toBe(((999 * 2) & 0x7f) | 0x80 | (((999 * 2) >> 7) << 7));
  });
});

describe("a file", () => {
  it("decoded and encoded gives the same bytes", () => {
    const file = smallFile();
    expect(Buffer.compare(emitFile(readEqm(file, scanner), scanner), file)).toBe(0);
  });

  it("decodes to the program that it was written from", () => {
    expect(readEqm(smallFile(), scanner)).toEqual(smallProgram());
  });

  it("holds equal constants once", () => {
    const weights = Uint8Array.from({ length: 1000 }, (_, i) => i * 7);
    const build = (second: Uint8Array) =>
      program({
        outputs: [{ name: "y", dtype: "int8", shape: [4], address: 2048 }],
        constants: [constant(0, weights), constant(1024, second)],
        constantsBytes: 2048,
        steps: [step(Opcode.FILL, Fill, { DST: 2048, ELEMENT_BYTES: 1, COUNT: 4, VALUE_LOW: 7 })],
      });
    const once = emitFile(build(weights.slice()), scanner);
    const other = weights.slice();
    other[999]! ^= 1;
    const twice = emitFile(build(other), scanner);
    expect(twice.length - once.length).toBeGreaterThan(900);
    expect(readEqm(once, scanner)).toEqual(build(weights));
    expect(Buffer.compare(emitFile(readEqm(once, scanner), scanner), once)).toBe(0);
  });

  it("is not written from a program that does not hold", () => {
    const { metadata, constants, plan } = smallProgram();
    const steps = [step(Opcode.TABLE_I8, TableI8, { SRC: 256, DST: 0, TABLE: 0, ROWS: 1, COLUMNS: 6, SRC_PITCH: 6, DST_PITCH: 6 })];
    expect(() => emitFile({ metadata: { ...metadata, steps: [] }, constants, plan: { ...plan, steps } }, scanner)).toThrow(
      new FormatError("bad-step", "Step 0 (TABLE_I8): it writes 6 bytes at 0, the arena is 256 to 512.", undefined),
    );
  });

  it("states memory that grows with plan, constants, arena and staging, page by page", () => {
    const needs = { planWords: 6, constantsBytes: 0, arenaBytes: 0, stagingBytes: 0 };
    const fits = 65536 - 128 - 1088;
    expect(memoryBytes({ ...needs, arenaBytes: fits })).toBe(65536);
    expect(memoryBytes({ ...needs, arenaBytes: fits + 1 })).toBe(131072);
    expect(memoryBytes({ ...needs, constantsBytes: 64, arenaBytes: fits - 64 })).toBe(65536);
    expect(memoryBytes({ ...needs, stagingBytes: fits + 1, arenaBytes: 100 })).toBe(131072);
    expect(memoryBytes({ ...needs, planWords: 6 + 16, arenaBytes: fits })).toBe(131072);
    expect(planWords(smallProgram().plan)).toBe(39);
  });
});
