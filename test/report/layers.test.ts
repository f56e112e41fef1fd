/** What the report says of each layer: zeros, bytes, predicted and measured noise, and the time before and after. */
import { beforeAll, describe, expect, it } from "vitest";
import { layerTable } from "../../compiler/cli/output/layers.ts";
import { type CompileOptions, compile, pruneToOnnx, quantizeToOnnx, type Report } from "../../compiler/index.ts";
import { randomNumbers } from "../passes/evaluation.ts";
import { floatTensor, ints, model, node, value } from "../support/onnx-model.ts";

const random = randomNumbers(11);
const numbers = (count: number, range: number): number[] => Array.from({ length: count }, () => Math.fround((random() - 0.5) * range));

/** Three convolutions, of which pruning takes from the one in the middle. */
const NETWORK = model({
  nodes: [
    node("Conv", ["x", "w1"], ["a"], { pads: ints(1, 1, 1, 1) }, { name: "first" }),
    node("Conv", ["a", "w2"], ["b"], { pads: ints(1, 1, 1, 1) }, { name: "inner" }),
    node("Conv", ["b", "w3"], ["y"], {}, { name: "last" }),
  ],
  inputs: [value("x", [1, 3, 12, 12])],
  initializers: [
    floatTensor("w1", [32, 3, 3, 3], numbers(32 * 27, 0.5)),
    floatTensor("w2", [32, 32, 3, 3], numbers(32 * 288, 0.2)),
    floatTensor("w3", [8, 32, 1, 1], numbers(8 * 32, 0.4)),
  ],
});

const calibration = Array.from({ length: 24 }, () => ({
  x: { dtype: "float32" as const, shape: [1, 3, 12, 12], data: Float32Array.from(numbers(432, 2)) },
}));

const reportFor = async (options: CompileOptions): Promise<Report> => (await compile(NETWORK, { calibration, ...options })).report;

describe("the layers of a pruned model in int8", () => {
  let report: Report;
  beforeAll(async () => {
    report = await reportFor({ prune: 0.5, layerTimes: true });
  });

  it("have the zeros and the bytes that are in the file", () => {
    const inner = report.layers[1]!;
    expect(report.layers.map(({ name }) => name)).toEqual(["first", "inner", "last"]);
    expect(inner.sparsity).toBeCloseTo(report.pruning!.layers[0]!.zeros / (32 * 288), 1);
    expect(inner.sparsity).toBeGreaterThanOrEqual(0.5);
    const weights = report.file!.steps.reduce((sum, step) => sum + step.weights, 0);
    expect(report.layers.reduce((sum, { fileBytes }) => sum + fileBytes!, 0)).toBe(weights);
    expect(inner.fileBytes).toBeLessThan(inner.weightBytes);
  });

  it("are predicted and measured beside the model as it came, what was pruned included", () => {
    const [first, inner] = report.layers as readonly [Report["layers"][number], Report["layers"][number]];
    const { loss } = report.pruning!.layers[0]!;
    expect(inner.predictedDb).toBeCloseTo(-10 * Math.log10(loss! + inner.rounding!.now), 6);
    expect(Math.abs(inner.predictedDb! - inner.sqnrDb!)).toBeLessThan(3);
    expect(first.predictedDb).toBeGreaterThan(inner.predictedDb! + 6);
    expect(first.sqnrDb).toBeGreaterThan(inner.sqnrDb! + 6);
  });

  it("take a time in float32, with all of their weights where some are gone, and as they are", () => {
    const { times, layers } = report;
    expect(layers.map(({ ms }) => Object.keys(ms!))).toEqual(Array(3).fill(["float32", "dense", "now"]));
    for (const key of ["float32", "dense", "now"] as const) {
      const inLayers = layers.reduce((sum, { ms }) => sum + ms![key]!, 0);
      expect(layers[1]!.ms![key], key).toBeGreaterThan(0);
      expect(times![key], key).toBeGreaterThanOrEqual(inLayers * 0.999999);
    }
    expect(["plain", "relaxed"]).toContain(times!.build);
  });

  it("stand in a table, and the steps of no layer below them", () => {
    const lines = layerTable(report).trimEnd().split("\n");
    expect(lines[0]!.split(/ {2,}/)).toEqual([
      ...["layer", "op", "MACs", "bits", "zeros", "weights", "predicted", "measured", "float32", "dense", "now"],
    ]);
    expect(lines.slice(2).map((line) => line.split(/ {2,}/)[0])).toEqual(["first", "inner", "last", "(other steps)"]);
    expect(lines[3]).toMatch(/^inner +Conv +1\.33 M +8 +\d+ % +[\d.]+ KB +[\d.]+ dB +[\d.]+ dB( +[\d.]+ ms){3}$/);
  });
});

it("times nothing unless asked, and leaves columns without a value out of the table", async () => {
  const report = await reportFor({ precision: "float32" });
  expect([report.times, report.layers.map(({ ms }) => ms)]).toEqual([null, [undefined, undefined, undefined]]);
  expect(layerTable(report).split("\n")[0]!.split(/ {2,}/)).toEqual(["layer", "op", "MACs", "bits", "weights"]);
});

it("has no time before of what stayed as it was, and none with all weights where none is gone", async () => {
  const float = await reportFor({ precision: "float32", layerTimes: true });
  expect(float.times).toEqual({ build: float.times!.build, float32: null, dense: null, now: expect.any(Number) });
  const int8 = await reportFor({ layerTimes: true });
  expect(int8.times).toMatchObject({ float32: expect.any(Number), dense: null });
  expect(Object.keys(int8.layers[0]!.ms!)).toEqual(["float32", "now"]);
});

it("says the same of models that go out as ONNX, but for bytes of a file", async () => {
  const { report } = await quantizeToOnnx(NETWORK, { calibration, prune: 0.5, layerTimes: true });
  const [, inner] = report.layers;
  expect(Object.keys(inner!.ms!)).toEqual(["float32", "dense", "now"]);
  expect([inner!.fileBytes, inner!.sparsity >= 0.5, inner!.predictedDb! > 5]).toEqual([undefined, true, true]);
  const pruned = await pruneToOnnx(NETWORK, { calibration, prune: 0.5, layerTimes: true });
  expect(Object.keys(pruned.report.layers[1]!.ms!)).toEqual(["float32", "now"]);
});

it("measures the layers of a budget's pruned model beside the model as it came", async () => {
  const dense = await reportFor({});
  const macs = Math.round(dense.macs * 0.6);
  const report = await reportFor({ target: { macs }, pattern: "block" });
  const inner = report.layers[1]!;
  expect(inner.sparsity).toBeGreaterThan(0.3);
  expect(Math.abs(inner.predictedDb! - inner.sqnrDb!)).toBeLessThan(4);
});
