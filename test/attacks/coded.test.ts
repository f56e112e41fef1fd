/** Coded constants in a file: what is written loads to the same memory as uncoded, and hostile streams with sound hashes are refused. */
import { describe, expect, it } from "vitest";
import { compressConstants } from "../../compiler/emit/compress.ts";
import { emitFile } from "../../compiler/emit/emit.ts";
import { encodeBytes } from "../../compiler/emit/entropy.ts";
import * as File from "../../format/file.ts";
import * as Opcode from "../../format/opcodes.ts";
import * as Packing from "../../format/packings.ts";
import * as Fill from "../../format/steps/fill.ts";
import * as Resample from "../../format/steps/resample.ts";
import { codingOf } from "../../host/coding.ts";
import { FormatError } from "../../host/errors.ts";
import { Instance } from "../../host/instance.ts";
import { memoryBytes, stagingBytes } from "../../host/memory-layout.ts";
import { type Constant, type Program, planWords } from "../../host/program.ts";
import { readEqm } from "../../host/reader.ts";
import { decodeWords, encodeWords } from "../../host/varint.ts";
import { verifyProgram } from "../../host/verify.ts";
import { allSections, withSections } from "../support/reseal.ts";
import { constant, plainModule, program, scanner, step } from "../support/small-model.ts";
import { randomSource } from "../support/step-bench.ts";
import { sweep } from "../support/sweep.ts";

const SEED = Number(process.env["FUZZ_SEED"] ?? 20240607);
const ROUNDS = Number(process.env["FUZZ_ROUNDS"] ?? sweep(100, 500));
const OUTPUT = 65536;

/** `length` bytes of few values, which coding makes much smaller. */
function fewValues(seed: number, length: number): Uint8Array {
  const random = randomSource(seed);
  return Uint8Array.from({ length }, () => (random() % 5) + (random() % 5) - 4);
}

/** Values of four bits, all alike often: entropy coding gains nothing. */
function evenly(seed: number, length: number): Uint8Array {
  const random = randomSource(seed);
  return Uint8Array.from({ length }, () => (random() % 16) - 8);
}

/** Weights of which one column is left, with a value for each row. */
function oneColumn(outputs: number, depth: number): Uint8Array {
  return Uint8Array.from({ length: outputs * depth }, (_, i) => (i % depth === 7 ? 1 + i / depth : 0));
}

/** Pair-safe weights, of which each sixteen have a factor. */
function inGroups(seed: number, length: number): Uint8Array {
  const random = randomSource(seed);
  return Uint8Array.from({ length }, (_, i) => ((random() % 15) - 7) * (1 + (((i >> 4) * 5) % 9)));
}

/** Constants of every way to lie in the file, and one step that has nothing to do with them. */
function uncoded(): Program {
  return program({
    outputs: [{ name: "y", dtype: "int8", shape: [4], address: OUTPUT }],
    constants: [
      constant(0, fewValues(1, 30 * 77), Packing.GEMM_I8, 30, 7, 11),
      constant(4096, fewValues(2, 1001)),
      constant(
        8192,
        Uint8Array.from({ length: 300 }, (_, i) => i * 37),
      ),
      constant(12288, fewValues(3, 40 * 9), Packing.DEPTHWISE_3X3_I8, 40),
      constant(16384, fewValues(4, 50 * 25), Packing.DEPTHWISE_I8, 50, 25),
      constant(20480, new Uint8Array(Float32Array.from({ length: 300 }, (_, i) => 1 / (i + 50)).buffer), Packing.CHANNELS_32, 300),
      constant(24576, evenly(5, 9 * 40), Packing.GEMM_I4, 9, 1, 40),
      constant(28672, fewValues(6, 24 * 99), Packing.GEMM_I4, 24, 1, 99),
      constant(32768, oneColumn(20, 60), Packing.GEMM_BLOCKS_1_I8, 20, 60, 3),
      constant(40960, inGroups(9, 24 * 64), Packing.GEMM_PAIR_SAFE_I8, 24, 1, 64),
    ],
    constantsBytes: OUTPUT,
    arenaBytes: 64,
    steps: [step(Opcode.FILL, Fill, { DST: OUTPUT, ELEMENT_BYTES: 1, COUNT: 4, VALUE_LOW: 7 })],
  });
}

