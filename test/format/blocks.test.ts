/** Weights without their blocks of zeros: the compiler's encoder and the runtime's decoder. */
import { describe, expect, it } from "vitest";
import { encodeBlocks } from "../../compiler/emit/blocks.ts";
import { encodeBytes } from "../../compiler/emit/entropy.ts";
import { BLOCKS_HEADER_BYTES } from "../../format/blocks.ts";
import { BLOCKS, RANS } from "../../format/packings.ts";
import * as Status from "../../format/status.ts";
import { codingOf } from "../../host/coding.ts";
import { type Decoded, decodeBetweenCanaries, decodeDamaged } from "../support/decoder-bench.ts";
import { randomSource } from "../support/step-bench.ts";
import { sweep } from "../support/sweep.ts";

/** Decodes on the runtime as a loader would; undefined where the head is not sound. */
function decode(stream: Uint8Array): Decoded | undefined {
  const coding = codingOf(stream, BLOCKS);
  return coding && decodeBetweenCanaries("decodeBlocks", stream, coding.decodedBytes, coding.decoderBytes);
}

/** Groups of rows, of which blocks of eight by one are left at `percent` of the places. */
function weights(groups: number, outputs: number, depth: number, percent: number, seed: number): Uint8Array {
  const next = randomSource(seed);
  const bytes = new Uint8Array(groups * outputs * depth);
  for (let row = 0; row < groups * outputs; row += Math.min(8, outputs - (row % outputs))) {
    for (let k = 0; k < depth; k++) {
      if (next() % 100 >= percent) continue;
      for (let r = row; r < row + Math.min(8, outputs - (row % outputs)); r++) bytes[r * depth + k] = (next() % 25) + (next() % 25) - 24;
    }
  }
  return bytes;
}

describe("weights in blocks", () => {
  it("are decoded to what was encoded, and nothing is written beside them", () => {
    let seed = 1;
    for (const groups of [1, 3]) {
      for (const outputs of [1, 7, 8, 9, 24]) {
        for (const depth of [1, 5, 64, 201]) {
          for (const percent of [0, 5, 50, 80]) {
            const bytes = weights(groups, outputs, depth, percent, seed++);
            const stream = encodeBlocks(bytes, outputs, depth);
            // What is no shorter than the weights themselves is nobody's choice.
            if (!stream || stream.length >= bytes.length) continue;
            expect(decode(stream), `${groups}×${outputs}×${depth}, ${percent} %`).toEqual({ status: Status.OK, bytes });
          }
        }
      }
    }
  });

  it("stand in the order that docs/format.md gives", () => {
    // Nine rows of two groups: blocks of eight rows and of one.
    const bytes = new Uint8Array(2 * 9 * 3);
    for (let row = 0; row < 8; row++) bytes[row * 3 + 1] = row + 1;
    bytes[8 * 3 + 2] = 20;
    bytes[9 * 3 + 8 * 3] = 30;
    expect([...encodeBlocks(bytes, 9, 3)!]).toEqual(
      [54, 3, 9, 10, 2].flatMap((word) => [word, 0, 0, 0]).concat([0b100010, 0b00000010, 1, 2, 3, 4, 5, 6, 7, 8, 20, 30]),
    );
  });

  it("are shorter than entropy coding makes them where half of the blocks are zero", () => {
    const bytes = weights(1, 64, 576, 50, 3);
    expect(encodeBlocks(bytes, 64, 576)!.length).toBeLessThan(0.85 * encodeBytes(bytes, 1).length);
  });

  it("are left alone where nearly all blocks are there", () => {
    expect(encodeBlocks(weights(1, 64, 100, 95, 4), 64, 100)).toBeNull();
  });

  it("are refused, or decoded, whatever the stream says, and nothing is written beside them", () => {
    const sound = [weights(2, 20, 64, 40, 7), weights(1, 8, 16, 30, 8)].map(
      (bytes, i) => encodeBlocks(bytes, i === 0 ? 20 : 8, i === 0 ? 64 : 16)!,
    );
    const rounds = sweep(300, 3000);
    const outcomes = decodeDamaged(sound, BLOCKS_HEADER_BYTES, rounds, decode);
    expect(outcomes.head).toBeGreaterThan(rounds / 6);
    expect(outcomes.refused).toBeGreaterThan(rounds / 12);
    expect(outcomes.decoded).toBeGreaterThan(rounds / 30);
  });

  it("have a head that says what decoding takes", () => {
    const bytes = weights(1, 8, 100, 30, 5);
    const stream = encodeBlocks(bytes, 8, 100)!;
    const values = bytes.filter((byte) => byte !== 0).length;
    const coding = codingOf(stream, BLOCKS)!;
    expect(coding).toMatchObject({ encoding: BLOCKS, decodedBytes: 800 });
    expect(coding.decoderBytes).toBeGreaterThanOrEqual(64 + values);
    expect(codingOf(stream.subarray(0, 19), BLOCKS)).toBeUndefined();
    expect(codingOf(stream, RANS)).toBeUndefined();
  });
});
