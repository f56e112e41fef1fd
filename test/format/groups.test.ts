/** Weights whose groups have factors: the compiler's encoder and the runtime's decoder. */
import { describe, expect, it } from "vitest";
import { encodeBytes } from "../../compiler/emit/entropy.ts";
import { encodeGroups } from "../../compiler/emit/groups.ts";
import { GROUPED_HEADER_BYTES } from "../../format/groups.ts";
import { GROUPED, NIBBLES, RANS, RAW } from "../../format/packings.ts";
import * as Status from "../../format/status.ts";
import { codingOf } from "../../host/coding.ts";
import { type Decoded, decodeBetweenCanaries, decodeDamaged } from "../support/decoder-bench.ts";
import { randomSource } from "../support/step-bench.ts";
import { sweep } from "../support/sweep.ts";

/** Decodes on the runtime as a loader would; undefined where the head is not sound. */
function decode(stream: Uint8Array): Decoded | undefined {
  const coding = codingOf(stream, GROUPED);
  return coding && decodeBetweenCanaries("decodeGroups", stream, coding.decodedBytes, coding.decoderBytes);
}

/** Rows of codes of −levels … levels, each group times a factor of 1 … most. */
function weights(rows: number, depth: number, columns: number, levels: number, most: number, seed: number): Uint8Array {
  const next = randomSource(seed);
  const bytes = new Uint8Array(rows * depth);
  for (let row = 0; row < bytes.length; row += depth) {
    for (let first = 0; first < depth; first += columns) {
      const factor = 1 + (next() % most);
      for (let k = first; k < Math.min(first + columns, depth); k++) bytes[row + k] = ((next() % (2 * levels + 1)) - levels) * factor;
    }
  }
  return bytes;
}

