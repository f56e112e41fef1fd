/** The packings of sparse weights (format/packings.ts), unpacked in TypeScript. */
import { describe, expect, it } from "vitest";
import { countQuads } from "../../compiler/lower/blocks.ts";
import { countPairs } from "../../compiler/lower/sparse.ts";
import {
  BLOCKS_HEAD_BYTES,
  GEMM_BLOCKS_1_I8,
  GEMM_BLOCKS_2_I8,
  GEMM_SCATTERED_I8,
  PAIR_LIMIT,
  packedBytes,
  RUN_LIMIT,
} from "../../format/packings.ts";
import { OTHER_BLOCKS } from "../../format/status.ts";
import { randomSource, stepBench } from "../support/step-bench.ts";

const BUILD = process.env["EQM_BUILD"] ?? "plain";

/**
 * The canonical weights of a packed constant of blocks. Proves that each two columns of a quad are pair-safe, that of the relaxed build those quads that
 * are said to go two at a time are run-safe so, and that no column stands twice.
 */
function unpackBlocks(packed: Uint8Array, groups: number, n: number, depth: number, unit: 1 | 2): Int8Array {
  const isRelaxed = BUILD.startsWith("relaxed");
  const view = new DataView(packed.buffer);
  const canonical = new Int8Array(groups * n * depth);
  const columnBytes = isRelaxed ? 4 : 8;
  for (let at = 0; at < groups * n; at++) {
    const o = at % n;
    const head = (Math.floor(at / n) * Math.ceil(n / 8) + (o >> 3)) * BLOCKS_HEAD_BYTES;
    const weights = head + view.getInt32(head, true);
    const places = head + view.getInt32(head + 8, true);
    const runs = view.getInt32(head + 12, true);
    expect(runs % 2 === 0 && runs >= 0 && runs <= (isRelaxed ? view.getInt32(head + 4, true) : 0)).toBe(true);
    for (let pair = 0; pair < 2 * runs; pair += pair % 4 === 1 ? 3 : 1) {
      const at = weights + (pair >> 1) * 32 + (o & 7) * 4 + (pair & 1) * 2;
      const four = [at, at + 1, at + 32, at + 33].map((i) => view.getInt8(i));
      const sum = (sign: number): number => four.reduce((total, w) => total + Math.max(0, sign * w), 0);
      expect(Math.max(sum(1), sum(-1))).toBeLessThanOrEqual(RUN_LIMIT);
    }
    for (let pair = 0; pair < 2 * view.getInt32(head + 4, true); pair++) {
      const own = isRelaxed ? (pair >> 1) * 32 + (o & 7) * 4 + (pair & 1) * 2 : pair * 16 + (o & 7) * 2;
      const [first, second] = [view.getInt8(weights + own), view.getInt8(weights + own + 1)];
      expect(Math.abs(first) + Math.abs(second)).toBeLessThanOrEqual(PAIR_LIMIT);
      const place = (i: number): number => view.getUint32(places + i * 4, true) / columnBytes;
      const k = unit === 1 ? [place(2 * pair), place(2 * pair + 1)] : [place(pair), place(pair) + 1];
      for (const [w, column] of [
        [first, k[0]!],
        [second, k[1]!],
      ] as const) {
        if (w === 0) continue;
        expect(canonical[at * depth + column]).toBe(0);
        canonical[at * depth + column] = w;
      }
    }
  }
  return canonical;
}

