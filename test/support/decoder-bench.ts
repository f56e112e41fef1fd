/** Runs a decoder of the runtime with canaries around all that it may write. */
import { expect } from "vitest";
import * as Status from "../../format/status.ts";
import type { Runtime } from "../../host/runtime.ts";
import { plainModule } from "./small-model.ts";
import { randomSource } from "./step-bench.ts";

/** Where the stream stands. */
export const STREAM = 4096;
const CANARY = 0xa5;

/** What came of it: a status of format/status.ts, and what stands where the result goes. */
export interface Decoded {
  readonly status: number;
  readonly bytes: Uint8Array;
}

/**
 * Decodes `stream` to `count` bytes with `scratchBytes` of scratch, which `decodeNibbles` does not take. Fails where the stream was changed, or anything
 * outside of result and scratch.
 */
export function decodeBetweenCanaries(
  decoder: "decode" | "decodeBlocks" | "decodeGroups" | "decodeNibbles",
  stream: Uint8Array,
  count: number,
  scratchBytes = 0,
): Decoded {
  const result = Math.ceil((STREAM + stream.length + 64) / 64) * 64;
  const scratch = Math.ceil((result + count + 256) / 64) * 64;
  const memory = new WebAssembly.Memory({ initial: Math.ceil((scratch + scratchBytes + 256) / 65536) });
  const runtime = new WebAssembly.Instance(plainModule, { env: { memory } }).exports as unknown as Runtime;
  runtime.init();
  const bytes = new Uint8Array(memory.buffer).fill(CANARY, 1024);
  bytes.set(stream, STREAM);
  const decode: Runtime["decode"] = runtime[decoder];
  const status = decode(STREAM, stream.length, result, count, scratch, scratchBytes);
  expect(Buffer.compare(bytes.subarray(STREAM, STREAM + stream.length), stream)).toBe(0);
  for (const [from, to] of [
    [1024, STREAM],
    [STREAM + stream.length, result],
    [result + count, scratch],
    [scratch + scratchBytes, bytes.length],
  ] as const)
    expect(
      bytes.subarray(from, to).every((byte) => byte === CANARY),
      "bytes outside of result and scratch",
    ).toBe(true);
  return { status, bytes: bytes.slice(result, result + count) };
}

/**
 * Damages sound streams `rounds` times, in their heads behind the first four bytes or behind them, cuts some off, and decodes them. Counts what came of it:
 * the head was refused, the rest was, or nothing. The first four bytes say how many bytes come out, which a file's table is held against.
 */
export function decodeDamaged(
  sound: readonly Uint8Array[],
  headerBytes: number,
  rounds: number,
  decode: (stream: Uint8Array) => Decoded | undefined,
): { readonly head: number; readonly refused: number; readonly decoded: number } {
  const outcomes = { head: 0, refused: 0, decoded: 0 };
  for (let round = 0; round < rounds; round++) {
    const next = randomSource(round + 77);
    const stream = sound[round % sound.length]!.slice();
    if (next() % 2) stream[4 + (next() % (headerBytes - 4))]! ^= 1 << (next() % 8);
    else for (let n = 1 + (next() % 3); n > 0; n--) stream[headerBytes + (next() % (stream.length - headerBytes))]! ^= 1 + (next() % 255);
    const cut = next() % 8 === 0 ? stream.subarray(0, next() % stream.length) : stream;
    const result = decode(cut.slice());
    if (!result) outcomes.head++;
    else if (result.status === Status.OK) outcomes.decoded++;
    else {
      expect(result.status, `round ${round}`).toBe(Status.BAD_STREAM);
      outcomes.refused++;
    }
  }
  return outcomes;
}
