import { describe, expect, it } from "vitest";
import { INT32, INT64 } from "../../format/dtypes.ts";
import * as Opcode from "../../format/opcodes.ts";
import { INDEX_OUT_OF_RANGE } from "../../format/status.ts";
import * as Gather from "../../format/steps/gather.ts";
import { build } from "../support/floats.ts";
import { randomSource, stepBench } from "../support/step-bench.ts";

function run(src: Uint8Array, outer: number, axis: number, innerBytes: number, indices: Int32Array | BigInt64Array) {
  const bench = stepBench(build, 4);
  const size = outer * indices.length * innerBytes;
  const dst = bench.reserve(size);
  const untouched = bench.read(Uint8Array, dst, size);
  const fields = {
    SRC: bench.put(src),
    DST: dst,
    INDICES: bench.put(indices),
    INDEX_DTYPE: indices instanceof Int32Array ? INT32 : INT64,
    OUTER: outer,
    AXIS: axis,
    COUNT: indices.length,
    INNER_BYTES: innerBytes,
  };
  return { run: () => bench.run(Opcode.GATHER, Gather, fields), read: () => bench.read(Uint8Array, dst, size), untouched };
}

describe("GATHER", () => {
  it.each([1, 2, 3, 4, 7, 8, 15, 16, 33, 300])("takes rows of %i bytes, counting negative indices from the end", (innerBytes) => {
    const [outer, axis] = [3, 5];
    const src = Uint8Array.from({ length: outer * axis * innerBytes }, randomSource(innerBytes));
    const indices = [0, 4, -1, -5, 2, 2, 3];
    const expected = Array.from({ length: outer }, (_, o) =>
      indices.map((i) => [
        ...src.subarray((o * axis + ((i + axis) % axis)) * innerBytes, (o * axis + ((i + axis) % axis) + 1) * innerBytes),
      ]),
    ).flat(2);
    for (const typed of [Int32Array.from(indices), BigInt64Array.from(indices, BigInt)]) {
      const gather = run(src, outer, axis, innerBytes, typed);
      gather.run();
      expect([...gather.read()]).toEqual(expected);
    }
  });

  it.each([
    ["behind the end", Int32Array.of(0, 5)],
    ["before the start", Int32Array.of(0, -6)],
    ["beyond 32 bits", BigInt64Array.of(0n, 1n << 32n)],
    ["below 32 bits", BigInt64Array.of(0n, -(1n << 40n))],
  ])("refuses an index %s and writes nothing", (_, indices) => {
    const gather = run(new Uint8Array(5).fill(1), 1, 5, 1, indices);
    expect(gather.run).toThrow(`run returned ${INDEX_OUT_OF_RANGE}`);
    expect(gather.read()).toEqual(gather.untouched);
  });
});
