import { expect, it } from "vitest";
import { FormatError } from "../../host/errors.ts";
import { decodeWords, encodeWords, wordOffset } from "../../host/varint.ts";
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
  expect(decodeWords(bytes, 0)).toEqual(words);
  expect(wordOffset(bytes, 1234)).toBe(encodeWords(words.subarray(0, 1234)).length);
});

it.each([
  [[0x05, 0x80], "A number is cut off. (byte 101)", 101],
  [[0x05, 0x80, 0x00], "A number is not in its shortest form. (byte 101)", 101],
  [[0xff, 0xff, 0xff, 0xff, 0x1f], "A number is longer than 32 bits. (byte 100)", 100],
  [[0x02, 0xff, 0xff, 0xff, 0xff, 0x8f, 0x01], "A number is longer than 32 bits. (byte 101)", 101],
])("refuses %j", (bytes, message, offset) => {
  let thrown: unknown;
  try {
    decodeWords(Uint8Array.from(bytes), 100);
  } catch (error) {
    thrown = error;
  }
  expect(thrown).toBeInstanceOf(FormatError);
  expect(thrown).toMatchObject({ code: "bad-varint", message, offset });
});
