/** Entropy-coded constants: the compiler's encoder, the runtime's decoder, and a second decoder written from docs/format.md. */
import { describe, expect, it } from "vitest";
import { encodeBytes } from "../../compiler/emit/entropy.ts";
import { decoderBytes, lanesOf, planesOf, precisionOf } from "../../format/entropy.ts";
import { RANS } from "../../format/packings.ts";
import * as Status from "../../format/status.ts";
import { codingOf } from "../../host/coding.ts";
import type { Runtime } from "../../host/runtime.ts";
import { type Decoded, decodeBetweenCanaries, STREAM } from "../support/decoder-bench.ts";
import { plainModule, scanner } from "../support/small-model.ts";
import { randomSource } from "../support/step-bench.ts";
import { sweep } from "../support/sweep.ts";

const decode = (stream: Uint8Array, count: number): Decoded =>
  decodeBetweenCanaries("decode", stream, count, decoderBytes(precisionOf(stream[4]!), planesOf(stream[4]!)));

/** The decoder of docs/format.md, symbol by symbol. Throws where the stream is not sound. */
function decodeByTheBook(stream: Uint8Array): Uint8Array {
  const view = new DataView(stream.buffer, stream.byteOffset, stream.length);
  let at = 0;
  const count = view.getUint32(0, true);
  const n = stream[4]! & 15;
  const planes = (stream[4]! >> 4) & 7;
  const lanes = stream[4]! >> 7 ? 16 : 8;
  at = 5;
  const symbolsOfSlots = Array.from({ length: planes }, () => {
    const slots: { readonly symbol: number; readonly frequency: number; readonly offset: number }[] = [];
    for (let symbol = 0; symbol < 256; ) {
      let v = stream[at++]!;
      if (v > 127) v = (v & 127) + stream[at++]! * 128;
      const length = v % 2 ? stream[at++]! + 2 : 1;
      const units = v >> 1;
      for (let k = 0; k < length; k++, symbol++) {
        const frequency = Math.floor(units / length) + (k < units % length ? 1 : 0);
        for (let offset = 0; offset < frequency; offset++) slots.push({ symbol, frequency, offset });
      }
    }
    if (slots.length !== 2 ** n) throw new Error("the table does not add up");
    return slots;
  });
  const states = Array.from({ length: lanes }, (_, lane) => view.getUint32(at + 4 * lane, true));
  at += 4 * lanes;
  const bytes = new Uint8Array(count);
  const last = ((count - 1) % (2 * lanes)) + 1;
  for (let i = 0; i < count - last; i++) {
    const x = states[i % lanes]!;
    const { symbol, frequency, offset } = symbolsOfSlots[i % planes]![x % 2 ** n]!;
    bytes[i] = symbol ^ 0x80;
    let next = frequency * Math.floor(x / 2 ** n) + offset;
    if (next < 65536) {
      next = next * 65536 + view.getUint16(at, true);
      at += 2;
    }
    states[i % lanes] = next;
  }
  if (at !== stream.length || states.some((x) => x >>> 16 !== 1)) throw new Error("a bad end");
  for (let i = 0; i < last; i++) bytes[count - last + i] = (states[i >> 1]! >> (8 * (i & 1))) & 0xff;
  return bytes;
}

/** Encodes, decodes on both decoders, and gives the stream. */
function roundTrip(bytes: Uint8Array, planes: 1 | 4, lanes: 8 | 16): Uint8Array {
  const stream = encodeBytes(bytes, planes, lanes);
  expect(lanesOf(stream[4]!)).toBe(lanes);
  const decoded = decode(stream, bytes.length);
  expect(decoded.status).toBe(Status.OK);
  expect(Buffer.compare(decoded.bytes, bytes)).toBe(0);
  expect(Buffer.compare(decodeByTheBook(stream), bytes)).toBe(0);
  return stream;
}

/** Bytes about 0 as weights are: the sum of three small numbers. */
function weights(seed: number, length: number, spread = 48): Uint8Array {
  const random = randomSource(seed);
  return Uint8Array.from({ length }, () => (random() % spread) + (random() % spread) + (random() % spread) - Math.floor(1.5 * spread));
}

