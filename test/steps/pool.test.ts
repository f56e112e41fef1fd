import { describe, expect, it } from "vitest";
import { FLOAT32, INT8, UINT8 } from "../../format/dtypes.ts";
import * as Opcode from "../../format/opcodes.ts";
import * as Pool from "../../format/steps/pool.ts";
import { bitsOf, build, randomFloats } from "../support/floats.ts";
import { floatBits, randomSource, stepBench } from "../support/step-bench.ts";

type Triple = readonly [number, number, number];
interface Case {
  readonly batch?: number;
  readonly size: Triple;
  readonly channels: number;
  readonly kernel: Triple;
  readonly stride?: Triple;
  readonly dilation?: Triple;
  readonly before?: Triple;
  readonly after?: Triple;
  /** Rounds the output's size up. */
  readonly ceil?: boolean;
  readonly includePad?: boolean;
  readonly min?: number;
  readonly max?: number;
}

const ONES: Triple = [1, 1, 1];
const NONE: Triple = [0, 0, 0];

function geometry(c: Case) {
  const stride = c.stride ?? ONES;
  const dilation = c.dilation ?? ONES;
  const before = c.before ?? NONE;
  const after = c.after ?? NONE;
  const out = c.size.map((size, i) => {
    const steps = (size + before[i]! + after[i]! - (c.kernel[i]! - 1) * dilation[i]! - 1) / stride[i]!;
    return (c.ceil ? Math.ceil(steps) : Math.floor(steps)) + 1;
  });
  return { stride, dilation, before, after, out };
}

/** Calls `visit` for each output value with the offsets of its taps inside the image, row-major, and the window's corner. */
function windows(c: Case, visit: (n: number, channel: number, taps: readonly Triple[], corner: Triple) => void): void {
  const { stride, dilation, before, out } = geometry(c);
  for (let n = 0; n < (c.batch ?? 1); n++) {
    for (let z = 0; z < out[0]!; z++) {
      for (let y = 0; y < out[1]!; y++) {
        for (let x = 0; x < out[2]!; x++) {
          const corner = [z, y, x].map((v, i) => v * stride[i]! - before[i]!) as unknown as Triple;
          const taps: Triple[] = [];
          for (let k = 0; k < c.kernel[0]; k++) {
            for (let j = 0; j < c.kernel[1]; j++) {
              for (let i = 0; i < c.kernel[2]; i++) {
                const tap = [corner[0] + k * dilation[0], corner[1] + j * dilation[1], corner[2] + i * dilation[2]] as const;
                if (tap.every((v, axis) => v >= 0 && v < c.size[axis]!)) taps.push(tap);
              }
            }
          }
          for (let channel = 0; channel < c.channels; channel++) visit(n, channel, taps, corner);
        }
      }
    }
  }
}

function fields(c: Case, kind: number, columnMajor = 0): Record<string, number> {
  const { stride, dilation, before, after, out } = geometry(c);
  const words: Record<string, number> = { KIND: kind, BATCH: c.batch ?? 1, CHANNELS: c.channels };
  "DHW".split("").forEach((axis, i) => {
    words[`IN_${axis}`] = c.size[i]!;
    words[`OUT_${axis}`] = out[i]!;
    words[`KERNEL_${axis}`] = c.kernel[i]!;
    words[`STRIDE_${axis}`] = stride[i]!;
    words[`DILATION_${axis}`] = dilation[i]!;
  });
  [words.PAD_FRONT, words.PAD_TOP, words.PAD_LEFT] = before;
  [words.PAD_BACK, words.PAD_BOTTOM, words.PAD_RIGHT] = after;
  return { ...words, COUNT_INCLUDE_PAD: c.includePad ? 1 : 0, COLUMN_MAJOR: columnMajor, SCALE: 0, IN_ZERO: 0, OUT_ZERO: 0 };
}

function inputOf(c: Case): Float32Array {
  return randomFloats(randomSource(11 + c.channels), (c.batch ?? 1) * c.size[0] * c.size[1] * c.size[2] * c.channels);
}

