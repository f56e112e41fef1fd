/** The benchmark's own arithmetic: statistics, agreement of outputs, verdicts, and that the committed tables are the generated ones. */
import { existsSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";

interface Row {
  readonly id: string;
  readonly label: string;
  readonly turnsMs: readonly number[];
  readonly medianMs: number;
  readonly coldMs?: number;
  readonly agreement?: { readonly sqnrDb: number | null; readonly maxRelativeError: number };
}
type Outputs = Readonly<Record<string, ArrayLike<number>>>;

// bench/ is plain JavaScript that runs without a build; what is tested of it is typed here.
interface Statistics {
  quantile(values: readonly number[], fraction: number): number;
  medianRatio(numerators: readonly number[], denominators: readonly number[]): number;
}
interface Agreement {
  agreementWith(reference: Outputs, outputs: Outputs): { sqnrDb: number | null; maxRelativeError: number };
}
interface Goals {
  judge(models: Readonly<Record<string, readonly Row[]>>, downloads: object): { goal: string; measured: string; met: boolean }[];
}
interface Report {
  markdown(results: object): string;
}
const bench = async <T>(file: string): Promise<T> => import(new URL(`../../bench/${file}`, import.meta.url).href);

describe("statistics", async () => {
  const { quantile, medianRatio } = await bench<Statistics>("statistics.mjs");

  it("interpolates between the two values around a quantile", () => {
    expect(quantile([4, 1, 3, 2], 0.5)).toBe(2.5);
    expect(quantile([10, 20, 30], 0)).toBe(10);
    expect(quantile([10, 20, 30], 1)).toBe(30);
    expect(quantile([10, 20], 0.1)).toBe(11);
    expect(quantile([], 0.5)).toBeNaN();
  });

  it("takes a ratio round by round, so that a slow spell of the machine cancels", () => {
    expect(medianRatio([2, 20, 2], [1, 10, 1])).toBe(2);
    expect(medianRatio([2, 2, 20], [1, 10, 1])).toBe(2);
  });
});

describe("agreement", async () => {
  const { agreementWith } = await bench<Agreement>("agreement.mjs");

  it("states no noise for equal outputs", () => {
    expect(agreementWith({ y: [1, -2] }, { y: [1, -2] })).toEqual({ sqnrDb: null, maxRelativeError: 0 });
  });

  it("states the worst output", () => {
    const { sqnrDb, maxRelativeError } = agreementWith({ a: [10, 0], b: [1, 1] }, { a: [10, 0], b: [1, 0.9] });
    expect(sqnrDb).toBeCloseTo(10 * Math.log10(2 / 0.01), 6);
    expect(maxRelativeError).toBeCloseTo(0.1, 12);
  });

  it("refuses outputs of another name, length or with values that are not numbers", () => {
    expect(() => agreementWith({ y: [1] }, { z: [1] })).toThrow("output y: no values where the reference has 1");
    expect(() => agreementWith({ y: [1, 2] }, { y: [1] })).toThrow("output y: 1 values where the reference has 2");
    expect(() => agreementWith({ y: [1] }, { y: [Number.NaN] })).toThrow("output y: not finite where the reference is");
  });
});

describe("goals", async () => {
  const { judge } = await bench<Goals>("goals.mjs");
  const row = (id: string, ms: number, more: Partial<Row> = {}): Row => ({ id, label: id, turnsMs: [ms, ms], medianMs: ms, ...more });

  it("holds speed, cold start, exactness and size against their limits", () => {
    const rows = [
      row("eqm-int8", 10, { coldMs: 100 }),
      row("eqm-float32", 30, { agreement: { sqnrDb: 60, maxRelativeError: 2e-4 } }),
      row("ort-web-float32", 30),
      row("ort-web-int8", 39),
    ];
    const verdicts = judge({ mobilenetv2_100_deq: rows }, { eqm: { modules: [{ name: "plain.wasm", gzipBytes: 60_000 }] } });
    expect(verdicts.map(({ measured, met }) => [measured, met])).toEqual([
      ["3.90×", false],
      ["3.00×", true],
      ["1.00×", true],
      ["100.0 ms", false],
      ["2.0e-4", false],
      ["60.0 KB", true],
    ]);
  });

  it("says nothing about what was not measured", () => {
    expect(judge({ other: [row("eqm-int8", 1)] }, {})).toEqual([]);
  });
});

const results = new URL("../../bench/results.json", import.meta.url);

describe.skipIf(!existsSync(results))("bench/RESULTS.md", () => {
  it("is what the report makes of bench/results.json", async () => {
    const { markdown } = await bench<Report>("report.mjs");
    const text = readFileSync(new URL("../../bench/RESULTS.md", import.meta.url), "utf8");
    expect(text).toBe(markdown(JSON.parse(readFileSync(results, "utf8"))));
  });
});
