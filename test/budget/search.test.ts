/** Compiling to a budget: what fits, what is said where nothing does, and what is refused. */
import { describe, expect, it } from "vitest";
import { CompileError, type CompileOptions, compile, quantizeToOnnx } from "../../compiler/index.ts";
import type { Sample } from "../../compiler/quantize/calibrate.ts";
import { bestClass } from "../../compiler/report/classes.ts";
import { load } from "../../host/index.ts";
import { randomNumbers } from "../passes/evaluation.ts";
import { floatTensor, int, ints, model, node, type TensorSpec, value } from "../support/onnx-model.ts";

function weights(name: string, dims: number[], seed: number, size = 1): TensorSpec {
  const random = randomNumbers(seed);
  const count = dims.reduce((a, b) => a * b, 1);
  return floatTensor(
    name,
    dims,
    Array.from({ length: count }, () => Math.fround((random() + random() - 1) * size)),
  );
}

/** Four convolutions, one of them depthwise, a pool and a layer of five classes. */
const NETWORK = model({
  nodes: [
    node("Conv", ["x", "w1", "b1"], ["a"], { pads: ints(1, 1, 1, 1) }, { name: "first" }),
    node("Relu", ["a"], ["ra"]),
    node("Conv", ["ra", "wd"], ["d"], { group: int(16), pads: ints(1, 1, 1, 1) }, { name: "depthwise" }),
    node("Conv", ["d", "w2"], ["b"], { pads: ints(1, 1, 1, 1) }, { name: "second" }),
    node("Relu", ["b"], ["rb"]),
    node("Conv", ["rb", "w3"], ["c"], {}, { name: "third" }),
    node("Relu", ["c"], ["rc"]),
    node("GlobalAveragePool", ["rc"], ["p"]),
    node("Flatten", ["p"], ["f"]),
    node("Gemm", ["f", "w4"], ["g"], {}, { name: "classes" }),
    node("Softmax", ["g"], ["y"]),
  ],
  inputs: [value("x", [1, 3, 4, 4])],
  outputs: ["y"],
  initializers: [
    ...[weights("w1", [16, 3, 3, 3], 1), weights("b1", [16], 2), weights("wd", [16, 1, 3, 3], 3), weights("w2", [24, 16, 3, 3], 4, 0.3)],
    ...[weights("w3", [32, 24, 1, 1], 5, 0.5), weights("w4", [32, 5], 6)],
  ],
});

function samples(count: number): readonly Sample[] {
  const random = randomNumbers(11);
  return Array.from({ length: count }, () => ({
    x: { dtype: "float32", shape: [1, 3, 4, 4], data: Float32Array.from({ length: 48 }, () => random() * 2 - 1) },
  }));
}

const CALIBRATED: CompileOptions = { calibration: samples(66), minSqnrDb: -100 };

async function faultOf(compiling: Promise<unknown>): Promise<CompileError> {
  const error = await compiling.then(
    () => null,
    (reason: unknown) => reason,
  );
  if (!(error instanceof CompileError)) throw new Error(`no CompileError: ${error}`);
  return error;
}