function memoryOf(loaded: Program): Uint8Array {
  const instance = new Instance(loaded, plainModule);
  const { constantsBytes, arenaBytes, stagingBytes: staging } = loaded.plan;
  return instance.bytes(0, constantsBytes + Math.max(arenaBytes, staging)).slice();
}

describe("a file with coded constants", () => {
  const plain = uncoded();
  const coded = compressConstants(plain, { groupSize: 16 });
  const file = emitFile(coded, scanner);

  it("codes what becomes smaller, and only that", () => {
    const { RANS, NIBBLES, BLOCKS, GROUPED } = Packing;
    expect(coded.constants.map(({ coding }) => coding?.encoding)).toEqual([
      ...[RANS, RANS, undefined, RANS, RANS, RANS],
      ...[NIBBLES, RANS, BLOCKS, GROUPED],
    ]);
    expect(file.length).toBeLessThan(emitFile(plain, scanner).length * 0.7);
  });

  it("loads to the same memory as without coding, and leaves nothing behind in the arena", () => {
    const memory = memoryOf(readEqm(file, scanner));
    expect(Buffer.compare(memory.subarray(0, OUTPUT), memoryOf(plain).subarray(0, OUTPUT))).toBe(0);
    expect(memory.subarray(OUTPUT).every((byte) => byte === 0)).toBe(true);
  });

  it("decoded and encoded gives the same bytes", () => {
    expect(Buffer.compare(emitFile(readEqm(file, scanner), scanner), file)).toBe(0);
    expect(Buffer.compare(emitFile(compressConstants(uncoded(), { groupSize: 16 }), scanner), file)).toBe(0);
  });

  it("has four-bit weights two to a byte where nothing is to be compressed, and all else as it is", () => {
    const uncompressed = compressConstants(plain, { compression: "none" });
    expect(uncompressed.constants.map(({ coding }) => coding?.encoding)).toEqual([
      ...[undefined, undefined, undefined, undefined, undefined, undefined],
      ...[Packing.NIBBLES, Packing.NIBBLES, undefined, undefined],
    ]);
    const memory = memoryOf(readEqm(emitFile(uncompressed, scanner), scanner));
    expect(Buffer.compare(memory.subarray(0, OUTPUT), memoryOf(plain).subarray(0, OUTPUT))).toBe(0);
  });

  it("has codes of groups two to a byte likewise", () => {
    const uncompressed = compressConstants(plain, { compression: "none", groupSize: 16 });
    const codings = uncompressed.constants.map(({ coding, bytes }) => [coding?.encoding, bytes.length]);
    expect(codings.at(-1)).toEqual([Packing.GROUPED, 16 + (4 + 48) + (4 + 768)]);
    const memory = memoryOf(readEqm(emitFile(uncompressed, scanner), scanner));
    expect(Buffer.compare(memory.subarray(0, OUTPUT), memoryOf(plain).subarray(0, OUTPUT))).toBe(0);
  });

  it("states the memory that decoding takes", () => {
    const { plan, constants } = coded;
    const decoder = (index: number) => constants[index]!.coding!.decoderBytes;
    expect(stagingBytes([constants[0]!])).toBe(Math.ceil((30 * 77) / 64) * 64 + decoder(0));
    expect(stagingBytes([constants[1]!])).toBe(Math.ceil(constants[1]!.bytes.length / 64) * 64 + decoder(1));
    expect(stagingBytes([constants[8]!])).toBe(Math.ceil((20 * 60) / 64) * 64 + decoder(8) + constants[8]!.bytes.length);
    expect(plan.stagingBytes).toBe(Math.max(...constants.map((one) => stagingBytes([one]))));
    const stated = new DataView(file.buffer).getUint32(File.HEADER_MEMORY_BYTES * 4, true);
    expect(stated).toBe(memoryBytes({ planWords: planWords(plan), ...plan }));
  });

  it("names the byte at which a bad stream begins", () => {
    const sections = allSections(file);
    const constants = sections.get(File.CONSTANTS)!;
    const second = coded.constants[0]!.bytes.length;
    constants[second + 300]! ^= 0x10;
    const damaged = withSections(file, sections);
    const loaded = readEqm(damaged, scanner);
    const offset = loaded.constants[1]!.coding!.fileOffset!;
    expect(damaged.subarray(offset, offset + 5)).toEqual(coded.constants[1]!.bytes.subarray(0, 5));
    expect(() => new Instance(loaded, plainModule)).toThrow(
      new FormatError("bad-constants", "Constant 1: its coded bytes are not sound.", offset),
    );
  });

  it("is refused, or loads, whatever stands in its streams and its table", () => {
    const outcomes = { refused: 0, loaded: 0 };
    for (let round = 0; round < ROUNDS * 2; round++) {
      const random = randomSource(SEED + round);
      const sections = allSections(file);
      if (random() % 3) {
        const constants = sections.get(File.CONSTANTS)!;
        for (let n = 1 + (random() % 3); n > 0; n--) constants[random() % constants.length]! ^= 1 + (random() % 255);
      } else {
        const words = decodeWords(sections.get(File.CONSTANTS_TABLE)!, 0, scanner);
        words[random() % words.length] = random() % 2 ? random() % 4096 : random() | 0;
        sections.set(File.CONSTANTS_TABLE, encodeWords(words));
      }
      try {
        new Instance(readEqm(withSections(file, sections), scanner), plainModule).run();
        outcomes.loaded++;
      } catch (error) {
        if (!(error instanceof FormatError)) throw new Error(`FUZZ_SEED=${SEED + round}: ${String(error)}`, { cause: error });
        expect(error.offset).toBeGreaterThan(0);
        outcomes.refused++;
      }
    }
    expect(outcomes.refused).toBeGreaterThan(ROUNDS);
  });
});

