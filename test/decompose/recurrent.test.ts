import { describe, expect, it } from "vitest";
import type { Tensor } from "../../host/tensor.ts";
import { randomNumbers } from "../ops/operation.ts";
import { runOp } from "../support/one-op.ts";

const [TIMES, BATCH, INPUTS, HIDDEN] = [5, 3, 4, 2];
const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));

/** One direction of an LSTM with peepholes, sequence by sequence, value by value: ONNX's equations in float64. */
function lstm(x: Tensor, w: Tensor, r: Tensor, b: Tensor, p: Tensor, lengths: readonly number[], d: number, isReverse: boolean) {
  const y = new Map<string, number>();
  const last: number[][] = [];
  const at = (tensor: Tensor, ...place: readonly number[]): number =>
    Number(tensor.data[place.reduce((sum, i, axis) => sum * tensor.shape[axis]! + i, 0)]);
  for (let n = 0; n < BATCH; n++) {
    let h = new Array<number>(HIDDEN).fill(0);
    let c = new Array<number>(HIDDEN).fill(0);
    for (let step = 0; step < lengths[n]!; step++) {
      const t = isReverse ? lengths[n]! - 1 - step : step;
      const gate = (which: number, k: number): number => {
        const row = which * HIDDEN + k;
        let sum = at(b, d, row) + at(b, d, 4 * HIDDEN + row);
        for (let i = 0; i < INPUTS; i++) sum += at(x, t, n, i) * at(w, d, row, i);
        for (let i = 0; i < HIDDEN; i++) sum += h[i]! * at(r, d, row, i);
        return sum;
      };
      const next = c.map((old, k) => {
        const input = sigmoid(gate(0, k) + at(p, d, k) * old);
        const forget = sigmoid(gate(2, k) + at(p, d, 2 * HIDDEN + k) * old);
        return forget * old + input * Math.tanh(gate(3, k));
      });
      const output = next.map((value, k) => sigmoid(gate(1, k) + at(p, d, HIDDEN + k) * value) * Math.tanh(value));
      [h, c] = [output, next];
      for (let k = 0; k < HIDDEN; k++) y.set([t, n, k].join(), h[k]!);
    }
    last.push(h);
  }
  return { y, last };
}

describe("LSTM", () => {
  it("runs sequences of different lengths in both directions, with peepholes, as the equations say", async () => {
    const random = randomNumbers(7);
    const tensor = (...shape: readonly number[]): Tensor => ({
      dtype: "float32",
      shape,
      data: Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => random() * 2 - 1),
    });
    const x = tensor(TIMES, BATCH, INPUTS);
    const [w, r] = [tensor(2, 4 * HIDDEN, INPUTS), tensor(2, 4 * HIDDEN, HIDDEN)];
    const [b, p] = [tensor(2, 8 * HIDDEN), tensor(2, 3 * HIDDEN)];
    const lengths = [5, 2, 4];
    const given: Tensor = { dtype: "int32", shape: [BATCH], data: Int32Array.from(lengths) };
    const [y, yh] = await runOp(
      "LSTM",
      [x, w, r, b, given, null, null, p],
      { direction: "bidirectional", hidden_size: HIDDEN },
      { outputs: 3 },
    );
    for (const d of [0, 1]) {
      const expected = lstm(x, w, r, b, p, lengths, d, d === 1);
      for (let t = 0; t < TIMES; t++)
        for (let n = 0; n < BATCH; n++)
          for (let k = 0; k < HIDDEN; k++) {
            const got = Number(y!.data[((t * 2 + d) * BATCH + n) * HIDDEN + k]);
            expect(got).toBeCloseTo(expected.y.get([t, n, k].join()) ?? 0, 5);
          }
      for (let n = 0; n < BATCH; n++)
        for (let k = 0; k < HIDDEN; k++) expect(Number(yh!.data[(d * BATCH + n) * HIDDEN + k])).toBeCloseTo(expected.last[n]![k]!, 5);
    }
  });
});