describe("a target", () => {
  it("is kept to by the whole file, the same bytes each time, and the report says how", async () => {
    const plain = await compile(NETWORK, CALIBRATED);
    const target = { bytes: plain.bytes.length - 1200 };
    const { bytes, report } = await compile(NETWORK, { ...CALIBRATED, target });
    expect(bytes.length).toBeLessThanOrEqual(target.bytes);
    expect(bytes.length).toBeGreaterThan(target.bytes * 0.85);
    const budget = report.budget!;
    expect(budget).toMatchObject({ target, maxDrop: null, met: true, unmet: [], dropBy: "agreement", heldOut: 32 });
    expect(budget.chosen.map(({ layer }) => layer)).toEqual(["first", "depthwise", "second", "third", "classes"]);
    expect(budget.chosen.map(({ bits }) => bits)).toEqual(report.layers.map(({ weightBits }) => weightBits));
    expect(budget.front.some((point) => point.bytes === bytes.length)).toBe(true);
    const [sizes, decibels] = [budget.front.map((point) => point.bytes), budget.front.map((point) => point.measuredDb)];
    expect(sizes.length).toBeGreaterThan(2);
    expect(sizes).toEqual([...sizes].sort((a, b) => a - b));
    expect(decibels).toEqual([...decibels].sort((a, b) => a - b));
    const again = await compile(NETWORK, { ...CALIBRATED, target });
    expect(again.bytes).toEqual(bytes);
    expect(again.report.budget).toEqual(budget);
  });

  it("that eight bits keep to changes nothing but which samples are held out", async () => {
    const { report } = await compile(NETWORK, { ...CALIBRATED, target: { bytes: 1e6 } });
    expect(report.layers.map(({ weightBits }) => weightBits)).toEqual([8, 8, 8, 8, 8]);
    expect(report.budget?.met).toBe(true);
  });

  it("with fewer bits allowed takes no more", async () => {
    const { report } = await compile(NETWORK, { ...CALIBRATED, target: { bytes: 1e6 }, weights: 4 });
    expect(report.layers.every(({ weightBits }) => weightBits <= 4)).toBe(true);
  });

  it("is searched in groups where they are asked for, of all layers but depthwise ones", async () => {
    const { bytes, report } = await compile(NETWORK, { ...CALIBRATED, target: { bytes: 4300 }, weights: 4, groupSize: 16 });
    expect(bytes.length).toBeLessThanOrEqual(4300);
    expect(report.layers.map(({ groupSize }) => groupSize)).toEqual([16, undefined, 16, 16, 16]);
    expect(report.budget!.point.bytes).toBe(bytes.length);
    const chosen = report.budget!.chosen.reduce((sum, choice) => sum + choice.bytes, 0);
    const inFile = report.file!.steps.reduce((sum, { weights: own }) => sum + own, 0);
    expect(Math.abs(chosen / inFile - 1)).toBeLessThan(0.05);
  });

  it("that no file keeps to is an error that names the best one, and is written when forced", async () => {
    const error = await faultOf(compile(NETWORK, { ...CALIBRATED, target: { bytes: 1000 } }));
    expect(error).toMatchObject({ code: "budget-unmet", fault: "quality" });
    expect(error.message).toMatch(/^The budget cannot be met: \d+ bytes of 1000\. That is the best model found, \d+ bytes/);
    const { bytes, report } = await compile(NETWORK, { ...CALIBRATED, target: { bytes: 1000 }, force: true });
    expect(report.budget).toMatchObject({ met: false, unmet: [`${bytes.length} bytes of 1000`] });
    expect(report.layers.map(({ weightBits }) => weightBits)).toEqual([2, 2, 2, 2, 2]);
    expect(report.budget!.chosen.some(({ sparsity }) => sparsity > 0)).toBe(true);
  });

  it("of multiply-accumulates prunes blocks, and keeps the bits", async () => {
    const target = { macs: 62_000 };
    const { bytes, report } = await compile(NETWORK, { ...CALIBRATED, target });
    const { chosen, point: own, met, pattern } = report.budget!;
    expect({ met, pattern }).toEqual({ met: true, pattern: "block" });
    expect(chosen.every(({ bits }) => bits === 8)).toBe(true);
    for (const { layer, sparsity } of chosen) if (sparsity > 0) expect(["second", "third"]).toContain(layer);
    expect(own.bytes).toBe(bytes.length);
    expect(own.macs).toBeLessThanOrEqual(target.macs);
    expect(own.macs).toBeGreaterThan(target.macs * 0.6);
    const again = await compile(NETWORK, { ...CALIBRATED, target });
    expect(again.bytes).toEqual(bytes);
  });

  it("of bytes and multiply-accumulates keeps to both", async () => {
    const target = { bytes: 4200, macs: 75_000 };
    const { bytes, report } = await compile(NETWORK, { ...CALIBRATED, target, pattern: "unstructured" });
    const own = report.budget!.point;
    expect(own.bytes).toBe(bytes.length);
    expect(bytes.length).toBeLessThanOrEqual(target.bytes);
    expect(own.macs).toBeLessThanOrEqual(target.macs);
    expect(report.budget).toMatchObject({ met: true, pattern: "unstructured" });
  });

  it("of time goes by a table alone, so that the same one gives the same file", async () => {
    const target = { latencyMs: 1e-4 };
    const first = await compile(NETWORK, { ...CALIBRATED, target, force: true });
    const { latencyTable, measuredTimes, point } = first.report.budget!;
    expect(measuredTimes).toBe(Object.keys(latencyTable!.ms).length);
    expect(measuredTimes).toBeGreaterThan(5);
    expect(point.latencyMs).toBeGreaterThan(0);
    const latencyMs = point.latencyMs! * 1.2;
    const made = await compile(NETWORK, { ...CALIBRATED, target: { latencyMs }, latencyTable: latencyTable!, force: true });
    const complete = { ...CALIBRATED, target: { latencyMs }, latencyTable: made.report.budget!.latencyTable!, force: true };
    const again = await compile(NETWORK, complete);
    expect(again.bytes).toEqual(made.bytes);
    expect(again.report.budget).toMatchObject({ measuredTimes: 0, latencyTable: complete.latencyTable });
  });

  it("of time refuses a table of another build", async () => {
    const latencyTable = { build: "other", ms: {} };
    const error = await faultOf(compile(NETWORK, { ...CALIBRATED, target: { latencyMs: 1 }, latencyTable }));
    expect(error).toMatchObject({ code: "other-build", fault: "usage" });
  });

  it("that bits alone do not keep to is reached by pruning", async () => {
    const dense = await compile(NETWORK, { ...CALIBRATED, target: { bytes: 1000 }, exclude: ["second", "third"], force: true });
    const target = { bytes: dense.bytes.length - 150 };
    const { bytes, report } = await compile(NETWORK, { ...CALIBRATED, target });
    expect(bytes.length).toBeLessThanOrEqual(target.bytes);
    expect(report.budget).toMatchObject({ met: true, pattern: "unstructured" });
  });

  it("is not met by outputs below the floor", async () => {
    const error = await faultOf(compile(NETWORK, { ...CALIBRATED, target: { bytes: 1e6 }, minSqnrDb: 150 }));
    expect(error.message).toMatch(/The budget cannot be met: an SQNR of [\d.]+ dB, the floor is 150/);
  });

  it("is reached with synthesised inputs and with weights rounded to the nearest, too", async () => {
    const target = { bytes: 5000 };
    const synthetic = await compile(NETWORK, { minSqnrDb: -100, target });
    const nearest = await compile(NETWORK, { ...CALIBRATED, target, rounding: "nearest" });
    for (const { bytes, report } of [synthetic, nearest]) {
      expect(bytes.length).toBeLessThanOrEqual(5000);
      expect(report.layers.some(({ weightBits }) => weightBits < 8)).toBe(true);
    }
  });
});