describe("a coded constant", () => {
  const withConstants = (constants: readonly Constant[]): Program => ({
    ...uncoded(),
    constants,
    plan: { ...uncoded().plan, stagingBytes: stagingBytes(constants) },
  });
  const codedAs = (base: Constant, bytes: Uint8Array): Constant => ({ ...base, bytes, coding: codingOf(bytes)! });

  it("that claims more than its place holds is refused before anything is allocated", () => {
    const stream = encodeBytes(fewValues(1, 1000), 1);
    new DataView(stream.buffer).setUint32(0, 0x7fffffff, true);
    expect(() => verifyProgram(withConstants([codedAs(constant(0, stream), stream)]))).toThrow(
      "Constant 0 ends at 2147483647, the constants' region at 65536.",
    );
    new DataView(stream.buffer).setUint32(0, 0x80000000, true);
    expect(codingOf(stream)).toBe(undefined);
  });

  it("whose coded bytes are more than its packed ones is refused", () => {
    const base = constant(0, new Uint8Array(64), Packing.CHANNELS_32, 16);
    const bytes = new Uint8Array(100);
    const inflated: Constant = { ...base, bytes, coding: { encoding: Packing.RANS, decodedBytes: 64, decoderBytes: 4608 } };
    expect(() => verifyProgram(withConstants([inflated]))).toThrow(
      "Constant 0: its 100 coded bytes do not fit in the 64 of the packed ones.",
    );
  });

  it("is never the table of RESAMPLE, which is proved before it is decoded", () => {
    const indices = new Uint8Array(new Int32Array(1000).buffer);
    const model = program({
      inputs: [{ name: "x", dtype: "float32", shape: [4], address: 4096 }],
      outputs: [{ name: "y", dtype: "float32", shape: [1000], address: 8192 }],
      constants: [constant(0, indices)],
      constantsBytes: 4096,
      arenaBytes: 8192,
      steps: [
        step(Opcode.RESAMPLE, Resample, {
          ...{ SRC: 4096, DST: 8192, SRC_DTYPE: 1, DST_DTYPE: 1, OUTER: 1, IN_LENGTH: 4, OUT_LENGTH: 1000, INNER: 1 },
          ...{ TAPS: 1, INDICES: 0, WEIGHTS: -1 },
        }),
      ],
    });
    verifyProgram(model);
    expect(compressConstants(model).constants[0]!.coding).toBe(undefined);
    const constants = [codedAs(model.constants[0]!, encodeBytes(indices, 1))];
    const hostile = { ...model, constants, plan: { ...model.plan, stagingBytes: stagingBytes(constants) } };
    expect(() => verifyProgram(hostile)).toThrow("its indices are no constant that stands in the file as it is");
  });
});
