import { describe, expect, it } from "vitest";
import { Pace } from "../../host/pace.ts";

/** Which of `runs` runs are made on all threads, where a run takes so long. */
function ways(pace: Pace, runs: number, togetherMs: (run: number) => number, aloneMs: (run: number) => number): boolean[] {
  return Array.from({ length: runs }, (_, run) => {
    const { together } = pace;
    pace.ran(together ? togetherMs(run) : aloneMs(run));
    return together;
  });
}

const count = (list: readonly boolean[], way: boolean): number => list.filter((is) => is === way).length;

describe("the pace of a model on several threads", () => {
  it("stays on all of them where that is faster, and tries one ever more rarely", () => {
    const pace = new Pace();
    const found = ways(
      pace,
      10_000,
      () => 1,
      () => 1.7,
    );
    expect(found.slice(0, 8)).toEqual(Array(8).fill(true));
    expect(count(found, false)).toBeLessThan(70);
  });

  it("goes on on one where several are slower, or no faster", () => {
    for (const aloneMs of [0.7, 1]) {
      const found = ways(
        new Pace(),
        10_000,
        () => 1,
        () => aloneMs,
      );
      expect(count(found, true)).toBeLessThan(80);
      expect(found.slice(18, 34)).toEqual(Array(16).fill(false));
    }
  });

  it("lets one slow or lucky run of a trial decide nothing", () => {
    const found = ways(
      new Pace(),
      100,
      (run) => (run % 5 === 0 ? 30 : 1),
      () => 1.5,
    );
    expect(count(found, true)).toBeGreaterThan(75);
    const lucky = ways(
      new Pace(),
      100,
      (run) => (run % 10 === 0 ? 0.1 : 2),
      () => 1.5,
    );
    expect(count(lucky.slice(18), true)).toBeLessThan(25);
  });

  it("changes its mind when the machine does", () => {
    const pace = new Pace();
    const busy = ways(
      pace,
      140,
      () => 3,
      () => 1,
    );
    expect(busy.slice(-20)).toEqual(Array(20).fill(false));
    const free = ways(
      pace,
      1000,
      () => 1,
      () => 1.8,
    );
    expect(count(free.slice(-200), true)).toBeGreaterThan(190);
  });
});
