/** POOL of int8 and uint8 against the formulas of its header in TypeScript. */
import { describe, expect, it } from "vitest";
import { INT8, UINT8 } from "../../format/dtypes.ts";
import { POOL } from "../../format/opcodes.ts";
import * as Pool from "../../format/steps/pool.ts";
import { between, clamp, randomInt8, roundHalfEven } from "../support/reference-arithmetic.ts";
import { floatBits, randomSource, stepBench } from "../support/step-bench.ts";
import { sweep } from "../support/sweep.ts";

type Triple = readonly [number, number, number];

interface Case {
  readonly batch?: number;
  readonly image: Triple;
  readonly channels: number;
  readonly kernel: Triple;
  readonly stride?: Triple;
  readonly dilation?: Triple;
  readonly begin?: Triple;
  readonly end?: Triple;
  readonly kind: number;
  readonly dtype?: number;
  readonly includePad?: number;
  readonly indices?: boolean;
  readonly columnMajor?: number;
  readonly range?: readonly [number, number];
}

function check(c: Case, seed: number): void {
  const next = randomSource(seed);
  const {
    image,
    channels,
    kernel,
    batch = 1,
    stride = [1, 1, 1],
    dilation = [1, 1, 1],
    begin = [0, 0, 0],
    end = [0, 0, 0],
    dtype = INT8,
  } = c;
  const out = image.map((size, i) => Math.floor((size + begin[i]! + end[i]! - (kernel[i]! - 1) * dilation[i]! - 1) / stride[i]!) + 1);
  const [low, high] = dtype === INT8 ? [-128, 127] : [0, 255];
  const [min, max] = c.range ?? [low, high];
  const [inZero, outZero] = [between(next, low, high), between(next, low, high)];
  const scale = Math.fround(0.9);
  const bytes = randomInt8(next, batch * image[0] * image[1] * image[2] * channels);
  const x = dtype === INT8 ? bytes : new Uint8Array(bytes.buffer);
  const size = batch * out[0]! * out[1]! * out[2]! * channels;
  const bench = stepBench(process.env["EQM_BUILD"] ?? "plain");
  const dst = bench.reserve(size);
  const indices = c.indices ? bench.reserve(size * 8) : -1;
  const fields: Record<string, number> = {};
  (["D", "H", "W"] as const).forEach((axis, i) => {
    fields[`IN_${axis}`] = image[i]!;
    fields[`OUT_${axis}`] = out[i]!;
    fields[`KERNEL_${axis}`] = kernel[i]!;
    fields[`STRIDE_${axis}`] = stride[i]!;
    fields[`DILATION_${axis}`] = dilation[i]!;
  });
  bench.run(POOL, Pool, {
    ...fields,
    PAD_FRONT: begin[0],
    PAD_TOP: begin[1],
    PAD_LEFT: begin[2],
    PAD_BACK: end[0],
    PAD_BOTTOM: end[1],
    PAD_RIGHT: end[2],
    SRC: bench.put(x),
    DST: dst,
    INDICES: indices,
    KIND: c.kind,
    DTYPE: dtype,
    BATCH: batch,
    CHANNELS: channels,
    COUNT_INCLUDE_PAD: c.includePad ?? 0,
    COLUMN_MAJOR: c.columnMajor ?? 0,
    SCALE: floatBits(scale),
    IN_ZERO: inZero,
    OUT_ZERO: outZero,
    MIN: min,
    MAX: max,
  });
  const expected: number[] = [];
  const positions: bigint[] = [];
  for (let e = 0; e < size; e++) {
    const channel = e % channels;
    const pixel = Math.floor(e / channels);
    const at = [Math.floor(pixel / out[2]! / out[1]!) % out[0]!, Math.floor(pixel / out[2]!) % out[1]!, pixel % out[2]!];
    const n = Math.floor(pixel / out[0]! / out[1]! / out[2]!);
    let best = Number.NEGATIVE_INFINITY;
    let position = -1;
    let sum = 0;
    let inside = 0;
    let padded = 0;
    for (let t = 0; t < kernel[0] * kernel[1] * kernel[2]; t++) {
      const tap = [Math.floor(t / kernel[2] / kernel[1]), Math.floor(t / kernel[2]) % kernel[1], t % kernel[2]];
      const p = tap.map((k, i) => at[i]! * stride[i]! - begin[i]! + k * dilation[i]!) as [number, number, number];
      if (p.some((v, i) => v >= image[i]! + end[i]!)) continue;
      padded++;
      if (p.some((v, i) => v < 0 || v >= image[i]!)) continue;
      inside++;
      const value = x[(((n * image[0] + p[0]) * image[1] + p[1]) * image[2] + p[2]) * channels + channel]!;
      sum += value - inZero;
      if (value > best) {
        best = value;
        position = c.columnMajor ? (p[2] * image[1] + p[1]) * image[0] + p[0] : (p[0] * image[1] + p[1]) * image[2] + p[2];
      }
    }
    if (c.kind === Pool.MAXIMUM) {
      expected.push(clamp(best, min, max));
      positions.push(BigInt(position < 0 ? -1 : (n * channels + channel) * image[0] * image[1] * image[2] + position));
    } else {
      const divisor = Math.max(1, c.includePad ? padded : inside);
      expected.push(clamp(roundHalfEven(Math.fround(Math.fround(sum) * Math.fround(scale / divisor))) + outZero, min, max));
    }
  }
  const got = dtype === INT8 ? bench.read(Int8Array, dst, size) : bench.read(Uint8Array, dst, size);
  expect([...got], JSON.stringify({ seed, ...c })).toEqual(expected);
  if (c.indices) expect([...bench.read(BigInt64Array, indices, size)]).toEqual(positions);
}

