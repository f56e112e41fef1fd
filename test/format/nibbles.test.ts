/** Values of four bits, two to a byte: the compiler's encoder and the runtime's decoder. */
import { describe, expect, it } from "vitest";
import { encodeNibbles, isOfFourBits } from "../../compiler/emit/nibbles.ts";
import { nibblesBytes } from "../../format/nibbles.ts";
import { NIBBLES, RANS } from "../../format/packings.ts";
import * as Status from "../../format/status.ts";
import { codingOf } from "../../host/coding.ts";
import { type Decoded, decodeBetweenCanaries } from "../support/decoder-bench.ts";
import { randomSource } from "../support/step-bench.ts";

const decode = (stream: Uint8Array, count: number): Decoded => decodeBetweenCanaries("decodeNibbles", stream, count);

function values(count: number, seed: number): Uint8Array {
  const next = randomSource(seed);
  return Uint8Array.from({ length: count }, () => (next() % 16) - 8);
}

describe("values of four bits", () => {
  it("of any number are decoded to what was encoded, and nothing is written beside them", () => {
    for (const count of [1, 2, 3, 15, 16, 17, 31, 32, 33, 100, 1001]) {
      const bytes = values(count, count);
      const stream = encodeNibbles(bytes);
      expect(stream.length).toBe(nibblesBytes(count));
      expect(decode(stream, count)).toEqual({ status: Status.OK, bytes });
    }
  });

  it("stand in the order that docs/format.md gives", () => {
    expect([...encodeNibbles(Uint8Array.of(1, -1, -8, 7, 3))]).toEqual([5, 0, 0, 0, 0xf1, 0x78, 0x03]);
  });

  it("are told from others", () => {
    expect(isOfFourBits(values(100, 1))).toBe(true);
    for (const value of [8, -9, 127, -128, 100]) expect(isOfFourBits(Uint8Array.of(0, value))).toBe(false);
  });

  it("are refused where the stream is of another length, says another number, or does not end in zero", () => {
    const bytes = values(31, 5);
    const stream = encodeNibbles(bytes);
    const refused = (damaged: Uint8Array, count = 31) => expect(decode(damaged, count).status).toBe(Status.BAD_STREAM);
    refused(stream.subarray(0, -1));
    refused(Uint8Array.of(...stream, 0));
    refused(stream, 30);
    refused(stream, 32);
    refused(stream.subarray(0, 3));
    refused(new Uint8Array(4), 0);
    const tail = stream.slice();
    tail[tail.length - 1]! |= 0x10;
    refused(tail);
    expect(decode(stream, 31).bytes).toEqual(bytes);
  });

  it("have a head that says how many they are", () => {
    const stream = encodeNibbles(values(31, 5));
    expect(codingOf(stream, NIBBLES)).toEqual({ encoding: NIBBLES, decodedBytes: 31, decoderBytes: 0 });
    for (const bad of [stream.subarray(0, -1), Uint8Array.of(...stream, 0), stream.subarray(0, 3), encodeNibbles(values(8, 1))])
      expect(codingOf(bad, NIBBLES)).toBe(undefined);
    expect(codingOf(stream, RANS)).toBe(undefined);
    expect(codingOf(stream, 3)).toBe(undefined);
  });
});
