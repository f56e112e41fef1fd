/** The PACK step, and with it the loader's packings, against format/packings.ts written out in TypeScript. */
import { describe, expect, it } from "vitest";
import { PACK } from "../../format/opcodes.ts";
import {
  CHANNELS_32,
  COPY,
  DEPTHWISE_3X3_I8,
  DEPTHWISE_F32,
  DEPTHWISE_I8,
  GEMM_BLOCKS_1_I8,
  GEMM_BLOCKS_2_I8,
  GEMM_F32,
  GEMM_I4,
  GEMM_I8,
  GEMM_PAIR_SAFE_I8,
  GEMM_RUN_SAFE_I8,
  GEMM_SCATTERED_I8,
  gemmDepth,
  i4PanelBytes,
  i4RunsOffset,
  packedBytes,
  RUN_LIMIT,
  runOf,
} from "../../format/packings.ts";
import { NOT_FOUR_BITS, NOT_PAIR_SAFE, NOT_RUN_SAFE } from "../../format/status.ts";
import * as Pack from "../../format/steps/pack.ts";
import { randomFloats, randomInt8 } from "../support/reference-arithmetic.ts";
import { randomSource, stepBench } from "../support/step-bench.ts";

const BUILD = process.env["EQM_BUILD"] ?? "plain";

type Packed = Int8Array | Int16Array | Int32Array | Float32Array;

/** Packs `canonical` and compares all packed bytes with `expected`. */
function check(packing: number, canonical: Packed, [p0, p1, p2]: readonly [number, number, number], expected: Packed): void {
  const bench = stepBench(BUILD);
  const bytes = packedBytes(packing, canonical.byteLength, p0, p1, p2);
  expect(bytes).toBe(expected.byteLength);
  const dst = bench.put(new Uint8Array(bytes).fill(0x33));
  bench.run(PACK, Pack, { SRC: bench.put(canonical), DST: dst, PACKING: packing, SRC_BYTES: canonical.byteLength, P0: p0, P1: p1, P2: p2 });
  const got = bench.read(Uint8Array, dst, bytes);
  expect(Buffer.compare(got, new Uint8Array(expected.buffer)), `packing ${packing} of ${p0}, ${p1}, ${p2}`).toBe(0);
}

const up = (n: number, multiple: number): number => Math.ceil(n / multiple) * multiple;

/** The canonical weights of a packed constant of GEMM_I4. Of the relaxed build it proves the runs: whole, and within the limit. */
function unpackI4(packed: Uint8Array, groups: number, n: number, segments: number, length: number): Int8Array {
  const depth = gemmDepth(segments, length);
  const padded = segments === 1 ? depth : up(length, 2);
  const canonical = new Int8Array(groups * n * segments * length);
  for (let at = 0; at < groups * n; at++) {
    const o = at % n;
    const panel = packed.subarray((Math.floor(at / n) * Math.ceil(n / 8) + (o >> 3)) * i4PanelBytes(depth));
    const output = o & 7;
    const weight = (k: number): number => {
      const q = k & 3;
      if (BUILD.startsWith("relaxed")) return ((panel[(k >> 2) * 16 + (output & 3) * 4 + q]! >> (output & 4)) & 15) - 8;
      const byte = panel[(k >> 2) * 16 + (output & 3) * 4 + (q & 1) * 2 + (q >> 1)]!;
      return ((byte >> (output & 4)) << 28) >> 28;
    };
    for (let i = 0; i < segments * length; i++)
      canonical[at * segments * length + i] = weight(Math.floor(i / length) * padded + (i % length));
    if (!BUILD.startsWith("relaxed")) continue;
    let k = 0;
    for (let run = i4RunsOffset(depth); k < depth; run++) {
      const end = k + 4 * panel[run]!;
      expect(end > k && end <= depth && (end === depth || end - k >= 32)).toBe(true);
      for (const half of [0, 2]) {
        let [above, below] = [0, 0];
        for (let at = k + half; at < end; at += 4) {
          for (const w of [weight(at), weight(at + 1)])
            if (w > 0) above += w;
            else below -= w;
        }
        expect(Math.max(above, below)).toBeLessThanOrEqual(RUN_LIMIT);
      }
      k = end;
    }
  }
  return canonical;
}