describe("a greatest drop", () => {
  it("alone gives a file that is smaller and keeps to it", async () => {
    const plain = await compile(NETWORK, CALIBRATED);
    const { bytes, report } = await compile(NETWORK, { ...CALIBRATED, maxDrop: 15 });
    expect(bytes.length).toBeLessThan(plain.bytes.length - 500);
    const own = report.budget!.point;
    expect(own.bytes).toBe(bytes.length);
    expect(own.drop).toBeLessThanOrEqual(15);
    expect(own.drop).toBeCloseTo((1 - own.agreement!) * 100, 9);
  });

  it("is one of top-1 where the samples are labelled", async () => {
    const float = await load((await compile(NETWORK, { precision: "float32" })).bytes);
    const calibrationLabels = samples(66).map(({ x }) => bestClass(float.run({ x: x!.data as Float32Array })["y"] as Float32Array));
    float.dispose();
    const always = await compile(NETWORK, { ...CALIBRATED, maxDrop: 100, calibrationLabels });
    expect(always.report.budget).toMatchObject({ dropBy: "labels", met: true });
    expect(always.report.layers.every(({ weightBits }) => weightBits === 2)).toBe(true);
  });

  it("together with a target that leaves no room for it cannot be met, and the smallest file inside the drop is said", async () => {
    const error = await faultOf(compile(NETWORK, { ...CALIBRATED, target: { bytes: 3600 }, maxDrop: 0 }));
    expect(error.code).toBe("budget-unmet");
    expect(error.message).toMatch(/(\d+ bytes of 3600|a drop of [\d.]+ points of 0)/);
  });

  it("needs classes, and labels that say more than chance", async () => {
    const pixels = model({
      nodes: [node("Conv", ["x", "w"], ["y"], {}, { name: "conv" })],
      inputs: [value("x", [1, 3, 4, 4])],
      initializers: [weights("w", [8, 3, 1, 1], 1)],
    });
    expect(await faultOf(compile(pixels, { maxDrop: 1 }))).toMatchObject({ code: "no-classes", fault: "usage" });
    const calibrationLabels = new Array(66).fill(-1);
    expect((await faultOf(compile(NETWORK, { ...CALIBRATED, maxDrop: 1, calibrationLabels }))).code).toBe("useless-labels");
  });
});

