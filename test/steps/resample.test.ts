import { describe, expect, it } from "vitest";
import { FLOAT32, INT8, INT32, INT64, UINT8 } from "../../format/dtypes.ts";
import * as Opcode from "../../format/opcodes.ts";
import * as Resample from "../../format/steps/resample.ts";
import { bitsOf, build, randomFloats } from "../support/floats.ts";
import { floatBits, randomSource, stepBench } from "../support/step-bench.ts";

type AnyArray = Float32Array | Int8Array | Uint8Array | Int32Array | BigInt64Array;
const CLASSES = { [FLOAT32]: Float32Array, [INT8]: Int8Array, [UINT8]: Uint8Array, [INT32]: Int32Array, [INT64]: BigInt64Array };
type Dtype = keyof typeof CLASSES;

interface Table {
  readonly inLength: number;
  readonly outLength: number;
  readonly taps: number;
  readonly indices: readonly number[];
  readonly weights?: Float32Array;
}

const OUTER = 2;
const INNERS = [1, 2, 3, 4, 5, 7, 8, 9, 17];

function run(from: Dtype, to: Dtype, src: AnyArray, inner: number, table: Table, outside = 0): AnyArray {
  const count = OUTER * table.outLength * inner;
  const bench = stepBench(build, 2);
  const dst = bench.reserve(count * CLASSES[to].BYTES_PER_ELEMENT);
  bench.run(Opcode.RESAMPLE, Resample, {
    SRC: bench.put(src),
    DST: dst,
    SRC_DTYPE: from,
    DST_DTYPE: to,
    OUTER,
    IN_LENGTH: table.inLength,
    OUT_LENGTH: table.outLength,
    INNER: inner,
    TAPS: table.taps,
    INDICES: bench.put(Int32Array.from(table.indices)),
    WEIGHTS: table.weights ? bench.put(table.weights) : -1,
    OUTSIDE: floatBits(outside),
  });
  return bench.read<AnyArray>(CLASSES[to] as never, dst, count);
}

/** The weighted sums as float32. */
function sums(src: ArrayLike<number>, inner: number, table: Table, outside: number): Float32Array {
  const { inLength, outLength, taps, indices, weights } = table;
  return Float32Array.from({ length: OUTER * outLength * inner }, (_, n) => {
    const i = n % inner;
    const t = Math.floor(n / inner) % outLength;
    const o = Math.floor(n / inner / outLength);
    if (indices[t * taps] === -1) return outside;
    const product = (k: number): number => Math.fround(weights![t * taps + k]! * src[(o * inLength + indices[t * taps + k]!) * inner + i]!);
    let y = product(0);
    for (let k = 1; k < taps; k++) y = Math.fround(y + product(k));
    return y;
  });
}

function randomTable(taps: number, holes: boolean): Table {
  const random = randomSource(taps);
  const [inLength, outLength] = [5, 9];
  const indices = Array.from({ length: outLength * taps }, () => random() % inLength);
  if (holes) [0, 4].forEach((t) => (indices[t * taps] = -1));
  return { inLength, outLength, taps, indices, weights: randomFloats(random, outLength * taps) };
}

const halfEven = (x: number): number => {
  const down = Math.floor(x);
  return x - down === 0.5 ? down + (Math.abs(down) % 2) : Math.round(x);
};
const toInt8 = (x: number): number => Math.min(127, Math.max(-128, halfEven(x)));

describe("RESAMPLE", () => {
  it.each([1, 2, 4, 7])("float32: sums of %i taps in ascending order, bit for bit", (taps) => {
    for (const inner of INNERS) {
      const table = randomTable(taps, false);
      const src = randomFloats(randomSource(inner), OUTER * table.inLength * inner);
      src[0] = Infinity;
      expect(bitsOf(run(FLOAT32, FLOAT32, src, inner, table) as Float32Array)).toEqual(bitsOf(sums(src, inner, table, 0)));
    }
  });

  it("rows outside the image have one value", () => {
    const table = randomTable(2, true);
    const src = randomFloats(randomSource(8), OUTER * table.inLength * 6);
    expect(run(FLOAT32, FLOAT32, src, 6, table, -1.25)).toEqual(sums(src, 6, table, -1.25));
    expect(run(FLOAT32, INT8, src, 6, table, 300)).toEqual(Int8Array.from(sums(src, 6, table, 300), toInt8));
  });

  it("int8 in keeps the integer's value, int8 out rounds half to even and saturates", () => {
    for (const inner of INNERS) {
      const table = { ...randomTable(2, true), weights: new Float32Array(18).map((_, i) => (i % 3) * 0.5) };
      const random = randomSource(inner);
      const bytes = Int8Array.from({ length: OUTER * table.inLength * inner }, random);
      const floats = Float32Array.from(bytes, (v) => v * 1.5);
      expect(run(INT8, FLOAT32, bytes, inner, table, 2)).toEqual(sums(bytes, inner, table, 2));
      expect(run(FLOAT32, INT8, floats, inner, table, 2.5)).toEqual(Int8Array.from(sums(floats, inner, table, 2.5), toInt8));
      expect(run(INT8, INT8, bytes, inner, table, -7)).toEqual(Int8Array.from(sums(bytes, inner, table, -7), toInt8));
    }
  });

  it("NaN becomes 0 in int8", () => {
    const table = { inLength: 1, outLength: 1, taps: 1, indices: [0], weights: Float32Array.of(1) };
    expect([...run(FLOAT32, INT8, Float32Array.of(Number.NaN, Infinity, -Infinity, 0.5).subarray(0, 2), 1, table)].slice(0, 1)).toEqual([
      0,
    ]);
  });

  it.each([
    ["float32", FLOAT32],
    ["int8", INT8],
    ["uint8", UINT8],
    ["int32", INT32],
    ["int64", INT64],
  ] as const)("copies rows of %s without weights", (_, dtype) => {
    for (const inner of INNERS) {
      const table = { inLength: 4, outLength: 6, taps: 1, indices: [3, 0, -1, 1, 1, 2] };
      const random = randomSource(inner + dtype);
      const length = OUTER * table.inLength * inner;
      const src: AnyArray =
        dtype === INT64
          ? BigInt64Array.from({ length }, () => BigInt(random()) << 20n)
          : (CLASSES[dtype] as typeof Int32Array).from({ length }, () => random() >> 1);
      const zero = dtype === INT64 ? 7n : 7;
      const expected = Array.from({ length: OUTER * table.outLength * inner }, (_, n) => {
        const index = table.indices[Math.floor(n / inner) % table.outLength]!;
        return index < 0 ? zero : src[(Math.floor(n / inner / table.outLength) * table.inLength + index) * inner + (n % inner)]!;
      });
      expect([...(run(dtype, dtype, src, inner, table, 7) as Iterable<number | bigint>)]).toEqual(expected);
    }
  });
});
