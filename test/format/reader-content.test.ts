/** What the reader makes of metadata and constants. */
import { describe, expect, it } from "vitest";
import * as File from "../../format/file.ts";
import * as Packing from "../../format/packings.ts";
import { readEqm } from "../../host/reader.ts";
import { allSections, withSections } from "../support/reseal.ts";
import { scanner, smallFile } from "../support/small-model.ts";
import { refusal, set, withMetadata, withWords } from "./refusal.ts";

describe("metadata", () => {
  it.each<[string, (metadata: Record<string, unknown>) => unknown, string]>([
    ["no UTF-8", () => "\xff", "A text is no UTF-8. (byte 192)"],
    ["no object", () => "[]", "metadata is not an object. (byte 192)"],
    ["no canonical JSON", () => '{"a": 1}', "A text is no canonical JSON: JSON is not in its canonical form. (byte 192)"],
    ["no outputs", (m) => ({ ...m, outputs: [] }), "The model has no outputs. (byte 192)"],
    [
      "one name twice",
      (m) => ({ ...m, outputs: [(m["outputs"] as unknown[])[0], (m["outputs"] as unknown[])[0]] }),
      'outputs the name "y" stands twice. (byte 192)',
    ],
    [
      "an unknown type",
      (m) => ({ ...m, inputs: [{ name: "x", dtype: "float16", shape: [1], address: 256 }] }),
      "inputs[0].dtype is none of float32, int8, uint8, int32, int64, bool. (byte 192)",
    ],
    [
      "a negative axis",
      (m) => ({ ...m, inputs: [{ name: "x", dtype: "int8", shape: [-1], address: 256 }] }),
      "inputs[0].shape[0] is not an integer from 0 to 2147483647. (byte 192)",
    ],
    [
      "an input among the constants",
      (m) => ({ ...m, inputs: [{ name: "x", dtype: "int8", shape: [4], address: 0 }] }),
      'The tensor "x" takes 4 bytes at 0, the arena is 256 to 512. (byte 192)',
    ],
    [
      "an input behind the arena",
      (m) => ({ ...m, inputs: [{ name: "x", dtype: "int8", shape: [65536, 65536], address: 256 }] }),
      'The tensor "x" takes 4294967296 bytes at 256, the arena is 256 to 512. (byte 192)',
    ],
    [
      "an input out of line",
      (m) => ({ ...m, inputs: [{ name: "x", dtype: "float32", shape: [4], address: 258 }] }),
      'The tensor "x" lies at 258, no multiple of 4. (byte 192)',
    ],
    [
      "a scale that is no float32",
      (m) => ({ ...m, inputs: [{ name: "x", dtype: "int8", shape: [4], address: 256, scale: 0.1, zeroPoint: 0 }] }),
      "inputs[0].scale is not a positive float32. (byte 192)",
    ],
    [
      "a scale of a float",
      (m) => ({ ...m, inputs: [{ name: "x", dtype: "float32", shape: [4], address: 256, scale: 1, zeroPoint: 0 }] }),
      "inputs[0].scale does not go with float32. (byte 192)",
    ],
    [
      "a zero point too low",
      (m) => ({ ...m, inputs: [{ name: "x", dtype: "uint8", shape: [4], address: 256, scale: 1, zeroPoint: -1 }] }),
      "inputs[0].zeroPoint is not an integer from 0 to 255. (byte 192)",
    ],
    [
      "origins of too few steps",
      (m) => ({ ...m, steps: [{ op: "Neg", nodes: [] }] }),
      "The metadata names 1 steps, the plan has 3. (byte 192)",
    ],
    [
      "a bad preprocessing",
      (m) => ({ ...m, preprocess: { channels: "RGB", layout: "NCHW", std: 0 } }),
      'preprocess "std" is 0. (byte 192)',
    ],
    ["labels that are no texts", (m) => ({ ...m, labels: [1] }), "labels[0] is not a text. (byte 192)"],
  ])("with %s is refused", (_name, change, message) => {
    expect(refusal(withMetadata(change))).toEqual({ code: "bad-metadata", message, offset: 192 });
  });

  it("may carry what this version does not know, and reaches no prototype", () => {
    const read = readEqm(
      withMetadata((m) => ({ ...m, zFuture: { x: 1 }, provenance: JSON.parse('{"__proto__":{"polluted":1}}') as unknown })),
      scanner,
    );
    expect(read.metadata.provenance?.["polluted"]).toBe(undefined);
    expect(({} as Record<string, unknown>)["polluted"]).toBe(undefined);
    expect(Object.keys(read.metadata)).not.toContain("zFuture");
  });
});

