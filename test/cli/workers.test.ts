/** The command line's own workers: threads with the built script. */
import { readFileSync } from "node:fs";
import { afterAll, beforeAll, expect, it } from "vitest";
import { encodeNpy } from "../../compiler/cli/data/npy.ts";
import { floatTensor, ints, model, node, value } from "../support/onnx-model.ts";
import { createRandom, createScratch, type Scratch } from "./scratch.ts";

let scratch: Scratch;

/** One convolution of five million multiply-accumulates, and a smaller one. */
beforeAll(() => {
  scratch = createScratch();
  const random = createRandom(8);
  const numbers = (count: number): number[] => Array.from({ length: count }, () => random() - 0.5);
  scratch.write(
    "m.onnx",
    model({
      inputs: [value("x", [1, 32, 24, 24])],
      initializers: [floatTensor("w", [32, 32, 3, 3], numbers(9216)), floatTensor("v", [8, 32, 1, 1], numbers(256))],
      nodes: [
        node("Conv", ["x", "w"], ["h"], { kernel_shape: ints(3, 3), pads: ints(1, 1, 1, 1) }),
        node("Conv", ["h", "v"], ["y"], { kernel_shape: ints(1, 1) }),
      ],
    }),
  );
  scratch.write("x.npy", encodeNpy("f4", [5, 32, 24, 24], Float32Array.from(numbers(5 * 18432))));
});

afterAll(() => scratch.remove());

it("gives the same file with and without workers, and says how many there were", () => {
  const compile = (name: string, ...args: readonly string[]): unknown =>
    scratch.json("compile", "m.onnx", "-o", name, "--calibrate", "x.npy", ...args)["workers"];
  expect(compile("one.eqm", "--workers", "1")).toEqual({ count: 1, reason: null });
  expect(compile("two.eqm", "--workers", "2")).toEqual({ count: 2, reason: null });
  expect(Buffer.compare(readFileSync(scratch.path("one.eqm")), readFileSync(scratch.path("two.eqm")))).toBe(0);
});

it("says why there are none where some were asked for", () => {
  const { status, stderr } = scratch.eqm("compile", "m.onnx", "-o", "none.eqm", "--workers", "2");
  expect(status).toBe(0);
  expect(stderr).toContain("without workers: there are no samples to share out");
});
