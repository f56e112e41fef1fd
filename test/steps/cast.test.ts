import { describe, expect, it } from "vitest";
import { BOOL, FLOAT32, INT8, INT32, INT64, UINT8 } from "../../format/dtypes.ts";
import * as Opcode from "../../format/opcodes.ts";
import * as Cast from "../../format/steps/cast.ts";
import { build } from "../support/floats.ts";
import { stepBench } from "../support/step-bench.ts";

const NAMES = { [FLOAT32]: "float32", [INT8]: "int8", [UINT8]: "uint8", [INT32]: "int32", [INT64]: "int64", [BOOL]: "bool" };
const TYPES = [FLOAT32, INT8, UINT8, INT32, INT64, BOOL] as const;
type Dtype = (typeof TYPES)[number];

const RANGES: Readonly<Record<number, readonly [bigint, bigint]>> = {
  [INT8]: [-128n, 127n],
  [UINT8]: [0n, 255n],
  [INT32]: [-(1n << 31n), (1n << 31n) - 1n],
  [INT64]: [-(1n << 63n), (1n << 63n) - 1n],
};

/** Values that a type can hold: its ends, small numbers, and for float32 fractions, what no integer holds, NaN and infinities. */
const SAMPLES: Readonly<Record<Dtype, readonly (number | bigint)[]>> = {
  [FLOAT32]: [
    0,
    -0,
    0.5,
    -0.5,
    0.999,
    1.5,
    -1.5,
    2.5,
    127,
    127.9,
    128,
    -128.9,
    -129,
    255.9,
    256,
    2 ** 31,
    -(2 ** 31),
    2147483520,
    2 ** 63,
    -(2 ** 63),
    1e30,
    -1e30,
    1e-45,
    Infinity,
    -Infinity,
    Number.NaN,
  ],
  [INT8]: [0, 1, -1, 127, -128, 5],
  [UINT8]: [0, 1, 127, 128, 255],
  [INT32]: [0, 1, -1, 255, 256, -129, 65_536, 16_777_217, 2147483647, -2147483648],
  [INT64]: [0n, 1n, -1n, 256n, -129n, 1n << 32n, (1n << 40n) + 1n, 16_777_217n, 9_007_199_791_611_905n, (1n << 63n) - 1n, -(1n << 63n)],
  [BOOL]: [0, 1],
};

function toArray(dtype: Dtype, values: readonly (number | bigint)[]) {
  if (dtype === FLOAT32) return Float32Array.from(values as number[]);
  if (dtype === INT64) return BigInt64Array.from(values as bigint[]);
  if (dtype === INT32) return Int32Array.from(values as number[]);
  return dtype === INT8 ? Int8Array.from(values as number[]) : Uint8Array.from(values as number[]);
}

/** int64 to float32 with one rounding: through float64 it would round twice. */
function toFloat32(v: bigint): number {
  const magnitude = v < 0n ? -v : v;
  const excess = BigInt(Math.max(0, magnitude.toString(2).length - 24));
  const half = excess > 0n ? 1n << (excess - 1n) : 0n;
  let kept = magnitude >> excess;
  const rest = magnitude - (kept << excess);
  if (excess > 0n && (rest > half || (rest === half && (kept & 1n) === 1n))) kept += 1n;
  const result = Number(kept << excess);
  return v < 0n ? -result : result;
}

function convert(value: number | bigint, from: Dtype, to: Dtype): number | bigint {
  if (to === BOOL) return Number(value) !== 0 ? 1 : 0;
  if (from === FLOAT32 && to === FLOAT32) return value;
  if (to === FLOAT32) return toFloat32(BigInt(value));
  let integer: bigint;
  if (from === FLOAT32) {
    const [low, high] = RANGES[to]!;
    if (Number.isNaN(value)) integer = 0n;
    else if (Number(value) >= Number(high)) integer = high;
    else if (Number(value) <= Number(low)) integer = low;
    else integer = BigInt(Math.trunc(Number(value)));
  } else {
    integer = BigInt(value);
  }
  if (to === INT64) return BigInt.asIntN(64, integer);
  const bits = to === INT32 ? 32 : 8;
  return Number(to === UINT8 ? BigInt.asUintN(bits, integer) : BigInt.asIntN(bits, integer));
}

describe("CAST", () => {
  const pairs = TYPES.flatMap((from) => TYPES.map((to) => ({ from, to, name: `${NAMES[from]} to ${NAMES[to]}` })));
  it.each(pairs)("$name", ({ from, to }) => {
    const values = SAMPLES[from];
    const expected = toArray(
      to,
      values.map((v) => convert(v, from, to)),
    );
    const bench = stepBench(build, 2);
    const dst = bench.reserve(expected.byteLength);
    bench.run(Opcode.CAST, Cast, { SRC: bench.put(toArray(from, values)), DST: dst, SRC_DTYPE: from, DST_DTYPE: to, COUNT: values.length });
    const bytes = new Uint8Array(expected.buffer);
    expect(bench.read(Uint8Array, dst, bytes.length)).toEqual(bytes);
  });
});
