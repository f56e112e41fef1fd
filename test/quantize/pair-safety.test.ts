/** Pair-safe weights: as coarse as their pairs need, no coarser. */
import { expect, it } from "vitest";
import { quantizeWeights } from "../../compiler/quantize/weights.ts";
import { PAIR_LIMIT } from "../../format/packings.ts";
import { randomSource } from "../support/step-bench.ts";

it("keeps every pair of the packed order within the limit, and no scale larger than that takes", () => {
  const next = randomSource(7);
  const [outputs, inputs, taps] = [5, 6, 9];
  for (let round = 0; round < 200; round++) {
    const data = Float32Array.from({ length: outputs * inputs * taps }, () => (next() / 2 ** 32 - 0.5) * 2 ** (round % 20));
    const weights = { dtype: "float32", shape: [outputs, inputs, 3, 3], data } as const;
    const index = (o: number, k: number): number => (o * inputs + (k % inputs)) * taps + Math.floor(k / inputs);
    const { values, scales } = quantizeWeights(weights, 0, 1, null, { depth: inputs * taps, segmentLength: inputs * 3, index });
    const plain = quantizeWeights(weights, 0, 1, null).scales;
    for (let o = 0; o < outputs; o++) {
      let largest = 0;
      for (let k = 0; k < inputs * taps; k += 2)
        largest = Math.max(largest, Math.abs(Number(values.data[index(o, k)])) + Math.abs(Number(values.data[index(o, k + 1)])));
      expect(largest).toBeLessThanOrEqual(PAIR_LIMIT);
      if (scales[o]! > plain[o]!) expect(largest).toBeGreaterThanOrEqual(PAIR_LIMIT - 2);
      expect(scales[o]! / plain[o]!).toBeLessThan(2);
    }
  }
});