function offset(c: Case, n: number, [z, y, x]: Triple, channel: number): number {
  return (((n * c.size[0] + z) * c.size[1] + y) * c.size[2] + x) * c.channels + channel;
}

function check(c: Case, kind: number, spoil?: (src: Float32Array) => void): void {
  const { min = -Infinity, max = Infinity } = c;
  const { dilation, after, out } = geometry(c);
  const src = inputOf(c);
  spoil?.(src);
  const expected = new Float32Array((c.batch ?? 1) * out[0]! * out[1]! * out[2]! * c.channels);
  let at = 0;
  windows(c, (n, channel, taps, corner) => {
    const values = taps.map((tap) => src[offset(c, n, tap, channel)]!);
    let y: number;
    if (kind === Pool.MAXIMUM) {
      y = values.some(Number.isNaN) ? Number.NaN : values.reduce((a, b) => (a < b ? b : a), -Infinity);
    } else {
      let divisor = taps.length;
      if (c.includePad) {
        divisor = c.kernel
          .map(
            (kernel, i) =>
              Array.from({ length: kernel }, (_, k) => corner[i]! + k * dilation[i]!).filter((v) => v < c.size[i]! + after[i]!).length,
          )
          .reduce((a, b) => a * b);
      }
      y = Math.fround(values.reduce((a, b) => Math.fround(a + b), 0) / divisor);
    }
    const low = y < min ? min : y;
    expected[at++] = max < low ? max : low;
  });
  const bench = stepBench(build, 4);
  const dst = bench.reserve(expected.byteLength);
  bench.run(Opcode.POOL, Pool, {
    ...fields(c, kind),
    SRC: bench.put(src),
    DST: dst,
    INDICES: -1,
    DTYPE: FLOAT32,
    MIN: floatBits(min),
    MAX: floatBits(max),
  });
  expect(bitsOf(bench.read(Float32Array, dst, expected.length))).toEqual(bitsOf(expected));
}

/** Maxima and positions of float32, int8 and uint8. */
function checkIndices(c: Case, columnMajor: boolean, spoil?: (src: Float32Array) => void): void {
  const floats = inputOf(c);
  spoil?.(floats);
  const types = [
    { dtype: FLOAT32, values: floats, type: Float32Array, min: floatBits(-Infinity), max: floatBits(Infinity) },
    { dtype: INT8, values: Int8Array.from(floats, (x) => Math.round(x * 8)), type: Int8Array, min: -128, max: 127 },
    { dtype: UINT8, values: Uint8Array.from(floats, (x) => Math.round((x + 2) * 8)), type: Uint8Array, min: 0, max: 255 },
  ] as const;
  const [depth, height, width] = c.size;
  for (const { dtype, values, type, min, max } of types) {
    const maxima: number[] = [];
    const positions: bigint[] = [];
    windows(c, (n, channel, taps) => {
      const [z, y, x] = taps.reduce((best, tap) => {
        const a = values[offset(c, n, best, channel)]!;
        const b = values[offset(c, n, tap, channel)]!;
        return b > a || (Number.isNaN(b) && !Number.isNaN(a)) ? tap : best;
      });
      maxima.push(values[offset(c, n, [z, y, x], channel)]!);
      const within = columnMajor ? z + y * depth + x * depth * height : (z * height + y) * width + x;
      positions.push(BigInt((n * c.channels + channel) * depth * height * width + within));
    });
    const bench = stepBench(build, 4);
    const dst = bench.reserve(maxima.length * values.BYTES_PER_ELEMENT);
    const indices = bench.reserve(maxima.length * 8);
    bench.run(Opcode.POOL, Pool, {
      ...fields(c, Pool.MAXIMUM, columnMajor ? 1 : 0),
      SRC: bench.put(values),
      DST: dst,
      INDICES: indices,
      DTYPE: dtype,
      MIN: min,
      MAX: max,
    });
    expect([...bench.read<Iterable<number>>(type, dst, maxima.length)]).toEqual(maxima);
    expect([...bench.read(BigInt64Array, indices, maxima.length)]).toEqual(positions);
  }
}

