import { describe, expect, it } from "vitest";
import { FLOAT32, INT8 } from "../../format/dtypes.ts";
import * as Opcode from "../../format/opcodes.ts";
import * as Binary from "../../format/steps/binary.ts";
import * as Dequantize from "../../format/steps/dequantize.ts";
import * as LayerNorm from "../../format/steps/layer-norm.ts";
import * as LayerNormI8 from "../../format/steps/layer-norm-i8.ts";
import * as Quantize from "../../format/steps/quantize.ts";
import { bitsOf, build, randomFloats } from "../support/floats.ts";
import { floatBits, randomSource, stepBench } from "../support/step-bench.ts";

interface Case {
  readonly rows: number;
  readonly count: number;
  readonly isInt8?: boolean;
  readonly hasAddend?: boolean;
  readonly keepsSum?: boolean;
  readonly keepsFloats?: boolean;
  readonly hasScale?: boolean;
  readonly hasBias?: boolean;
  readonly isCentred?: boolean;
  readonly hasZeros?: boolean;
  /** Which operand the first float32 result lies over. */
  readonly over?: "SRC" | "ADDEND";
}

/** The steps that LAYER_NORM_I8 takes the place of, each of which has tests of its own, one after the other. */
function check(c: Case, spoil?: (x: Float32Array) => void): void {
  const { rows, count } = c;
  const size = rows * count;
  const random = randomSource(rows * 1000 + count);
  const bench = stepBench(build, 4);
  const integers = Int8Array.from({ length: size }, () => (random() % 256) - 128);
  const floats = randomFloats(random, size).map((v) => v * 3 + 1);
  spoil?.(floats);
  const src = bench.put(c.isInt8 ? integers : floats);
  const addend = c.hasAddend ? bench.put(randomFloats(random, size)) : -1;
  const zero = (value: number): number => (c.hasZeros ? bench.put(new Int8Array([value])) : -1);
  const constants = {
    SCALE: c.hasScale ? bench.put(randomFloats(random, count)) : -1,
    BIAS: c.hasBias ? bench.put(randomFloats(random, count)) : -1,
    ROWS: rows,
    COUNT: count,
    EPSILON: floatBits(1e-5),
    CENTRED: (c.isCentred ?? true) ? 1 : 0,
  };
  const [srcScale, srcZero] = c.isInt8 ? [bench.put(new Float32Array([0.037])), zero(-19)] : [-1, -1];
  const [outScale, outZero] = [bench.put(new Float32Array([0.021])), zero(7)];

  const apart = { sum: bench.reserve(size * 4), floats: bench.reserve(size * 4), dst: bench.reserve(size) };
  const one = { OUTER: 1, AXIS: size, INNER: 1, BLOCK: 1, SCALE_OUTER: 0, SCALE_AXIS: 0, SCALE_INNER: 0, DTYPE: INT8 };
  let x = src;
  if (c.isInt8) {
    x = apart.sum;
    bench.run(Opcode.DEQUANTIZE, Dequantize, { ...one, SRC: src, DST: x, SCALE: srcScale, ZERO: srcZero });
  }
  if (c.hasAddend) {
    const dims = { DIM0: 1, DIM1: 1, DIM2: 1, DIM3: 1, DIM4: rows, DIM5: count };
    const strides = [0, 1, 2, 3, 4, 5].flatMap((i) => ["A", "B"].map((k) => [`${k}_STRIDE${i}`, i === 5 ? 1 : i === 4 ? count : 0]));
    const limits = { MIN: floatBits(-Infinity), MAX: floatBits(Infinity) };
    const words = { A: x, B: addend, DST: apart.sum, OP: Binary.ADD, DTYPE: FLOAT32, ...dims, ...Object.fromEntries(strides), ...limits };
    bench.run(Opcode.BINARY, Binary, words);
    x = apart.sum;
  }
  bench.run(Opcode.LAYER_NORM, LayerNorm, { ...constants, SRC: x, DST: apart.floats, MEAN: -1, INVERSE: -1 });
  bench.run(Opcode.QUANTIZE, Quantize, { ...one, SRC: apart.floats, DST: apart.dst, SCALE: outScale, ZERO: outZero, TRANSPOSED: 0 });

  const over = c.over === "SRC" ? src : c.over === "ADDEND" ? addend : undefined;
  const keptFloats = c.keepsFloats ? (over ?? bench.reserve(size * 4)) : -1;
  const keptSum = c.keepsSum ? ((c.keepsFloats ? undefined : over) ?? bench.reserve(size * 4)) : -1;
  const dst = bench.reserve(size);
  bench.run(Opcode.LAYER_NORM_I8, LayerNormI8, {
    ...constants,
    SRC: src,
    ADDEND: addend,
    SUM: keptSum,
    DST: keptFloats,
    DST_I8: dst,
    SRC_SCALE: srcScale,
    SRC_ZERO: srcZero,
    OUT_SCALE: outScale,
    OUT_ZERO: outZero,
    SCRATCH: bench.reserve(LayerNormI8.scratchBytes(count)),
  });
  const where = JSON.stringify(c);
  expect([...bench.read(Int8Array, dst, size)], where).toEqual([...bench.read(Int8Array, apart.dst, size)]);
  for (const [kept, expected] of [
    [keptFloats, apart.floats],
    [keptSum, x],
  ] as const)
    if (kept !== -1) expect(bitsOf(bench.read(Float32Array, kept, size)), where).toEqual(bitsOf(bench.read(Float32Array, expected, size)));
}

const COUNTS = [1, 2, 3, 4, 5, 7, 8, 9, 12, 13, 15, 16, 17, 20, 31, 33, 64, 100, 384];

describe("LAYER_NORM_I8 gives the bytes of the steps that it takes the place of", () => {
  it.each(COUNTS)("rows of %i", (count) => {
    for (const rows of [1, 2, 5]) {
      check({ rows, count });
      check({ rows, count, hasScale: true, hasBias: true, hasZeros: true });
      check({ rows, count, hasAddend: true, keepsFloats: true, hasScale: true, hasBias: true, hasZeros: true });
      check({ rows, count, hasAddend: true, keepsSum: true, hasScale: true, hasBias: true });
      check({ rows, count, hasAddend: true, keepsSum: true, keepsFloats: true, isCentred: false, hasScale: true });
      check({ rows, count, isInt8: true, hasZeros: true, hasBias: true });
      check({ rows, count, isInt8: true, hasAddend: true, keepsSum: true, keepsFloats: true, hasScale: true, hasBias: true });
      check({ rows, count, isInt8: true, hasZeros: true, keepsFloats: true, isCentred: false });
    }
  });

  it("also over an operand", () => {
    for (const over of ["SRC", "ADDEND"] as const) {
      check({ rows: 3, count: 21, hasAddend: true, keepsFloats: true, hasScale: true, hasBias: true, over });
      check({ rows: 3, count: 21, hasAddend: true, keepsSum: true, keepsFloats: true, over });
      check({ rows: 3, count: 21, hasAddend: true, keepsSum: true, hasScale: true, hasBias: true, over });
    }
    check({ rows: 3, count: 21, keepsFloats: true, hasScale: true, over: "SRC" });
  });

  it("where results saturate, and where a NaN or an infinity spoils a row", () => {
    for (const odd of [Number.NaN, Infinity, -Infinity, 1e30])
      for (const hasBias of [false, true])
        check({ rows: 3, count: 18, keepsFloats: true, hasAddend: true, hasScale: true, hasBias, hasZeros: true }, (x) => (x[20] = odd));
  });
});