describe("PACK", () => {
  it("copies", () => {
    const x = randomInt8(randomSource(1), 37);
    check(COPY, x, [0, 0, 0], x);
  });

  it("packs int8 GEMM weights by group, panel, pair and output", () => {
    let seed = 1;
    for (const groups of [1, 3]) {
      for (const n of [1, 7, 8, 9, 16, 17]) {
        for (const [s, l] of [
          [1, 1],
          [1, 2],
          [1, 16],
          [1, 17],
          [1, 35],
          [3, 3],
          [3, 9],
          [9, 5],
          [2, 40],
          [5, 1],
        ] as const) {
          const canonical = randomInt8(randomSource(seed++), groups * n * s * l);
          const depth = gemmDepth(s, l);
          const group = up(n, 8) * depth;
          const expected = new Int8Array(groups * group);
          for (let g = 0; g < groups; g++) {
            for (let o = 0; o < n; o++) {
              for (let t = 0; t < s * l; t++) {
                const k = Math.floor(t / l) * up(l, 2) + (t % l);
                expected[g * group + (o >> 3) * 8 * depth + (k >> 1) * 16 + (o & 7) * 2 + (k & 1)] = canonical[(g * n + o) * s * l + t]!;
              }
            }
          }
          check(GEMM_I8, canonical, [n, s, l], expected);
        }
      }
    }
  });

  it("refuses a pair over the limit wherever it stands, and takes all within it", () => {
    for (const [s, l] of [
      [1, 1],
      [1, 5],
      [1, 16],
      [1, 39],
      [1, 70],
      [3, 7],
      [2, 20],
    ] as const) {
      const pack = (canonical: Int8Array) => () => stepBench(BUILD, 1).constant(GEMM_PAIR_SAFE_I8, canonical, 3, s, l);
      const count = 2 * 3 * s * l;
      for (const [a, b] of [
        [127, 1],
        [-128, 0],
        [-1, 127],
        [64, -64],
      ] as const) {
        const even = (i: number): boolean => (i % l) % 2 === 0;
        expect(pack(Int8Array.from({ length: count }, (_, i) => (even(i) ? a : b)))).not.toThrow();
      }
      for (let at = 0; at < count; at++) {
        if ((at % l) % 2 === 0 && (at % l) + 1 === l) continue;
        const partner = (at % l) % 2 === 0 ? at + 1 : at - 1;
        for (const [x, y] of [
          [127, 2],
          [-128, -1],
          [-100, 29],
        ] as const) {
          const canonical = new Int8Array(count);
          canonical[at] = x;
          canonical[partner] = y;
          expect(pack(canonical), `${s}×${l}, value ${at}`).toThrow(`pack returned ${NOT_PAIR_SAFE}`);
        }
      }
    }
  });

  it("refuses a run over the limit wherever it stands, and takes all within it", () => {
    for (const [s, l] of [
      [1, 1],
      [1, 6],
      [1, 16],
      [1, 39],
      [3, 8],
      [2, 24],
    ] as const) {
      const pack = (canonical: Int8Array) => () => stepBench(BUILD, 1).constant(GEMM_RUN_SAFE_I8, canonical, 3, s, l);
      const count = 2 * 3 * s * l;
      for (const four of [
        [127, -128, 1, 0],
        [64, 64, -64, -64],
        [-32, -32, -32, -32],
        [-128, 0, 127, 0],
      ])
        expect(pack(Int8Array.from({ length: count }, (_, i) => four[(i % 2) + (((i % l) >> 2) % 2) * 2]!))).not.toThrow();
      for (let at = 0; at < count; at++) {
        const place = at % l;
        for (let other = at - place; other < at - place + l; other++) {
          const meets = other !== at && runOf(other % l) === runOf(place);
          for (const [x, y] of [
            [127, 2],
            [-128, -1],
            [-100, -29],
          ] as const) {
            const canonical = new Int8Array(count);
            canonical[at] = x;
            canonical[other] = other === at ? x : y;
            const packs = expect(pack(canonical), `${s}×${l}, values ${at} and ${other}`);
            if (meets) packs.toThrow(`pack returned ${NOT_RUN_SAFE}`);
            else packs.not.toThrow();
          }
        }
      }
    }
  });

  it("packs four-bit weights two to a byte, in runs that int16 holds, and refuses others wherever they stand", () => {
    let seed = 500;
    for (const groups of [1, 2]) {
      for (const n of [1, 3, 4, 5, 8, 9, 17]) {
        for (const [s, l] of [
          [1, 1],
          [1, 2],
          [1, 3],
          [1, 4],
          [1, 37],
          [1, 700],
          [3, 4],
          [3, 7],
          [9, 8],
        ] as const) {
          const next = randomSource(seed++);
          const spread = [1, 8, 16][seed % 3]!;
          const canonical = Int8Array.from({ length: groups * n * s * l }, () =>
            seed % 5 === 0 ? 7 : (next() % spread) - spread / 2 + 0.5,
          );
          const bench = stepBench(BUILD);
          const dst = bench.constant(GEMM_I4, canonical, n, s, l);
          const packed = bench.read(Uint8Array, dst, packedBytes(GEMM_I4, canonical.length, n, s, l));
          expect(unpackI4(packed, groups, n, s, l)).toEqual(canonical);
        }
      }
    }
    for (const [s, l] of [
      [1, 1],
      [1, 6],
      [3, 7],
    ] as const) {
      for (let at = 0; at < 2 * 3 * s * l; at++) {
        for (const value of [8, -9, 127, -128, 16, -16, -120]) {
          const canonical = new Int8Array(2 * 3 * s * l).fill(at % 2 ? -8 : 7);
          canonical[at] = value;
          expect(() => stepBench(BUILD, 1).constant(GEMM_I4, canonical, 3, s, l)).toThrow(`pack returned ${NOT_FOUR_BITS}`);
        }
      }
    }
  });

  it("does not take computed weights for pair-safe", () => {
    const bench = stepBench(BUILD);
    const fields = {
      SRC: bench.put(new Int8Array(8)),
      DST: bench.reserve(96),
      PACKING: GEMM_PAIR_SAFE_I8,
      SRC_BYTES: 8,
      P0: 1,
      P1: 1,
      P2: 8,
    };
    for (const PACKING of [GEMM_PAIR_SAFE_I8, GEMM_RUN_SAFE_I8])
      expect(() => bench.run(PACK, Pack, { ...fields, PACKING })).toThrow("computed weights are not pair-safe");
    expect(() => bench.run(PACK, Pack, { ...fields, PACKING: GEMM_I4 })).toThrow("computed weights are not of four bits");
    for (const PACKING of [GEMM_BLOCKS_1_I8, GEMM_BLOCKS_2_I8, GEMM_SCATTERED_I8])
      expect(() => bench.run(PACK, Pack, { ...fields, PACKING })).toThrow("computed weights are not sparse");
  });

  it("packs float32 GEMM weights by group, panel and depth", () => {
    let seed = 1;
    for (const groups of [1, 2]) {
      for (const n of [1, 4, 7, 8, 9, 17]) {
        for (const k of [1, 3, 4, 5, 8, 13]) {
          const canonical = randomFloats(randomSource(seed++), groups * n * k, -1, 1);
          const expected = new Float32Array(groups * up(n, 8) * k);
          for (let g = 0; g < groups; g++)
            for (let o = 0; o < n; o++)
              for (let t = 0; t < k; t++) expected[g * up(n, 8) * k + (o >> 3) * 8 * k + t * 8 + (o & 7)] = canonical[(g * n + o) * k + t]!;
          check(GEMM_F32, canonical, [n, k, 0], expected);
        }
      }
    }
  });

  it("packs depthwise weights, channels innermost", () => {
    for (const c of [1, 3, 4, 5, 7, 8, 9, 17]) {
      for (const t of [1, 2, 9, 25]) {
        const canonical = randomInt8(randomSource(c * 100 + t), c * t);
        const wide = new Int16Array(up(c, 8) * t);
        const floats = new Float32Array(up(c, 4) * t);
        for (let i = 0; i < c; i++) {
          for (let tap = 0; tap < t; tap++) {
            wide[(i >> 3) * 8 * t + tap * 8 + (i & 7)] = canonical[i * t + tap]!;
            floats[tap * up(c, 4) + i] = canonical[i * t + tap]!;
          }
        }
        check(DEPTHWISE_I8, canonical, [c, t, 0], wide);
        check(DEPTHWISE_F32, Float32Array.from(canonical), [c, t, 0], floats);
      }
      const canonical = randomInt8(randomSource(c), c * 9);
      const rolling = new Int16Array(up(c, 8) * 14);
      for (let i = 0; i < c; i++) {
        const [w00, w01, w02, w10, w11, w12, w20, w21, w22] = canonical.subarray(i * 9, i * 9 + 9);
        const pairs = [w00, w10, w01, w11, w02, w12, w20, w21, w22, 0, 0, w20, w21, w22];
        for (let k = 0; k < 14; k++) rolling[(i >> 3) * 112 + (k >> 1) * 16 + (i & 7) * 2 + (k & 1)] = pairs[k]!;
      }
      check(DEPTHWISE_3X3_I8, canonical, [c, 0, 0], rolling);
    }
  });

  it("pads biases and scales to whole panels", () => {
    for (const n of [1, 7, 8, 9, 16]) {
      const expected = new Int32Array(up(n, 8));
      for (let i = 0; i < n; i++) expected[i] = i * 1000 - 3;
      check(CHANNELS_32, expected.slice(0, n), [n, 0, 0], expected);
    }
  });

  it("reports a packing that it does not know", () => {
    const bench = stepBench(BUILD);
    expect(() => bench.constant(99, new Int8Array(4))).toThrow();
  });
});