describe.each([
  ["MAXIMUM", Pool.MAXIMUM],
  ["AVERAGE", Pool.AVERAGE],
])("POOL %s of float32", (_, kind) => {
  it.each([1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17])("2-D windows over %i channels", (channels) => {
    check({ size: [1, 6, 7], channels, kernel: [1, 2, 2], stride: [1, 2, 2] }, kind);
    check({ size: [1, 7, 5], channels, kernel: [1, 3, 3], stride: [1, 2, 1], before: [0, 1, 1], after: [0, 1, 1] }, kind);
  });

  it("the whole image", () => {
    check({ batch: 2, size: [1, 7, 7], channels: 21, kernel: [1, 7, 7] }, kind);
  });

  it("one and three dimensions, asymmetric pads, dilations and batches", () => {
    check({ size: [1, 1, 19], channels: 3, kernel: [1, 1, 4], stride: [1, 1, 3], before: [0, 0, 3], after: [0, 0, 1] }, kind);
    check({ batch: 2, size: [4, 5, 6], channels: 5, kernel: [2, 3, 2], stride: [2, 1, 2], before: [1, 0, 1], after: [0, 2, 1] }, kind);
    check({ size: [5, 7, 9], channels: 4, kernel: [2, 3, 2], dilation: [3, 2, 4], before: [1, 2, 0], after: [2, 1, 3] }, kind);
  });

  it("windows that reach past the padding, as rounding up makes them", () => {
    const c = { size: [1, 6, 5], channels: 3, kernel: [1, 3, 3], stride: [1, 2, 2], ceil: true } as const;
    check(c, kind);
    check({ ...c, includePad: true }, kind);
    check({ ...c, before: [0, 1, 1], after: [0, 1, 0], includePad: true }, kind);
    check({ ...c, size: [1, 9, 8], before: [0, 1, 0], after: [0, 0, 1], dilation: [1, 2, 2], includePad: true }, kind);
  });

  it("padding counted among the positions, or not", () => {
    const c = { size: [2, 4, 5], channels: 6, kernel: [2, 3, 3], before: [1, 2, 1], after: [1, 1, 2] } as const;
    check(c, kind);
    check({ ...c, includePad: true }, kind);
  });

  it("limits", () => {
    check({ size: [1, 5, 5], channels: 7, kernel: [1, 2, 2], min: 0, max: 0.5 }, kind);
  });

  it("NaN and infinities", () => {
    check({ size: [1, 5, 6], channels: 5, kernel: [1, 3, 2], min: -1 }, kind, (src) => {
      src[3] = Number.NaN;
      src[60] = Infinity;
      src[61] = -Infinity;
      src.fill(-Infinity, 100, 150);
    });
  });
});

describe("POOL MAXIMUM with positions, for float32, int8 and uint8", () => {
  it.each([
    ["row-major", false],
    ["column-major", true],
  ])("%s", (_, columnMajor) => {
    checkIndices({ batch: 2, size: [1, 6, 7], channels: 3, kernel: [1, 2, 3], stride: [1, 2, 1], before: [0, 1, 1] }, columnMajor);
    checkIndices({ batch: 2, size: [3, 4, 5], channels: 2, kernel: [2, 2, 2], dilation: [1, 2, 3], after: [1, 1, 0] }, columnMajor);
  });

  it("the first of equal maxima, and the first NaN", () => {
    checkIndices({ size: [1, 4, 4], channels: 2, kernel: [1, 3, 3] }, false, (src) => src.fill(1));
    checkIndices({ size: [1, 4, 4], channels: 1, kernel: [1, 2, 2] }, false, (src) => {
      src.fill(-Infinity);
      src[5] = Number.NaN;
      src[6] = Number.NaN;
    });
  });
});
