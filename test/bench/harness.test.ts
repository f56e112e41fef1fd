/** The benchmark's own arithmetic: statistics, agreement of outputs, verdicts, and that the committed tables are the generated ones. */
import { existsSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";

interface Row {
  readonly id: string;
  readonly label: string;
  readonly turnsMs: readonly number[];
  readonly medianMs: number;
  readonly ratio?: number;
  readonly coldMs?: number;
  readonly peakBytes?: number;
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
  judge(results: {
    readonly models?: Readonly<Record<string, readonly Row[]>>;
    readonly threads?: object;
    readonly engines?: object;
    readonly dense?: object;
    readonly downloads?: object;
  }): { goal: string; measured: string; met: boolean; cell?: object }[];
}
interface Report {
  markdown(results: object): string;
}
type Feeds = Readonly<Record<string, Float32Array>>;
interface Opened {
  readonly inputs: readonly object[];
  readonly run: (feeds: Feeds) => Feeds | Promise<Feeds>;
  readonly decode?: (outputs: Feeds) => Feeds;
  readonly dispose: () => void;
}
interface Contestant {
  readonly id: string;
  readonly open: () => Promise<Opened>;
}
interface Turns {
  takeTurns(
    contestants: readonly Contestant[],
    task: object,
  ): Promise<{
    readonly results: readonly {
      readonly id: string;
      readonly turnsMs: readonly number[];
      readonly agreement?: { readonly sqnrDb: number | null };
    }[];
    readonly errors: Readonly<Record<string, string>>;
  }>;
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

  it("holds speed, exactness, cold start, memory and size against their limits", () => {
    const rows = [
      row("eqm-int8", 10, { ratio: 1, coldMs: 30.04, peakBytes: 30.2e6 }),
      row("eqm-float32", 30, { agreement: { sqnrDb: 60, maxRelativeError: 2e-4 } }),
      row("ort-web-float32", 40, { ratio: 4 }),
      row("ort-web-int8", 79, { ratio: 7.9 }),
      row("ort-node-int8", 9.96, { ratio: 0.996 }),
    ];
    const verdicts = judge({
      models: { mobilenetv2_100_deq: rows },
      threads: {
        mobilenetv2_100_deq: [{ id: "eqm-int8-2", label: "eqm int8", speedup: 1.68 }],
        kws_dscnn: [{ id: "x", label: "x", speedup: 0.996 }],
      },
      dense: { mobilenetv2_100_deq: { layers: 9, ofPeak: 0.85, lowest: { shape: "1×1", ofPeak: 0.7 } }, kws_dscnn: undefined },
      downloads: { eqm: { modules: [{ name: "plain.wasm", gzipBytes: 80_000 }] } },
    });
    expect(verdicts.map(({ measured, met }) => [measured, met])).toEqual([
      ["4.00×", true],
      ["7.90×", false],
      ["1.00×", true],
      ["2.0e-4", false],
      ["1.68×", false],
      ["1.00×", true],
      ["85 % (9 layers; lowest 70 %, 1×1)", true],
      ["30.0 ms", false],
      ["30.2 MB", false],
      ["80.0 KB", true],
    ]);
  });

  it("says nothing about what was not measured", () => {
    expect(judge({ models: { other: [row("eqm-int8", 1)] } })).toEqual([]);
    expect(judge({ models: { kws_dscnn: [row("eqm-int8", 1)] }, threads: { kws_dscnn: [{ id: "a", label: "a", error: "no" }] } })).toEqual(
      [],
    );
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

describe("turns", async () => {
  const { takeTurns } = await bench<Turns>("turns.mjs");
  const task = {
    range: [0, 1],
    shapes: {},
    warmMs: 1,
    turnMs: 0.01,
    minRounds: 4,
    minSeconds: 0,
    maxSeconds: 5,
    references: ["a"],
  } as const;
  const inputs = [{ name: "x", dtype: "float32", shape: [1, "N", 2] }];
  const contestant = (id: string, run: Opened["run"], more: Partial<Opened> = {}): Contestant => ({
    id,
    open: async () => ({ inputs, run, dispose: () => {}, ...more }),
  });

  it("gives every contestant the same feeds and as many turns, and holds outputs against the reference", async () => {
    const seen = new Set<unknown>();
    const double = (feeds: Feeds): Feeds => {
      seen.add(feeds);
      return { y: (feeds["x"] as Float32Array).map((value) => value * 2) };
    };
    const halved = (outputs: Feeds): Feeds => ({ y: (outputs["0"] as Float32Array).map((value) => value / 2) });
    const { results, errors } = await takeTurns(
      [
        contestant("a", double),
        contestant("b", async (feeds) => double(feeds)),
        contestant("c", (feeds) => ({ 0: (feeds["x"] as Float32Array).map((value) => value * 4) }), { decode: halved }),
      ],
      task,
    );
    expect(errors).toEqual({});
    expect(seen.size).toBe(1);
    expect(results.map(({ id, turnsMs, agreement }) => [id, turnsMs.length, agreement?.sqnrDb])).toEqual([
      ["a", 4, undefined],
      ["b", 4, null],
      ["c", 4, null],
    ]);
  });

  it("goes on without whoever throws, does not load, or gives something else", async () => {
    const same = (feeds: Feeds): Feeds => ({ y: feeds["x"] as Float32Array });
    const { results, errors } = await takeTurns(
      [
        contestant("a", same),
        contestant("b", () => {
          throw new Error("no kernel");
        }),
        { id: "c", open: () => Promise.reject(new Error("no file")) },
        contestant("d", () => ({ y: new Float32Array(3) })),
      ],
      task,
    );
    expect(results.map(({ id }) => id)).toEqual(["a"]);
    expect(errors).toEqual({ b: "no kernel", c: "no file", d: "output y: 3 values where the reference has 2" });
  });
});

describe("the page and the engines", async () => {
  const { judge } = await bench<Goals>("goals.mjs");
  const { markdown } = await bench<Report>("report.mjs");
  const eqm = {
    id: "eqm-int8",
    label: "eqm int8",
    medianMs: 0.1,
    lowMs: 0.09,
    highMs: 0.12,
    ratio: 1,
    agreement: { sqnrDb: 31.25, maxRelativeError: 0.1 },
  };
  const litert = { ...eqm, id: "litert-int8", label: "LiteRT.js int8", medianMs: 0.25, ratio: 2.5 };
  const engines = (...rows: readonly object[]): object => ({
    kws_dscnn: [
      { engine: "deno", version: "2.9", rows: [{ ...eqm, medianMs: 0.2 }] },
      { engine: "chromium", version: "156", rows },
    ],
  });

  it("are held against the goals", () => {
    const [verdict] = judge({ engines: engines(eqm, litert) });
    expect(verdict).toEqual({
      goal: "kws_dscnn: eqm int8 at least 2.2× as fast as LiteRT.js int8 in one Chromium page",
      measured: "2.50×",
      met: true,
      cell: { model: "kws_dscnn", peer: "LiteRT.js int8", atLeast: 2.2 },
    });
    expect(judge({ engines: engines(eqm, { id: "litert-int8", label: "LiteRT.js int8", error: "no" }) })).toEqual([]);
    const floats = engines({ ...eqm, id: "eqm-fast-float", turnsMs: [2, 4] }, { ...litert, id: "litert-float32", turnsMs: [3, 4] });
    expect(judge({ engines: floats }).map(({ measured }) => measured)).toEqual(["1.25×"]);
  });

  it("have a table of models and peers, what is missed in bold", () => {
    const machine = { cpu: "x", arch: "x64", cores: 1, features: [], load: 0 };
    const verdict = (model: string, peer: string, measured: string, atLeast: number, met: boolean): object => ({
      goal: "g",
      measured,
      met,
      cell: { model, peer, atLeast },
    });
    const goals = [verdict("a", "p", "2.00×", 2, true), verdict("a", "q", "1.50×", 1.8, false), verdict("b", "q", "3.00×", 1, true)];
    const text = markdown({ command: "c", date: "d", machine, engine: "Node", downloads: {}, models: {}, goals });
    expect(text).toContain("| model | p | q |\n| --- | --: | --: |\n| a | 2.00 (≥ 2) | **1.50 (≥ 1.8)** |\n| b | – | 3.00 (≥ 1) |\n");
    expect(text).not.toContain("| goal |");
  });

  it("have tables of their own, with what did not run", () => {
    const machine = { cpu: "x", arch: "x64", cores: 1, features: [], load: 0 };
    const common = { command: "c", date: "d", machine, engine: "Node", downloads: {}, models: {}, goals: [] };
    const text = markdown({ ...common, engines: engines(eqm, { id: "litert-int8", label: "LiteRT.js int8", error: "no wasm" }) });
    expect(text).toContain("## In one Chromium page\n\nChromium 156,");
    expect(text).toContain("| kws_dscnn | eqm int8 | 0.100 | 0.0900–0.120 | 1.00 | 31.3 |\n| kws_dscnn | LiteRT.js int8 | – | – | – | – |");
    expect(text).toContain("- kws_dscnn: LiteRT.js int8 did not run: no wasm");
    expect(text).toContain("| model | deno 2.9 | chromium 156 |");
    expect(text).toContain("| kws_dscnn | 0.200 / – | 0.100 / – |");
    expect(markdown(common)).not.toContain("Chromium");
  });
});

describe("LiteRT.js as a contestant", async () => {
  const { load } = await bench<{ load(files: object, more: object): Promise<Required<Opened>> }>("contestants/litert.page.mjs");
  // A stand-in for the package that gives back what it is fed.
  const echo = `
    export const loadLiteRt = async () => {};
    export class Tensor {
      constructor(data, shape) { Object.assign(this, { data, shape }); }
      toTypedArray() { return this.data; }
      delete() {}
    }
    export const loadAndCompile = async () => ({ run: async (tensors) => tensors, delete() {} });`;
  const files = {
    bundle: `data:text/javascript,${encodeURIComponent(echo)}`,
    wasm: "http://127.0.0.1/wasm/a.js",
    model: "http://127.0.0.1/m",
  };
  const port = { name: "y", type: "int8", shape: [1, 2, 2, 3], scale: [0.5], zero_point: [-1] };
  const opened = await load(files, { ports: { inputs: [port], outputs: [port] } });
  const feed = (values: readonly number[], shape: readonly number[]): Feeds => ({ x: Object.assign(Float32Array.from(values), { shape }) });
  const planes = [0, 1, 2, 3, 10, 11, 12, 13, -10, -11, -12, -13];

  it("is fed images channels last, quantized and saturated, and decodes to real numbers", async () => {
    const outputs = await opened.run(feed([...planes.slice(0, 11), -100], [1, 3, 2, 2]));
    expect(outputs["0"]).toEqual(Int8Array.of(-1, 19, -21, 1, 21, -23, 3, 23, -25, 5, 25, -128));
    expect(opened.decode(outputs)["y"]).toEqual(Float32Array.of(0, 10, -10, 1, 11, -11, 2, 12, -12, 3, 13, -63.5));
  });

  it("takes inputs that are of the same shape as they are, and refuses others", async () => {
    const outputs = await opened.run(feed(planes, [1, 2, 2, 3]));
    expect(opened.decode(outputs)["y"]).toEqual(Float32Array.from(planes));
    await expect(async () => opened.run(feed(planes, [1, 12]))).rejects.toThrow("an input of [1,12] does not fit [1,2,2,3]");
  });
});