describe("what is refused before any work", () => {
  it.each<[CompileOptions, string]>([
    [{ target: {} }, "The option target is {}; it takes { bytes, macs, latencyMs }."],
    [
      { target: { seconds: 1 } as CompileOptions["target"] & object },
      'The option target is {"seconds":1}; it takes { bytes, macs, latencyMs }.',
    ],
    [{ target: { bytes: 5000, macs: 0 } }, "The option target.macs is 0; it takes a positive integer."],
    [{ target: { latencyMs: 0 } }, "The option target.latencyMs is 0; it takes a positive number."],
    [
      { target: { bytes: 5000 }, latencyTable: { build: "plain", ms: {} } },
      'The option latencyTable is {"build":"plain","ms":{}}; it takes a target.latencyMs beside it.',
    ],
    [
      { target: { bytes: 5000 }, pattern: "channel" },
      'The option pattern is "channel"; it takes with a target or maxDrop a pattern within layers; channels are cut out by prune, or for target.macs alone.',
    ],
    [
      { target: { bytes: 5000 }, prune: 0.5, criterion: "magnitude" },
      "The option prune is 0.5; it takes no target and no maxDrop beside it: with them how much goes is searched; a pattern may be given.",
    ],
    [{ target: { bytes: 0 } }, "The option target.bytes is 0; it takes a positive integer."],
    [{ target: { bytes: 1.5 } }, "The option target.bytes is 1.5; it takes a positive integer."],
    [{ maxDrop: -1 }, "The option maxDrop is -1; it takes points from 0 to 100."],
    [{ maxDrop: Number.NaN }, "The option maxDrop is NaN; it takes points from 0 to 100."],
    [{ maxDrop: 1, calibrationLabels: [0.5] }, "The option calibrationLabels is [0.5]; it takes a list of integers."],
    [{ maxDrop: 1, precision: "float32" }, 'The option maxDrop is 1; it takes the precision "int8": bits of weights are what is searched.'],
  ])("%j", async (options, message) => {
    expect(await faultOf(compile(NETWORK, options))).toMatchObject({ code: "bad-option", fault: "usage", message });
  });

  it.each<CompileOptions>([{ target: { macs: 1000 } }, { target: { latencyMs: 1 } }, { maxDrop: 1, pattern: "block" }])(
    "%j without samples",
    async (options) => {
      expect(await faultOf(compile(NETWORK, options))).toMatchObject({ code: "no-samples", fault: "usage" });
    },
  );

  it("a target for ONNX", async () => {
    expect(await faultOf(quantizeToOnnx(NETWORK, { target: { bytes: 1000 } }))).toMatchObject({ code: "bad-option", fault: "usage" });
  });
});

it("a search stops where its signal is aborted", async () => {
  const controller = new AbortController();
  const compiling = compile(NETWORK, {
    ...CALIBRATED,
    target: { bytes: 4000 },
    signal: controller.signal,
    onProgress: ({ phase }) => {
      if (phase === "try models") controller.abort(new Error("enough"));
    },
  });
  await expect(compiling).rejects.toThrow("enough");
});