describe("constants", () => {
  const row = (word: number) => 1 + word;

  it.each([
    [Packing.PACKED_BYTES, 255, "bad-constants", "Constant 0: 256 bytes of packing 0 (0, 0, 0) do not become 255."],
    [Packing.PACKING, 77, "bad-constants", "Constant 0: 256 bytes of packing 77 (0, 0, 0) do not become 256."],
    [Packing.FILE_BYTES, 257, "bad-constants", "Constant 0: its 257 bytes at 0 are not in the file."],
    [Packing.FILE_OFFSET, 1, "bad-constants", "Constant 0: its 256 bytes at 1 are not in the file."],
    [Packing.FILE_OFFSET, -1, "bad-constants", "Constant 0: its 256 bytes at -1 are not in the file."],
    [Packing.ENCODING, 5, "bad-constants", "Constant 0: encoding 5 is not known to this version: update eqm."],
    [Packing.ENCODING, Packing.NIBBLES, "bad-constants", "Constant 0: its 256 coded bytes have no sound head."],
    [Packing.ENCODING, Packing.BLOCKS, "bad-constants", "Constant 0: its 256 coded bytes have no sound head."],
    [Packing.ENCODING, Packing.GROUPED, "bad-constants", "Constant 0: its 256 coded bytes have no sound head."],
    [Packing.ENCODING, Packing.RANS, "bad-constants", "Constant 0: its 256 coded bytes have no sound head."],
    [Packing.P0, 3, "bad-constants", "Constant 0: 256 bytes of packing 0 (3, 0, 0) do not become 256."],
    [Packing.ADDRESS, 32, "bad-constants", "Constant 0: its address 32 is no multiple of 64."],
    [Packing.ADDRESS, -64, "bad-constants", "Constant 0: its address -64 is below 0, where the one before it ends."],
    [Packing.ADDRESS, 64, "bad-constants", "Constant 0 ends at 320, the constants' region at 256."],
  ])("with word %i set to %i are refused", (word, value, code, message) => {
    const { offset, ...rest } = refusal(withWords(File.CONSTANTS_TABLE, set(row(word), value)));
    expect(rest).toEqual({ code, message: `${message} (byte ${offset})` });
  });

  it("leave no byte of their section unused", () => {
    const sections = allSections(smallFile());
    expect(refusal(withSections(smallFile(), sections.set(File.CONSTANTS, new Uint8Array(260))))).toMatchObject({
      code: "bad-constants",
      message: expect.stringContaining("holds bytes that no constant uses") as string,
    });
  });

  it("of every packing are refused where sizes and parameters disagree", () => {
    const cases: [number, number, number, number, number, boolean][] = [
      [Packing.GEMM_I8, 24, 2, 3, 4, true],
      [Packing.GEMM_I8, 48, 2, 3, 4, true],
      [Packing.GEMM_I8, 25, 2, 3, 4, false],
      [Packing.GEMM_I8, 24, 2, 0, 4, false],
      [Packing.GEMM_I8, 24, -2, -3, 4, false],
      [Packing.GEMM_I8, 4, 0x7fffffff, 1, 1, false],
      [Packing.GEMM_PAIR_SAFE_I8, 24, 2, 3, 4, true],
      [Packing.GEMM_PAIR_SAFE_I8, 18, 2, 3, 3, true],
      [Packing.GEMM_PAIR_SAFE_I8, 30, 2, 3, 5, false],
      [Packing.GEMM_PAIR_SAFE_I8, 10, 2, 1, 5, true],
      [Packing.GEMM_PAIR_SAFE_I8, 11, 2, 1, 5, false],
      [Packing.GEMM_RUN_SAFE_I8, 24, 2, 3, 4, false],
      [Packing.GEMM_RUN_SAFE_I8, 48, 2, 3, 8, true],
      [Packing.GEMM_RUN_SAFE_I8, 10, 2, 1, 5, true],
      [Packing.GEMM_I4, 24, 2, 3, 4, true],
      [Packing.GEMM_I4, 18, 2, 3, 3, true],
      [Packing.GEMM_I4, 30, 2, 3, 5, false],
      [Packing.GEMM_I4, 10, 2, 1, 5, true],
      [Packing.GEMM_I4, 11, 2, 1, 5, false],
      [Packing.GEMM_F32, 24, 2, 3, 0, true],
      [Packing.GEMM_F32, 24, 2, 3, 1, false],
      [Packing.DEPTHWISE_I8, 27, 3, 9, 0, true],
      [Packing.DEPTHWISE_I8, 54, 3, 9, 0, false],
      [Packing.DEPTHWISE_3X3_I8, 27, 3, 0, 0, true],
      [Packing.DEPTHWISE_3X3_I8, 26, 3, 0, 0, false],
      [Packing.DEPTHWISE_F32, 108, 3, 9, 0, true],
      [Packing.CHANNELS_32, 12, 3, 0, 0, true],
      [Packing.CHANNELS_32, 12, 3, 1, 0, false],
      [Packing.COPY, 0, 0, 0, 0, false],
    ];
    for (const [packing, bytes, p0, p1, p2, holds] of cases)
      expect(Packing.packingHolds(packing, bytes, p0, p1, p2), `${packing} ${bytes} ${p0} ${p1} ${p2}`).toBe(holds);
  });
});