/** A sound head and nothing sound behind it. */
function noise(random: () => number, count: number, planes: 1 | 4): Uint8Array {
  const stream = Uint8Array.from({ length: 5 + (random() % 400) }, () => random());
  new DataView(stream.buffer).setUint32(0, count, true);
  stream[4] = 8 + (random() % 5) + 16 * planes + (random() % 2 ? 128 : 0);
  return stream;
}

describe.each([
  [1, 8],
  [4, 8],
  [1, 16],
  [4, 16],
] as const)("coded bytes with %i tables and %i lanes", (planes, lanes) => {
  it("of every length from 1 to 70 come back", () => {
    for (let length = 1; length <= 70; length++) {
      roundTrip(weights(length, length), planes, lanes);
      roundTrip(new Uint8Array(length), planes, lanes);
      roundTrip(
        Uint8Array.from({ length }, (_, i) => i * 37),
        planes,
        lanes,
      );
    }
  });

  it("that are all equal take next to nothing", () => {
    for (const byte of [0, 1, 127, 128, 255]) {
      const stream = roundTrip(new Uint8Array(100_000).fill(byte), planes, lanes);
      expect(stream.length).toBeLessThan(200);
    }
  });

  it("of all 256 values come back", () => {
    for (const repeats of [1, 2, 17, 300]) {
      roundTrip(
        Uint8Array.from({ length: 256 * repeats }, (_, i) => i),
        planes,
        lanes,
      );
      roundTrip(
        Uint8Array.from({ length: 256 * repeats }, (_, i) => Math.floor(i / repeats)),
        planes,
        lanes,
      );
    }
  });

  it("that are random come back", () => {
    for (let seed = 1; seed <= 20; seed++) {
      const random = randomSource(seed);
      const length = 1 + (random() % 20_000);
      roundTrip(
        Uint8Array.from({ length }, () => random()),
        planes,
        lanes,
      );
      roundTrip(weights(seed, length, 1 + (random() % 80)), planes, lanes);
      roundTrip(
        Uint8Array.from({ length }, () => (random() % 50 ? 0 : random())),
        planes,
        lanes,
      );
    }
  });

  it("with one rare symbol among many come back", () => {
    const bytes = new Uint8Array(300_000).fill(3);
    bytes[150_000] = 200;
    roundTrip(bytes, planes, lanes);
    const both = weights(5, 300_000);
    both[17] = 0x80;
    both[299_990] = 0x7f;
    roundTrip(both, planes, lanes);
  });
});

