import { expect, it } from "vitest";
import { stepBench } from "../support/step-bench.ts";

it("starts", () => {
  const bench = stepBench();
  const at = bench.put(new Int8Array([1, 2, 3]));
  expect([...bench.read(Int8Array, at, 3)]).toEqual([1, 2, 3]);
});
