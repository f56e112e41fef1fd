/** The ridge by samples held out: firm where the fit knows too little, loose where it knows enough. */
import { describe, expect, it } from "vitest";
import { chooseRidge, triedColumns } from "../../compiler/prune/ridge.ts";
import { type CenteredMoments, joinMoments, MomentProducts } from "../../compiler/quantize/moments.ts";
import { randomNumbers } from "../passes/evaluation.ts";
import { plainModule } from "../support/small-model.ts";

const DEPTH = 24;

/** Inputs that are alike in part, [count][DEPTH], and the same with noise. */
function inputsOf(count: number, seed: number, noise: number): { readonly x: Float32Array; readonly noisy: Float32Array } {
  const random = randomNumbers(seed);
  const x = new Float32Array(count * DEPTH);
  const noisy = new Float32Array(count * DEPTH);
  for (let i = 0; i < x.length; i++) {
    x[i] = 1 + random() * 2 - 1 + 0.8 * (i % DEPTH > 0 ? x[i - 1]! - 1 : 0);
    noisy[i] = x[i]! + noise * (random() * 2 - 1);
  }
  return { x, noisy };
}

function momentsOf(count: number, seed: number, noise = 0): CenteredMoments {
  const { x, noisy } = inputsOf(count, seed, noise);
  return new MomentProducts(plainModule).of(x, noisy, DEPTH, true);
}

const random = randomNumbers(7);
const ROWS = Float32Array.from({ length: 8 * DEPTH }, () => random() * 2 - 1);

describe("the ridge", () => {
  it("is greater the fewer observations there are to fit to", () => {
    const heldOut = momentsOf(4000, 1, 0.3);
    const columns = triedColumns(DEPTH, 0.5);
    const [few, some, many] = [14, 60, 4000].map((count) => chooseRidge(ROWS, columns, momentsOf(count, 2, 0.3), heldOut)!);
    expect(few).toBeGreaterThan(some!);
    expect(some).toBeGreaterThan(many!);
    expect(many).toBe(0.01);
  });

  it("is the least where any fit is right, and there is none for moments that are not finite", () => {
    const moments = momentsOf(400, 3);
    expect(chooseRidge(ROWS, triedColumns(DEPTH, 0), moments, momentsOf(200, 4))).toBeLessThanOrEqual(0.03);
    const broken = { ...moments, covariance: moments.covariance.map(() => Number.NaN) };
    expect(chooseRidge(ROWS, triedColumns(DEPTH, 0), broken, moments)).toBeNull();
  });

  it("is tried on what a support leaves, on half of the inputs where some will go, and else on all", () => {
    expect([...triedColumns(5, 0)]).toEqual([0, 1, 2, 3, 4]);
    const half = [...triedColumns(1000, 0.5)];
    for (const places of [1, 2, 3, 4, 9, 16]) {
      const first = half.filter((k) => k % places === 0);
      expect(Math.abs(first.length - 500 / places)).toBeLessThan(0.1 * (500 / places) + 2);
    }
    expect([...triedColumns(3, 0, Uint8Array.of(1, 0, 0, 1, 0, 1))]).toEqual([0, 2]);
  });
});

it("joins the moments of two parts to those of the whole", () => {
  const { x, noisy } = inputsOf(90, 5, 0.5);
  const products = new MomentProducts(plainModule);
  for (const centered of [true, false]) {
    const of = (from: number, to: number): CenteredMoments =>
      products.of(x.subarray(from * DEPTH, to * DEPTH), noisy.subarray(from * DEPTH, to * DEPTH), DEPTH, centered);
    const [whole, joined] = [of(0, 90), joinMoments(of(0, 65), of(65, 90))];
    expect(joined.observations).toBe(90);
    for (const key of ["covariance", "cross", "mean", "quantizedMean"] as const)
      joined[key].forEach((value, i) => {
        expect(value).toBeCloseTo(whole[key][i]!, 9);
      });
  }
});
