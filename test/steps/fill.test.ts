import { expect, it } from "vitest";
import * as Opcode from "../../format/opcodes.ts";
import * as Fill from "../../format/steps/fill.ts";
import { build } from "../support/floats.ts";
import { stepBench } from "../support/step-bench.ts";

it.each([1, 4, 8])("FILL repeats a value of %i bytes and stops in time", (bytes) => {
  const value = Uint8Array.of(0x81, 0x02, 0x83, 0x04, 0x85, 0x06, 0x87, 0x08);
  const [low, high] = new Int32Array(value.buffer);
  for (const count of [1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 33]) {
    const bench = stepBench(build, 2);
    const dst = bench.reserve(count * bytes);
    bench.run(Opcode.FILL, Fill, { DST: dst, ELEMENT_BYTES: bytes, COUNT: count, VALUE_LOW: low!, VALUE_HIGH: high! });
    expect(bench.read(Uint8Array, dst, count * bytes)).toEqual(Uint8Array.from({ length: count * bytes }, (_, i) => value[i % bytes]!));
  }
});