describe("weights in groups", () => {
  it("are decoded to what was encoded, and nothing is written beside them", () => {
    let seed = 1;
    let found = 0;
    for (const rows of [1, 3, 17]) {
      for (const depth of [9, 16, 33, 64, 201]) {
        for (const columns of [1, 8, 15, 16, 32, 200]) {
          for (const [levels, most] of [
            [1, 7],
            [3, 15],
            [7, 9],
            [8, 15],
          ] as const) {
            const bytes = weights(rows, depth, columns, levels, most, seed++);
            for (const compression of ["rans", "none"] as const) {
              const stream = encodeGroups(bytes, depth, columns, compression);
              // What is no shorter than the weights themselves is nobody's choice.
              if (!stream || stream.length >= bytes.length) continue;
              found++;
              const got = decode(stream);
              expect(got?.status, `${rows}×${depth} by ${columns}, seed ${seed - 1}`).toBe(Status.OK);
              expect(Buffer.compare(got!.bytes, bytes)).toBe(0);
            }
          }
        }
      }
    }
    expect(found).toBeGreaterThan(300);
  });

  it("stand in the order that docs/format.md gives", () => {
    // Two rows of five columns, in groups of two: the last of a row has one.
    const bytes = new Uint8Array(Int8Array.of(3, -6, 0, 0, 14, -50, 35, -1, 7, 0).buffer);
    const header = [10, 0, 0, 0, 5, 0, 0, 0, 6, 0, 0, 0, 2, 0, RAW, RAW];
    const factors = [3, 3, 14, 5, 1, 1].map((factor) => factor - 8);
    expect([...new Int8Array(encodeGroups(bytes, 5, 2)!.buffer)]).toEqual([...header, ...factors, 1, -2, 0, 0, 1, -10, 7, -1, 7, 0]);
  });

  it("have codes and factors two to a byte where nothing is entropy coded", () => {
    const bytes = weights(8, 96, 32, 7, 9, 3);
    const stream = encodeGroups(bytes, 96, 32, "none")!;
    expect([stream[14], stream[15]]).toEqual([NIBBLES, NIBBLES]);
    expect(stream.length).toBe(GROUPED_HEADER_BYTES + (4 + 12) + (4 + 384));
  });

  it("are shorter than entropy coding makes the products", () => {
    const bytes = weights(64, 576, 32, 3, 15, 4);
    expect(encodeGroups(bytes, 576, 32)!.length).toBeLessThan(0.75 * encodeBytes(bytes, 1).length);
  });

  it("are left alone where no group has a factor", () => {
    expect(
      encodeGroups(
        Uint8Array.from({ length: 300 }, (_, i) => (i % 2 === 0 ? 1 : 2 + (i % 7))),
        100,
        20,
      ),
    ).toBeNull();
    expect(encodeGroups(new Uint8Array(300), 100, 20)).toBeNull();
  });

  it("are refused where a factor is 0 or above 15, and where a product is no int8", () => {
    const bytes = new Uint8Array(Int8Array.from({ length: 80 }, (_, i) => (i % 2 === 0 ? 14 : -28)).buffer);
    const stream = encodeGroups(bytes, 40, 20, "none")!;
    expect([stream[14], stream[15]]).toEqual([RAW, NIBBLES]);
    expect(decode(stream)).toEqual({ status: Status.OK, bytes });
    for (const [factor, status] of [
      [0, Status.BAD_STREAM],
      [1, Status.OK],
      [15, Status.OK],
      [16, Status.BAD_STREAM],
      [-100, Status.BAD_STREAM],
    ] as const) {
      const changed = stream.slice();
      changed[GROUPED_HEADER_BYTES] = factor - 8;
      expect([factor, decode(changed)!.status]).toEqual([factor, status]);
    }
    for (const at of [0, 15, 16, 19]) {
      const codes = new Uint8Array(Int8Array.from({ length: 80 }, (_, i) => (i === at ? 10 : 1)).buffer);
      // Codes as they are: 10 times 14 is no int8.
      const raw = new Uint8Array(GROUPED_HEADER_BYTES + 4 + codes.length);
      raw.set(stream.subarray(0, GROUPED_HEADER_BYTES + 4));
      raw.set(codes, GROUPED_HEADER_BYTES + 4);
      raw[15] = RAW;
      expect(decodeBetweenCanaries("decodeGroups", raw, 80, 64).status).toBe(Status.BAD_STREAM);
      raw[GROUPED_HEADER_BYTES + 4 + at] = 9;
      expect(decodeBetweenCanaries("decodeGroups", raw, 80, 64).status).toBe(Status.OK);
    }
  });

  it("are refused, or decoded, whatever the stream says, and nothing is written beside them", () => {
    const sound = [
      encodeGroups(weights(20, 64, 16, 7, 9, 7), 64, 16, "none")!,
      encodeGroups(weights(40, 100, 32, 3, 15, 8), 100, 32)!,
      encodeGroups(weights(8, 33, 8, 1, 7, 9), 33, 8)!,
    ];
    expect(sound.map((stream) => stream[15])).toEqual([NIBBLES, RANS, RANS]);
    const rounds = sweep(300, 3000);
    const outcomes = decodeDamaged(sound, GROUPED_HEADER_BYTES, rounds, decode);
    expect(outcomes.head).toBeGreaterThan(rounds / 6);
    expect(outcomes.refused).toBeGreaterThan(rounds / 12);
    expect(outcomes.decoded).toBeGreaterThan(rounds / 30);
  });

  it("have a head that says what decoding takes", () => {
    const stream = encodeGroups(weights(8, 100, 25, 7, 9, 5), 100, 25, "none")!;
    expect(codingOf(stream, GROUPED)).toEqual({ encoding: GROUPED, decodedBytes: 800, decoderBytes: 64 });
    expect(codingOf(stream.subarray(0, 15), GROUPED)).toBeUndefined();
    expect(codingOf(stream, RANS)).toBeUndefined();
    const withByte = (at: number, byte: number): Uint8Array => {
      const changed = stream.slice();
      changed[at] = byte;
      return changed;
    };
    // Other columns, groups of none, factors that are longer, encodings that there are not.
    for (const [at, byte] of [
      [4, 99],
      [12, 0],
      [12, 24],
      [8, 21],
      [14, GROUPED],
      [15, 77],
    ] as const)
      expect(codingOf(withByte(at, byte), GROUPED), `${at}`).toBeUndefined();
  });
});