describe("PACK of sparse weights", () => {
  it("packs blocks of weights so that each two columns are pair-safe, and refuses another number of quads", () => {
    let seed = 900;
    for (const groups of [1, 2]) {
      for (const n of [1, 3, 8, 9, 17]) {
        for (const depth of [1, 2, 3, 8, 37, 120]) {
          for (const unit of [1, 2] as const) {
            const next = randomSource(seed++);
            const density = [0, 20, 60, 100][seed % 4]!;
            // A third is beyond what any two of can be pair-safe, some is −128.
            const value = (): number => (next() % 3 === 0 ? 100 : (next() % 256) - 128);
            const canonical = Int8Array.from({ length: groups * n * depth }, () => (next() % 100 < density ? value() : 0));
            const packing = unit === 1 ? GEMM_BLOCKS_1_I8 : GEMM_BLOCKS_2_I8;
            const quads = countQuads(canonical, n, depth, unit);
            const bench = stepBench(BUILD, 4);
            const bytes = packedBytes(packing, canonical.length, n, depth, quads);
            const packed = bench.read(Uint8Array, bench.constant(packing, canonical, n, depth, quads), bytes);
            expect(unpackBlocks(packed, groups, n, depth, unit), `${groups}×${n}×${depth} by ${unit}`).toEqual(canonical);
            for (const other of [quads - 1, quads + 1].filter((q) => q >= 0))
              expect(() => bench.constant(packing, canonical, n, depth, other)).toThrow(`pack returned ${OTHER_BLOCKS}`);
          }
        }
      }
    }
  });

  it("lets nearly all quads of blocks go two at a time where weights are like trained ones, none where they are too large", () => {
    const next = randomSource(1250);
    const normal = (): number => Array.from({ length: 12 }, () => (next() % 4096) / 4096).reduce((sum, x) => sum + x, -6);
    for (const unit of [1, 2] as const) {
      for (const [value, least, most] of [
        [() => Math.round(25 * normal()), 0.9, 1],
        [() => 65, 0, 0],
        [() => -128, 0, 0],
        [() => 32, 0.97, 1],
      ] as const) {
        const canonical = Int8Array.from({ length: 8 * 400 }, () => Math.max(-128, Math.min(127, value())));
        const quads = countQuads(canonical, 8, 400, unit);
        const packing = unit === 1 ? GEMM_BLOCKS_1_I8 : GEMM_BLOCKS_2_I8;
        const bench = stepBench(BUILD, 4);
        const bytes = packedBytes(packing, canonical.length, 8, 400, quads);
        const packed = bench.read(Uint8Array, bench.constant(packing, canonical, 8, 400, quads), bytes);
        expect(unpackBlocks(packed, 1, 8, 400, unit)).toEqual(canonical);
        const part = new DataView(packed.buffer).getInt32(12, true) / quads;
        expect(part).toBeGreaterThanOrEqual(BUILD === "plain" ? 0 : least);
        expect(part).toBeLessThanOrEqual(BUILD === "plain" ? 0 : most);
      }
    }
  });

  it("packs scattered weights in pairs, and refuses another number of them", () => {
    let seed = 1300;
    for (const n of [1, 8, 17]) {
      for (const depth of [1, 2, 37, 120]) {
        const next = randomSource(seed++);
        const density = [0, 10, 60, 100][seed % 4]!;
        const canonical = Int8Array.from({ length: n * depth }, () => (next() % 100 < density ? (next() % 256) - 128 : 0));
        const pairs = countPairs(canonical, n, depth);
        const bench = stepBench(BUILD, 4);
        const dst = bench.constant(GEMM_SCATTERED_I8, canonical, n, depth, pairs);
        const packed = bench.read(Uint8Array, dst, packedBytes(GEMM_SCATTERED_I8, canonical.length, n, depth, pairs));
        const view = new DataView(packed.buffer);
        const found = new Int8Array(n * depth);
        for (let o = 0; o < n; o++) {
          for (let pair = 0; pair < view.getInt32(o * 8 + 4, true); pair++) {
            const at = n * 8 + (view.getInt32(o * 8, true) + pair) * 8;
            for (const i of [0, 2]) found[o * depth + view.getUint16(at + 4 + i, true)]! += view.getInt16(at + i, true);
          }
        }
        expect(found).toEqual(canonical);
        for (const other of [pairs - 1, pairs + 1].filter((p) => p >= 0))
          expect(() => bench.constant(GEMM_SCATTERED_I8, canonical, n, depth, other)).toThrow(`pack returned ${OTHER_BLOCKS}`);
      }
    }
  });
});
