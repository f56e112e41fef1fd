/** The arithmetic of `npm run accuracy`: verdicts, average precision, resizing, and that the committed table is the generated one. */
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";

// bench/ is plain JavaScript that runs without a build; what is tested of it is typed here.
interface Verdict {
  readonly claim: string;
  readonly measured: string;
  readonly met: boolean;
}
interface Judge {
  judge(model: object, row: object, published: object): readonly Verdict[];
}
interface Detection {
  readonly category: number;
  readonly score: number;
  readonly box: readonly number[];
}
interface Boxes {
  overlap(a: readonly number[], b: readonly number[]): number;
  suppress(detections: readonly Detection[], limit: number): readonly Detection[];
  meanAveragePrecision(
    images: readonly { readonly detections: readonly Detection[]; readonly truth: readonly Omit<Detection, "score">[] }[],
  ): number;
}
interface Face {
  readonly score: number;
  readonly box: readonly number[];
}
interface Faces {
  facesOf(outputs: Readonly<Record<string, Float32Array>>): readonly Face[];
  faceF1(expected: readonly (readonly Face[])[], found: readonly (readonly Face[])[]): number;
}
interface Bicubic {
  resizeBicubic(source: Uint8Array, width: number, height: number, toWidth: number, toHeight: number): Uint8Array;
}
interface Report {
  markdown(results: object, reasons: object): string;
}
const file = (path: string): URL => new URL(`../../bench/${path}`, import.meta.url);
const accuracy = async <T>(name: string): Promise<T> => import(file(`accuracy/${name}`).href);
const json = (path: string): object => JSON.parse(readFileSync(file(path), "utf8"));

describe("the verdicts", async () => {
  const { judge } = await accuracy<Judge>("judge.mjs");
  const row = {
    metric: { name: "top-1", float32: 0.87, int8: 0.86, samples: 1000 },
    belowFloor: false,
    calibrationSqnrDb: 30,
    agreement: { outputs: { scores: 1e-4 } },
  };
  const met = (model: object, figures: object, published: object): Record<string, boolean> =>
    Object.fromEntries(judge(model, figures, published).map((verdict) => [verdict.claim, verdict.met]));

  it("allow one sample between the float model and its published figure", () => {
    expect(met({ labels: "y" }, row, { top1: 0.871 })["float"]).toBe(true);
    expect(met({ labels: "y" }, row, { top1: 0.869 })["float"]).toBe(true);
    expect(met({ labels: "y" }, row, { top1: 0.872 })["float"]).toBe(false);
  });

  it("take a figure of merit within its own tolerance", () => {
    const model = { taskKey: "ap", taskTolerance: 0.02 };
    expect(met(model, row, { ap: 0.885 })["float"]).toBe(true);
    expect(met(model, row, { ap: 0.9 })["float"]).toBe(false);
  });

  it("hold int8 against its bar, the bar itself included", () => {
    expect(met({ labels: "y", bar: 0.86 }, row, { top1: 0.87 })["int8"]).toBe(true);
    expect(met({ labels: "y", bar: 0.8605 }, row, { top1: 0.87 })["int8"]).toBe(false);
    expect(met({ labels: "y" }, row, { top1: 0.87 })).not.toHaveProperty("int8");
  });

  it("hold a loss against the most that is allowed, whichever way the figure counts", () => {
    const figures = (int8: number) => ({ ...row, metric: { name: "PSNR dB", float32: 25, int8 } });
    expect(met({ mostLoss: 0.15 }, figures(24.9), {})["int8"]).toBe(true);
    expect(met({ mostLoss: 0.15 }, figures(24.8), {})["int8"]).toBe(false);
    expect(met({ mostLoss: 0.02, lessIsBetter: true }, figures(25.01), {})["int8"]).toBe(true);
    expect(met({ mostLoss: 0.02, lessIsBetter: true }, figures(25.03), {})["int8"]).toBe(false);
    expect(met({ mostLoss: 0.02, lessIsBetter: true }, figures(20), {})["int8"]).toBe(true);
  });

  it("want an SQNR of every output, and four fifths of the work in int8", () => {
    const figures = (sqnrDb: number, int8MacsShare: number) => ({ ...row, outputs: [{ sqnrDb: 40 }, { sqnrDb }], int8MacsShare });
    expect(met({ leastSqnrDb: 20 }, figures(20, 0.8), {})["SQNR"]).toBe(true);
    expect(met({ leastSqnrDb: 20 }, figures(19.9, 1), {})["SQNR"]).toBe(false);
    expect(met({ leastSqnrDb: 20 }, figures(30, 0.79), {})["SQNR"]).toBe(false);
    expect(met({ leastF1: 0.9 }, { ...row, faceF1: 0.89 }, {})["faces"]).toBe(false);
  });

  it("take no number for a disagreement", () => {
    expect(met({}, row, {})).toEqual({ floor: true, agreement: true });
    for (const difference of [1.1e-4, Number.NaN, Number.POSITIVE_INFINITY])
      expect(met({}, { ...row, agreement: { outputs: { a: 0, b: difference } } }, {})["agreement"]).toBe(false);
    expect(met({}, { ...row, belowFloor: true, agreement: undefined }, {})).toEqual({ floor: false });
  });
});