describe.each([
  ["int8", INT8, [Pool.MAXIMUM, Pool.AVERAGE]],
  ["uint8", UINT8, [Pool.MAXIMUM]],
] as const)("POOL of %s", (_, dtype, kinds) => {
  it("takes maxima and, of int8, averages over any channels", () => {
    for (const channels of [1, 3, 7, 8, 9, 15, 16, 17, 33]) {
      for (const kind of kinds) {
        check({ image: [1, 7, 6], channels, kernel: [1, 2, 2], stride: [1, 2, 2], kind, dtype }, channels);
        check({ image: [1, 5, 6], channels, kernel: [1, 3, 3], begin: [0, 1, 1], end: [0, 1, 1], kind, dtype, batch: 2 }, channels);
      }
    }
  });

  it("takes pads, strides and dilations in three dimensions", () => {
    const next = randomSource(3);
    const triple = (low: number, high: number): Triple => [between(next, low, high), between(next, low, high), between(next, low, high)];
    for (let i = 0; i < sweep(60, 600); i++) {
      const kernel = triple(1, 3);
      const dilation = triple(1, 2);
      const begin = triple(0, 2);
      const end = triple(0, 2);
      const image = triple(1, 6).map((size, axis) =>
        Math.max(size, (kernel[axis]! - 1) * dilation[axis]! + 1 - begin[axis]! - end[axis]!),
      ) as unknown as Triple;
      const kind = kinds[next() % kinds.length]!;
      check(
        {
          image,
          kernel,
          dilation,
          begin,
          end,
          stride: triple(1, 3),
          channels: between(next, 1, 20),
          kind,
          dtype,
          includePad: next() % 2,
          batch: between(next, 1, 2),
        },
        i + 1,
      );
    }
  });

  it("clamps to MIN and MAX", () => {
    const range = dtype === INT8 ? ([-10, 60] as const) : ([20, 200] as const);
    for (const kind of kinds) check({ image: [1, 6, 6], channels: 18, kernel: [1, 3, 3], kind, dtype, range }, 1);
  });

  it("gives the positions of the maxima", () => {
    for (const columnMajor of [0, 1]) {
      check({ image: [2, 5, 4], channels: 5, kernel: [2, 3, 2], kind: Pool.MAXIMUM, dtype, indices: true, columnMajor, batch: 2 }, 1);
      check(
        {
          image: [1, 5, 4],
          channels: 3,
          kernel: [1, 2, 2],
          begin: [0, 1, 1],
          end: [0, 1, 1],
          stride: [1, 2, 2],
          kind: Pool.MAXIMUM,
          dtype,
          indices: true,
          columnMajor,
          range: dtype === INT8 ? [-5, 5] : [100, 120],
        },
        2,
      );
    }
  });
});
