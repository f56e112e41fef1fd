import { describe, expect, it } from "vitest";
import { Difference, SQNR_LIMIT_DB } from "../../compiler/cli/difference.ts";
import { classOf } from "../../compiler/cli/metrics.ts";
import { bestClass, bestClasses, isAmongBest, isClassScores } from "../../compiler/report/classes.ts";

describe("the best classes", () => {
  it("gives the first of equal scores, and NaN last", () => {
    expect(bestClass([1, 3, 3, 2])).toBe(1);
    expect(bestClass([Number.NaN, -5, Number.NaN])).toBe(1);
    expect(bestClass(BigInt64Array.of(-1n, 4n, 2n))).toBe(1);
    expect(bestClasses([1, Number.NaN, 3, 3, Number.NEGATIVE_INFINITY], 9)).toEqual([2, 3, 0, 1, 4]);
  });

  it("agrees with sorting, for every label and k", () => {
    const scores = [0.5, 2, 2, -1, 7, 2, 0];
    for (let k = 1; k <= scores.length; k++) {
      const best = bestClasses(scores, k);
      for (let label = 0; label < scores.length; label++)
        expect(isAmongBest(scores, label, k), `label ${label}, k ${k}`).toBe(best.includes(label));
    }
  });

  it("never counts a label whose score is NaN", () => {
    expect(isAmongBest([Number.NaN], 0, 1)).toBe(false);
  });

  it("adds the offset to a label, and refuses one that the model has not", () => {
    expect(classOf(3, 1, 1001, 0)).toBe(4);
    expect(() => classOf(1000, 0, 1000, 7)).toThrow(
      "sample 7 has the label 1000, but the model has 1000 classes, 0 to 999. --label-offset N adds N to every label.",
    );
    expect(() => classOf(0, -1, 10, 0)).toThrow("sample 0 has the label 0 (with --label-offset -1: -1), but the model has 10 classes");
  });

  it("knows a list of classes by its shape", () => {
    expect([[1, 10], [10], [1, 1000, 1, 1]].map((shape) => isClassScores(shape, 1))).toEqual([true, true, true]);
    expect([[1, 1], [1, 10, 4], [1, 3, 8, 8], []].map((shape) => isClassScores(shape, 1))).toEqual([false, false, false, false]);
    expect(isClassScores([8, 10], 8)).toBe(true);
    expect(isClassScores([8, 10], 1)).toBe(false);
  });
});

describe("the difference of two outputs", () => {
  it("is SQNR and the largest error, over all pieces", () => {
    const difference = new Difference();
    difference.add([3, 4], [3, 4.5]);
    difference.add([0], [-0.5]);
    expect(difference.sqnrDb).toBeCloseTo(10 * Math.log10(25 / 0.5), 12);
    expect(difference.maxAbs).toBe(0.5);
  });

  it("is the limit for equal outputs, NaN and infinity included", () => {
    const difference = new Difference();
    difference.add([1, Number.NaN, Number.POSITIVE_INFINITY], [1, Number.NaN, Number.POSITIVE_INFINITY]);
    expect([difference.sqnrDb, difference.maxAbs]).toEqual([SQNR_LIMIT_DB, 0]);
  });

  it("is the lower limit where one side is not finite, or there is only noise", () => {
    const broken = new Difference();
    broken.add([1], [Number.NaN]);
    expect([broken.sqnrDb, broken.maxAbs]).toEqual([-SQNR_LIMIT_DB, null]);
    const noise = new Difference();
    noise.add([0], [1]);
    expect([noise.sqnrDb, noise.maxAbs]).toEqual([-SQNR_LIMIT_DB, 1]);
  });
});
