/** What callers see of the order and the length of the phases of quantization. */
import { expect, it } from "vitest";
import { compile } from "../../compiler/index.ts";
import type { Sample } from "../../compiler/quantize/calibrate.ts";
import { classifier } from "../cli/scratch.ts";

const SAMPLE: Sample = { image: { dtype: "float32", shape: [1, 3, 8, 8], data: new Float32Array(192).fill(0.5) } };

it("finds a layer to keep in float32 that does not exist before it reads any sample", async () => {
  let read = 0;
  const calibration = (function* (): Generator<Sample> {
    read++;
    yield SAMPLE;
  })();
  await expect(compile(classifier(), { shapes: { N: 1 }, keepFloat: ["the_conv", "no_such_layer"], calibration })).rejects.toThrow(
    expect.objectContaining({
      code: "unknown-node",
      message: 'No node is named "no_such_layer". Layers with weights are: the_conv, the_gemm.',
    }),
  );
  expect(read).toBe(0);
});

it("lets timers have their turn while samples come without a pause, so that one of them can abort", async () => {
  const controller = new AbortController();
  const timer = setTimeout(() => controller.abort(new Error("enough")), 100);
  const calibration = (function* (): Generator<Sample> {
    for (;;) yield SAMPLE;
  })();
  await expect(compile(classifier(), { shapes: { N: 1 }, calibration, signal: controller.signal })).rejects.toThrow("enough");
  clearTimeout(timer);
});