describe("faces", async () => {
  const { facesOf, faceF1 } = await accuracy<Faces>("faces.mjs");
  const face = (x: number, y = 0): Face => ({ score: 0.9, box: [x, y, x + 10, y + 10] });

  it("are found where a box overlaps by half, each once", () => {
    expect(faceF1([[face(0), face(50)]], [[face(1), face(50)]])).toBe(1);
    expect(faceF1([[face(0)]], [[face(0), face(1)]])).toBeCloseTo(2 / 3);
    expect(faceF1([[face(0)]], [[face(5)]])).toBe(0);
    expect(faceF1([[face(0)], []], [[], [face(0)]])).toBe(0);
    expect(faceF1([[], []], [[], []])).toBe(1);
  });

  it("are read from pairs of scores with corners, and from a grid with logarithms of sizes", () => {
    const scores = Float32Array.of(0.2, 0.8, 0.9, 0.1);
    expect(facesOf({ scores, boxes: Float32Array.of(0, 0, 0.5, 0.5, 0, 0, 1, 1) }).map(({ box }) => box)).toEqual([[0, 0, 0.5, 0.5]]);
    const none = { cls: new Float32Array(4), obj: new Float32Array(4), bbox: new Float32Array(16) };
    const grid = Object.fromEntries(
      [8, 16, 32].flatMap((stride) => Object.entries(none).map(([kind, data]) => [`${kind}_${stride}`, data])),
    );
    const bbox = new Float32Array(16).fill(0.5, 12, 14);
    const found = facesOf({ ...grid, cls_16: Float32Array.of(0, 0, 0, 1), obj_16: Float32Array.of(1, 1, 1, 0.64), bbox_16: bbox });
    expect(found.map(({ score }) => score)).toEqual([expect.closeTo(0.8)]);
    expect(found[0]!.box).toEqual([16, 16, 32, 32]);
  });
});

describe("average precision", async () => {
  const { overlap, suppress, meanAveragePrecision } = await accuracy<Boxes>("boxes.mjs");
  const box = [0, 0, 10, 10];

  it("measures overlap as intersection over union", () => {
    expect(overlap(box, box)).toBeCloseTo(1);
    expect(overlap(box, [5, 0, 15, 10])).toBeCloseTo(1 / 3);
    expect(overlap(box, [20, 20, 30, 30])).toBe(0);
  });

  it("keeps the best of boxes that overlap", () => {
    const detections = [
      { category: 0, score: 0.5, box },
      { category: 0, score: 0.9, box: [0, 0, 10, 9] },
      { category: 0, score: 0.4, box: [50, 50, 60, 60] },
    ];
    expect(suppress(detections, 0.65).map(({ score }) => score)).toEqual([0.9, 0.4]);
  });

  it("is 1 where everything is found, half where half of it is", () => {
    const truth = [
      { category: 3, box },
      { category: 3, box: [50, 50, 70, 70] },
    ];
    const all = truth.map((object) => ({ ...object, score: 0.9 }));
    expect(meanAveragePrecision([{ detections: all, truth }])).toBeCloseTo(1);
    // 51 of the 101 recalls from 0 to 1 are reached.
    expect(meanAveragePrecision([{ detections: all.slice(0, 1), truth }])).toBeCloseTo(51 / 101);
  });

  it("counts a second box on the same object, and a box of another class, as wrong", () => {
    const truth = [{ category: 3, box }];
    const twice = [
      { category: 3, score: 0.9, box: [0, 0, 10, 1] },
      { category: 3, score: 0.8, box },
    ];
    expect(meanAveragePrecision([{ detections: twice, truth }])).toBeCloseTo(0.5);
    expect(meanAveragePrecision([{ detections: [{ category: 4, score: 0.9, box }], truth }])).toBe(0);
  });
});

describe("bicubic resizing", async () => {
  const { resizeBicubic } = await accuracy<Bicubic>("bicubic.mjs");

  it("keeps an even area, and the size where it stays", () => {
    expect([...resizeBicubic(new Uint8Array(36).fill(77), 6, 6, 2, 2)]).toEqual([77, 77, 77, 77]);
    const picture = Uint8Array.from({ length: 12 }, (_, i) => i * 20);
    expect(resizeBicubic(picture, 4, 3, 4, 3)).toEqual(picture);
  });

  it("weighs by Keys' kernel", () => {
    // From 2 to 4: at −0.25 and 0.25 of the first pixel, weights renormalised at the border.
    const [a = 0, b = 0] = resizeBicubic(Uint8Array.of(0, 255), 2, 1, 4, 1);
    const kernel = (x: number): number => (x < 1 ? (1.5 * x - 2.5) * x * x + 1 : ((-0.5 * x + 2.5) * x - 4) * x + 2);
    const expected = [1.25, 0.75].map((x, i) => (255 * kernel(x)) / (kernel(x) + kernel([0.25, 0.25][i] as number)));
    expect([a, b]).toEqual(expected.map((x) => Math.max(0, Math.round(x))));
  });
});

it("ACCURACY.md is what accuracy.json and the reasons give", async () => {
  const { markdown } = await accuracy<Report>("report.mjs");
  expect(readFileSync(file("ACCURACY.md"), "utf8")).toBe(markdown(json("accuracy.json"), json("accuracy/reasons.json")));
});