describe("a stream", () => {
  it("of millions of weights comes near to their entropy", () => {
    const bytes = weights(9, 3_000_000);
    const stream = encodeBytes(bytes, 1);
    const decoded = decode(stream, bytes.length);
    expect(decoded.status).toBe(Status.OK);
    expect(Buffer.compare(decoded.bytes, bytes)).toBe(0);
    const counts = new Map<number, number>();
    for (const byte of bytes) counts.set(byte, (counts.get(byte) ?? 0) + 1);
    let entropyBits = 0;
    for (const count of counts.values()) entropyBits -= count * Math.log2(count / bytes.length);
    // 12 bits of precision and the table cost less than 0.2 %.
    expect(stream.length).toBeLessThan((entropyBits / 8) * 1.002);
  });

  it("is the same on every engine", () => {
    const text = (bytes: Uint8Array): string => {
      const { low, high } = scanner.digest(bytes);
      return `${bytes.length} ${(high >>> 0).toString(16)} ${(low >>> 0).toString(16)}`;
    };
    expect([1, 4].map((planes) => text(encodeBytes(weights(3, 50_000), planes as 1 | 4)))).toMatchInlineSnapshot(`
      [
        "41447 33b1f057 5c6c300f",
        "41608 d0851d1d c0dee5bb",
      ]
    `);
  });

  it("has sixteen lanes where it is long", () => {
    expect([100, 16383, 16384, 50_000].map((length) => lanesOf(encodeBytes(weights(1, length), 1)[4]!))).toEqual([8, 8, 16, 16]);
  });

  it("has a head that says what it decodes to", () => {
    const stream = encodeBytes(weights(1, 5000, 8), 1);
    for (const each of [stream, encodeBytes(weights(1, 5000, 8), 1, 16)])
      expect(codingOf(each)).toEqual({ encoding: RANS, decodedBytes: 5000, decoderBytes: 4 * 4096 + 512 });
    expect(codingOf(encodeBytes(new Uint8Array(4000), 4))).toEqual({ encoding: RANS, decodedBytes: 4000, decoderBytes: 4 * 4096 + 512 });
    for (const [at, value] of [
      [3, 0x80],
      [4, 7 + 16],
      [4, 13 + 16],
      [4, 12],
      [4, 12 + 32],
      [4, 12 + 128],
      [4, 12 + 32 + 128],
      [1, 0],
    ] as const) {
      const bad = stream.slice();
      bad[at] = value;
      expect(codingOf(bad), `byte ${at} = ${value}`).toBe(undefined);
    }
    expect(codingOf(stream.subarray(0, 4))).toBe(undefined);
    expect(codingOf(encodeBytes(weights(1, 20), 1)), "longer than what it stands for").toBe(undefined);
  });

  it("is refused where any of its bits is wrong, without a stray access", () => {
    const bytes = weights(11, 700, 12);
    for (const [planes, lanes] of [
      [1, 8],
      [4, 8],
      [1, 16],
    ] as const) {
      const stream = encodeBytes(bytes, planes, lanes);
      for (let at = 0; at < stream.length; at++) {
        const bad = stream.slice();
        bad[at]! ^= 1 << (at % 8);
        if (at === 4) continue;
        const { status, bytes: got } = decode(bad, bytes.length);
        // The bits of the last bytes stand in the states as they are; all others meet a check.
        expect(status === Status.BAD_STREAM || Buffer.compare(got, bytes) !== 0, `byte ${at}`).toBe(true);
        if (at < 5) expect(status).toBe(Status.BAD_STREAM);
      }
    }
  });

  it("is refused where it is cut off or goes on", () => {
    const bytes = weights(12, 1000, 12);
    for (const lanes of [8, 16] as const) {
      const stream = encodeBytes(bytes, 1, lanes);
      for (let length = 5; length < stream.length; length++)
        expect(decode(stream.slice(0, length), bytes.length).status, `${length}`).toBe(Status.BAD_STREAM);
      for (const more of [1, 2, 32, 33, 1000])
        expect(
          decode(
            Uint8Array.from({ length: stream.length + more }, (_, i) => stream[i] ?? 0),
            bytes.length,
          ).status,
        ).toBe(Status.BAD_STREAM);
    }
  });

  it("of hostile bytes ends with a status", () => {
    const streams = sweep(300, 3000);
    let refused = 0;
    for (let seed = 1; seed <= streams; seed++) {
      const random = randomSource(seed);
      const count = 1 + (random() % 3000);
      const planes = random() % 2 ? 1 : 4;
      const lanes = random() % 2 ? 8 : 16;
      const stream = random() % 4 ? encodeBytes(weights(seed, count, 1 + (random() % 60)), planes, lanes) : noise(random, count, planes);
      for (let n = 1 + (random() % 4); n > 0; n--) {
        const at = 5 + (random() % (random() % 2 ? 40 : stream.length));
        if (at < stream.length) stream[at]! ^= 1 + (random() % 255);
      }
      const { status } = decode(stream, count);
      expect([Status.OK, Status.BAD_STREAM], `seed ${seed}`).toContain(status);
      if (status === Status.BAD_STREAM) refused++;
    }
    expect(refused).toBeGreaterThan(0.75 * streams);
  });

  it("is refused where more or less is asked of it than it says, or too little memory is there", () => {
    const stream = encodeBytes(weights(13, 1000, 12), 1);
    for (const count of [1, 999, 1001, 1016]) expect(decode(stream, count).status).toBe(Status.BAD_STREAM);
    const memory = new WebAssembly.Memory({ initial: 2 });
    const runtime = new WebAssembly.Instance(plainModule, { env: { memory } }).exports as unknown as Runtime;
    new Uint8Array(memory.buffer).set(stream, STREAM);
    const enough = decoderBytes(stream[4]! & 15, 1);
    expect(runtime.decode(STREAM, stream.length, 16384, 1000, 65536, enough - 1)).toBe(Status.BAD_STREAM);
    expect(runtime.decode(STREAM, stream.length, 16384, 1000, 65536, enough)).toBe(Status.OK);
    expect(runtime.decode(STREAM, 4, 16384, 1000, 65536, enough)).toBe(Status.BAD_STREAM);
  });
});
