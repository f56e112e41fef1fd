import { expect, it } from "vitest";
import { FormatError } from "../../host/errors.ts";
import { decodeWords, encodeWords, wordOffset } from "../../host/varint.ts";
import { scanner } from "../support/small-model.ts";
import { randomSource } from "../support/step-bench.ts";

it("writes zigzag LEB128", () => {
  expect([...encodeWords([0, -1, 1, -2, 63, -64, 64, 8191, 8192, 0x7fffffff, -0x80000000])]).toEqual([
    0, 1, 2, 3, 126, 127, 0x80, 1, 0xfe, 0x7f, 0x80, 0x80, 1, 0xfe, 0xff, 0xff, 0xff, 0x0f, 0xff, 0xff, 0xff, 0xff, 0x0f,
  ]);
});

it("reads back every kind of word", () => {
  const random = randomSource(3);
  const words = Int32Array.from({ length: 5000 }, () => (random() | 0) >> (random() % 32));
  const bytes = encodeWords(words);
  expect(decodeWords(bytes, 0, scanner)).toEqual(words);
  expect(wordOffset(bytes, 1234)).toBe(encodeWords(words.subarray(0, 1234)).length);
});

it("reads back more than a page holds, wherever its pieces end", () => {
  const random = randomSource(5);
  for (let shift = 0; shift < 6; shift++) {
    const words = Int32Array.from({ length: 30000 + shift }, (_, i) => (i < shift ? 0 : (random() | 0) >> (i < 20000 ? 0 : random() % 32)));
    expect(decodeWords(encodeWords(words), 0, scanner)).toEqual(words);
  }
  expect(decodeWords(new Uint8Array(0), 0, scanner)).toEqual(new Int32Array(0));
});

it("says where a number is wrong, however far behind", () => {
  for (const before of [0, 12794, 12795, 12796, 12799, 12800, 12801, 40000]) {
    for (const [bytes, problem] of [
      [[0x80, 0x00], "is not in its shortest form"],
      [[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01], "is longer than 32 bits"],
      [[0xff, 0xff, 0xff, 0xff, 0x80, 0x00], "is longer than 32 bits"],
      [[0x80, 0x80, 0x80, 0x80, 0x00], "is not in its shortest form"],
    ] as const) {
      const stream = new Uint8Array(before + bytes.length + 3);
      stream.set(bytes, before);
      expect(() => decodeWords(stream, 7, scanner)).toThrow(`A number ${problem}. (byte ${before + 7})`);
    }
  }
});

it.each([
  [[0x05, 0x80], "A number is cut off. (byte 101)", 101],
  [[0x05, 0x80, 0x00], "A number is not in its shortest form. (byte 101)", 101],
  [[0xff, 0xff, 0xff, 0xff, 0x1f], "A number is longer than 32 bits. (byte 100)", 100],
  [[0x02, 0xff, 0xff, 0xff, 0xff, 0x8f, 0x01], "A number is longer than 32 bits. (byte 101)", 101],
])("refuses %j", (bytes, message, offset) => {
  let thrown: unknown;
  try {
    decodeWords(Uint8Array.from(bytes), 100, scanner);
  } catch (error) {
    thrown = error;
  }
  expect(thrown).toBeInstanceOf(FormatError);
  expect(thrown).toMatchObject({ code: "bad-varint", message, offset });
});
