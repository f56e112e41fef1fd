/** What `compile` takes and refuses, and models of unusual shape, through the public functions. */
import { expect, test } from "vitest";
import { judge } from "../compiler/cli/exit.ts";
import { CompileError, type CompileOptions, compile as compileModel, quantizeToOnnx, type Report } from "../compiler/index.ts";

import { load } from "../host/index.ts";
import type { Tensor } from "../host/tensor.ts";
import { randomNumbers } from "./passes/evaluation.ts";
import { float, floatTensor, int, int64Tensor, ints, model, type NodeSpec, node, type TensorSpec, value } from "./support/onnx-model.ts";

/** Weights are left uncompressed: what compressing does has its own tests. */
function compile(onnx: Uint8Array, options: CompileOptions = {}): ReturnType<typeof compileModel> {
  return compileModel(onnx, { compression: "none", ...options });
}

function weights(name: string, dims: number[], seed = 1): TensorSpec {
  const random = randomNumbers(seed);
  return floatTensor(
    name,
    dims,
    Array.from({ length: dims.reduce((a, b) => a * b, 1) }, () => Math.fround(random() * 2 - 1)),
  );
}

/** x [1, 3, 8, 8] → conv1 + relu → conv2 → flatten → fc → softmax. */
const NETWORK = model({
  nodes: [
    node("Conv", ["x", "w1", "b1"], ["c1"], { pads: ints(1, 1, 1, 1) }, { name: "conv1" }),
    node("Relu", ["c1"], ["r1"], {}, { name: "relu1" }),
    node("Conv", ["r1", "w2", "b2"], ["c2"], { strides: ints(2, 2) }, { name: "conv2" }),
    node("Flatten", ["c2"], ["f"], {}, { name: "flatten" }),
    node("Gemm", ["f", "w3", "b3"], ["g"], {}, { name: "fc" }),
    node("Softmax", ["g"], ["y"], {}, { name: "softmax" }),
  ],
  inputs: [value("x", [1, 3, 8, 8])],
  initializers: [
    ...[weights("w1", [8, 3, 3, 3], 1), weights("b1", [8], 2), weights("w2", [4, 8, 2, 2], 3), weights("b2", [4], 4)],
    ...[weights("w3", [64, 10], 5), weights("b3", [10], 6)],
  ],
});

type Sample = Readonly<Record<string, Tensor>>;

function samples(count: number): Sample[] {
  const random = randomNumbers(9);
  return Array.from({ length: count }, () => ({
    x: { dtype: "float32", shape: [1, 3, 8, 8], data: Float32Array.from({ length: 192 }, () => random() * 2 - 1) },
  }));
}

async function failure(onnx: Uint8Array, options: CompileOptions): Promise<CompileError> {
  try {
    await compile(onnx, options);
  } catch (error) {
    if (error instanceof CompileError) return error;
    throw error;
  }
  throw new Error("compiled");
}

/** Compiles, loads and runs. */
async function run(
  onnx: Uint8Array,
  options: CompileOptions,
  inputs: Readonly<Record<string, Tensor["data"]>>,
): Promise<{ readonly outputs: Readonly<Record<string, readonly number[]>>; readonly report: Report }> {
  const { bytes, report } = await compile(onnx, options);
  const loaded = await load(bytes);
  try {
    const results = loaded.run(inputs);
    return {
      outputs: Object.fromEntries(loaded.outputs.map(({ name }) => [name, Array.from(results[name] as Float32Array, Number)])),
      report,
    };
  } finally {
    loaded.dispose();
  }
}

test.each([
  ["precision", { precision: "int4" }, 'The option precision is "int4"; it takes "mixed", "int8" or "float32".'],
  ["targetSqnrDb", { targetSqnrDb: Number.NaN }, "The option targetSqnrDb is NaN; it takes a number of decibels."],
  [
    "targetSqnrDb",
    { targetSqnrDb: 30, precision: "int8" },
    'The option targetSqnrDb is 30; it takes a number with precision "mixed" only.',
  ],
  ["weights", { weights: 9 }, "The option weights is 9; it takes 8, 7, 6, 5, 4, 3 or 2."],
  ["weights", { weights: "4" }, 'The option weights is "4"; it takes 8, 7, 6, 5, 4, 3 or 2.'],
  ["observer", { observer: "median" }, 'The option observer is "median"; it takes mse, minmax, percentile, entropy.'],
  ["minSqnrDb", { minSqnrDb: Number.NaN }, "The option minSqnrDb is NaN; it takes a number of decibels."],
  ["minSqnrDb", { minSqnrDb: "30" }, 'The option minSqnrDb is "30"; it takes a number of decibels.'],
  ["shapes.n", { shapes: { n: 0 } }, "The option shapes.n is 0; it takes a positive integer."],
  ["shapes.n", { shapes: { n: 1.5 } }, "The option shapes.n is 1.5; it takes a positive integer."],
  [
    "calibration",
    { calibration: samples(1)[0] },
    "The option calibration is an object; it takes samples, each a tensor for every input, by name.",
  ],
  ["calibration", { calibration: 3 }, "The option calibration is 3; it takes samples, each a tensor for every input, by name."],
  ["keepFloat", { keepFloat: "first" }, 'The option keepFloat is "first"; it takes a list of names.'],
  ["labels", { labels: "cat" }, 'The option labels is "cat"; it takes a list of names.'],
  [
    "preprocess",
    { preprocess: { channels: "XYZ" } },
    'The option preprocess is {"channels":"XYZ"}; it takes a specification; this one "channels" is none of RGB, BGR, L.',
  ],
  ["keepFloat", { keepFloat: [1] }, "The option keepFloat is [1]; it takes a list of names."],
])("the option %s is checked before anything else: %j", async (option, options, message) => {
  const error = await failure(new Uint8Array(0), options as unknown as CompileOptions);
  expect(error).toMatchObject({ code: "bad-option", fault: "usage", message });
  expect(error.details.option).toBe(option);
  expect(judge(error).exitCode).toBe(2);
});

test("outputs that int8 is too coarse for get float32 where it helps, and the report says what and why", async () => {
  // One channel of what "second" reads is 500 times the others.
  const uneven = model({
    nodes: [
      node("Conv", ["x", "u1"], ["a"], {}, { name: "first" }),
      node("Mul", ["a", "up"], ["m"], {}, { name: "uneven" }),
      node("Sigmoid", ["a"], ["gate"], {}, { name: "gate" }),
      node("Mul", ["m", "gate"], ["g"], {}, { name: "gated" }),
      node("Conv", ["g", "u2"], ["b"], {}, { name: "second" }),
      node("Conv", ["b", "u3"], ["y"], { pads: ints(2, 2, 2, 2) }, { name: "third" }),
    ],
    inputs: [value("x", [1, 3, 8, 8])],
    initializers: [
      ...[weights("u1", [8, 3, 1, 1], 1), weights("u2", [8, 8, 1, 1], 2), weights("u3", [8, 8, 5, 5], 3)],
      floatTensor("up", [1, 8, 1, 1], [500, 1, 1, 1, 1, 1, 1, 1]),
    ],
  });
  const int8 = (await compile(uneven, { calibration: samples(16), precision: "int8", force: true })).report;
  expect(int8.mixed).toBeNull();
  const { report, bytes } = await compile(uneven, { calibration: samples(16), targetSqnrDb: 45 });
  expect(report.mixed!.goalDb).toBe(45);
  expect(report.mixed!.afterDb).toBeGreaterThan(report.mixed!.beforeDb + 3);
  expect(report.mixed!.int8MacsShare).toBeGreaterThanOrEqual(0.8);
  const moved = report.mixed!.moved.map(({ name }) => name);
  expect(moved.length).toBeGreaterThan(0);
  for (const { name, aloneDb, precision } of report.layers)
    if (aloneDb !== undefined) expect([moved.includes(name), precision]).toEqual([true, "float32"]);
  expect(Math.min(...report.outputs.map(({ sqnrDb }) => sqnrDb))).toBeGreaterThan(Math.min(...int8.outputs.map(({ sqnrDb }) => sqnrDb)));
  expect((await compile(uneven, { calibration: samples(16), targetSqnrDb: 45 })).bytes).toEqual(bytes);
  const easy = (await compile(NETWORK, { calibration: samples(4) })).report.mixed!;
  expect([easy.moved, easy.int8MacsShare, easy.beforeDb >= 20, easy.afterDb === easy.beforeDb]).toEqual([[], 1, true, true]);
});

test("quantizing to ONNX checks the same options", async () => {
  await expect(quantizeToOnnx(NETWORK, { observer: "max" as "mse" })).rejects.toMatchObject({ code: "bad-option" });
});

test("a result below the floor is an error that names the outputs and the worst layers, unless it is forced", async () => {
  const options: CompileOptions = { calibration: samples(4), minSqnrDb: 90 };
  const error = await failure(NETWORK, options);
  expect(error).toMatchObject({ code: "below-floor", fault: "quality" });
  expect(judge(error).exitCode).toBe(3);
  expect(error.message).toMatch(/^The int8 model is too far from the float32 one: y \d+\.\d dB, the floor is 90 dB\.\n/);
  const worst = error.details.worst as readonly { readonly name: string; readonly sqnrDb: number; readonly layer: string | null }[];
  expect(worst.length).toBeGreaterThanOrEqual(2);
  expect([...worst].sort((a, b) => a.sqnrDb - b.sqnrDb)).toEqual(worst);
  // The names are those that keepFloat takes.
  const named = worst.flatMap(({ layer }) => (layer === null ? [] : [layer]));
  expect(named).toContain("conv1");
  expect(error.message).toContain("conv1");
  await expect(compile(NETWORK, { calibration: samples(4), keepFloat: named })).resolves.toBeDefined();
  const { report } = await compile(NETWORK, { ...options, force: true });
  expect(report.outputs[0]!.sqnrDb).toBeLessThan(90);
  expect(error.message).not.toContain("synthesised");
  expect((await failure(NETWORK, { minSqnrDb: 90 })).message).toContain(
    "calibrated on synthesised inputs: give real ones with --calibrate",
  );
});

test("without data the report says that inputs were synthesised, with data it does not", async () => {
  const { report } = await compile(NETWORK);
  expect(report.calibration).toEqual({ samples: 16, synthetic: true, observer: "mse" });
  expect(report.warnings.filter((warning) => warning.includes("synthesised"))).toHaveLength(1);
  const real = (await compile(NETWORK, { calibration: samples(5), observer: "minmax" })).report;
  expect(real.calibration).toEqual({ samples: 5, synthetic: false, observer: "minmax" });
  expect(real.warnings).toEqual([]);
});

test("each observer compiles, deterministically, and near float32", async () => {
  for (const observer of ["mse", "minmax", "percentile", "entropy"] as const) {
    const [a, b] = [
      await compile(NETWORK, { calibration: samples(6), observer }),
      await compile(NETWORK, { calibration: samples(6), observer }),
    ];
    expect(b.bytes).toEqual(a.bytes);
    expect(a.report.outputs[0]!.sqnrDb, observer).toBeGreaterThan(20);
  }
});

test("the report counts layers, multiply-accumulates and bytes", async () => {
  const { bytes, report } = await compile(NETWORK, { calibration: samples(4) });
  expect(report.layers.map(({ name, op, precision, macs, weightBytes }) => [name, op, precision, macs, weightBytes])).toEqual([
    ["conv1", "Conv", "int8", 64 * 8 * 27, 216],
    ["conv2", "Conv", "int8", 16 * 4 * 32, 128],
    ["fc", "Gemm", "int8", 640, 640],
  ]);
  expect(report.macs).toBe(64 * 8 * 27 + 16 * 4 * 32 + 640);
  expect([report.precision, report.sourceBytes, report.bytes]).toEqual(["int8", NETWORK.length, bytes.length]);
  const plain = (await compile(NETWORK, { precision: "float32" })).report;
  expect(plain.layers.map(({ precision, weightBytes }) => [precision, weightBytes])).toEqual([
    ["float32", 864],
    ["float32", 512],
    ["float32", 2560],
  ]);
  expect([plain.calibration, plain.biasCorrection, plain.outputs]).toEqual([null, null, []]);
});

test("first and last stand for the first and the last layer, and an unknown name lists the layers", async () => {
  const precisions = async (...keepFloat: string[]) =>
    (await compile(NETWORK, { calibration: samples(2), keepFloat })).report.layers.map(({ precision }) => precision);
  expect(await precisions("first", "last")).toEqual(["float32", "int8", "float32"]);
  expect(await precisions("conv2")).toEqual(["int8", "float32", "int8"]);
  // The Relu became a clamp of the convolution.
  expect(await precisions("relu1")).toEqual(["float32", "int8", "int8"]);
  expect(await failure(NETWORK, { keepFloat: ["conv9"] })).toMatchObject({
    code: "unknown-node",
    fault: "usage",
    message: 'No node is named "conv9". Layers with weights are: conv1, conv2, fc.',
  });
});

test.each([
  ["no sample", [], "no-samples"],
  ["a sample without the input", [{}], "missing-input"],
  ["a sample of another size", [{ x: { dtype: "float32", shape: [3], data: new Float32Array(3) } }], "wrong-sample"],
  ["a sample of another type", [{ x: { dtype: "uint8", shape: [192], data: new Uint8Array(192) } }], "wrong-sample"],
] as const)("%s is an error", async (_, calibration, code) => {
  expect(await failure(NETWORK, { calibration: calibration as unknown as readonly Sample[] })).toMatchObject({ code, fault: "input" });
});

test("what the samples' iterator throws comes through", async () => {
  async function* broken(): AsyncGenerator<Sample> {
    yield samples(1)[0]!;
    throw new Error("disk gone");
  }
  await expect(compile(NETWORK, { calibration: broken() })).rejects.toThrow("disk gone");
});

test.each(["calibrate", "compare", "correct biases"])(
  "an abort in the phase %s stops compiling with the signal's reason",
  async (phase) => {
    const controller = new AbortController();
    const phases: string[] = [];
    const onProgress = (progress: { readonly phase: string }): void => {
      phases.push(progress.phase);
      if (progress.phase === phase) controller.abort(new Error(`stopped in ${phase}`));
    };
    await expect(compile(NETWORK, { calibration: samples(8), signal: controller.signal, onProgress })).rejects.toThrow(
      `stopped in ${phase}`,
    );
    expect(phases.filter((each) => each === phase)).toHaveLength(1);
  },
);

test.each(["int8", "float32"] as const)("a signal that is aborted already stops %s before it begins", async (precision) => {
  const reason = new Error("never mind");
  await expect(compile(NETWORK, { precision, signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
});

test("a model without floating point keeps its integers", async () => {
  const onnx = model({
    nodes: [node("Add", ["i", "k"], ["y"]), node("Mul", ["y", "y"], ["z"])],
    inputs: [value("i", [3], 7)],
    outputs: ["y", "z"],
    initializers: [int64Tensor("k", [3], [1, 2, 3])],
  });
  const { outputs, report } = await run(onnx, {}, { i: BigInt64Array.of(10n, -20n, 3_000_000_000n) });
  expect(outputs).toEqual({ y: [11, -18, 3_000_000_003], z: [121, 324, 3_000_000_003 ** 2] });
  expect(report.outputs.map(({ sqnrDb }) => sqnrDb)).toEqual([200, 200]);
  expect(report.layers).toEqual([]);
});

const TWO_ENDED = model({
  nodes: [
    node("Gemm", ["a", "w"], ["h"], {}, { name: "left" }),
    node("Add", ["h", "b"], ["s"], {}, { name: "sum" }),
    node("Gemm", ["s", "w"], ["y"], {}, { name: "right" }),
    node("Gather", ["b", "i"], ["g"], { axis: int(1) }, { name: "pick" }),
  ],
  inputs: [value("a", [1, 4]), value("b", [1, 4]), value("i", [2], 7)],
  outputs: ["y", "s", "g"],
  initializers: [weights("w", [4, 4], 3)],
});

test("several inputs, an integer one among them, and several outputs, one in the middle", async () => {
  const inputs = { a: Float32Array.of(1, -0.5, 0.25, 1), b: Float32Array.of(0.5, 1, -1, 0.75), i: BigInt64Array.of(3n, 1n) };
  const exact = await run(TWO_ENDED, { precision: "float32" }, inputs);
  const { outputs, report } = await run(TWO_ENDED, {}, inputs);
  expect(Object.keys(outputs)).toEqual(["y", "s", "g"]);
  expect(report.outputs.map(({ name }) => name)).toEqual(["y", "s", "g"]);
  for (const name of ["y", "s", "g"]) outputs[name]!.forEach((x, i) => expect(Math.abs(x - exact.outputs[name]![i]!)).toBeLessThan(0.1));
  expect(exact.outputs.g).toEqual([0.75, 1]);
});

test.each(["int8", "float32"] as const)(
  "%s: outputs that are an input, a constant, a view, and the same value twice",
  async (precision) => {
    const onnx = model({
      nodes: [
        node("Gemm", ["x", "w"], ["y"]),
        node("Identity", ["x"], ["same"]),
        node("Identity", ["y"], ["again"]),
        node("Reshape", ["y", "shape"], ["view"]),
        node("Identity", ["k"], ["fixed"]),
      ],
      inputs: [value("x", [1, 4])],
      outputs: ["y", "same", "again", "view", "fixed", "x"],
      initializers: [weights("w", [4, 2], 8), floatTensor("k", [3], [1, 2, 3]), int64Tensor("shape", [1], [2])],
    });
    const x = Float32Array.of(0.5, -1, 0.25, 1);
    const { outputs } = await run(onnx, { precision }, { x });
    expect([outputs.same, outputs.x, outputs.fixed]).toEqual([[...x], [...x], [1, 2, 3]]);
    expect(outputs.again).toEqual(outputs.y);
    expect(outputs.view).toEqual(outputs.y);
    const { outputs: exact } = await run(onnx, { precision: "float32" }, { x });
    outputs.y!.forEach((value, i) => expect(Math.abs(value - exact.y![i]!)).toBeLessThan(0.05));
  },
);

test("a model that only a constant leaves compiles in both precisions", async () => {
  const onnx = model({ nodes: [node("Identity", ["k"], ["y"])], inputs: [], initializers: [floatTensor("k", [2], [4, 5])] });
  for (const precision of ["int8", "float32"] as const) expect((await run(onnx, { precision }, {})).outputs).toEqual({ y: [4, 5] });
});

test("dynamic dimensions are bound by name", async () => {
  const onnx = model({ nodes: [node("Gemm", ["x", "w"], ["y"])], inputs: [value("x", ["n", 4])], initializers: [weights("w", [4, 2])] });
  const { outputs } = await run(onnx, { precision: "float32", shapes: { n: 3 } }, { x: new Float32Array(12) });
  expect(outputs.y).toHaveLength(6);
});

test("an already quantized model keeps its own scales, and is not quantized again", async () => {
  const first = await quantizeToOnnx(NETWORK, { calibration: samples(6) });
  const { report } = await compile(first.bytes);
  expect(report.alreadyQuantized).toBe(true);
  expect(report.layers.map(({ precision }) => precision)).toEqual(["int8", "int8", "int8"]);
  const inputs = { x: samples(1)[0]!.x!.data };
  const [a, b] = [(await run(first.bytes, {}, inputs)).outputs, (await run(NETWORK, { calibration: samples(6) }, inputs)).outputs];
  a.y!.forEach((x, i) => expect(Math.abs(x - b.y![i]!)).toBeLessThan(1e-5));
});

test("a value of the model that has the name of an int8 form is not taken for it", async () => {
  const nodes: NodeSpec[] = [
    node("Gemm", ["x", "w", "b"], ["h"], {}, { name: "left" }),
    node("Exp", ["h"], ["h.quantized"]),
    node("Gemm", ["h", "w", "b"], ["p"], {}, { name: "right" }),
    node("Add", ["p", "h.quantized"], ["y"]),
  ];
  const onnx = model({ nodes, inputs: [value("x", [1, 4])], initializers: [weights("w", [4, 4], 3), weights("b", [4], 4)] });
  const { report } = await compile(onnx);
  for (const { name, sqnrDb } of report.layers) expect([name, (sqnrDb ?? 100) > 20]).toEqual([name, true]);
  expect(report.outputs[0]!.sqnrDb).toBeGreaterThan(20);
});

test("only the first input is taken for an image where a preprocessing spec is given", async () => {
  const nodes: NodeSpec[] = [node("Gemm", ["a", "w"], ["p"]), node("Gemm", ["b", "w"], ["q"]), node("Add", ["p", "q"], ["y"])];
  const onnx = model({ nodes, inputs: [value("a", [1, 4]), value("b", [1, 4])], initializers: [weights("w", [4, 2])] });
  const { bytes } = await compile(onnx, { preprocess: { channels: "L", layout: "NCHW", scale: 1, mean: 0, std: 1 }, force: true });
  const loaded = await load(bytes);
  // Calibrated to 0…255, the second input would have steps of 1.
  const { y } = loaded.run({ a: new Float32Array(4), b: Float32Array.of(0.3, 0.3, 0.3, 0.3) });
  expect(Math.max(...Array.from(y as Float32Array, Math.abs))).toBeGreaterThan(0.01);
  loaded.dispose();
});

test("float attributes do not matter for what is refused: alpha of a Gemm stays float32", async () => {
  const onnx = model({
    nodes: [node("Gemm", ["x", "w"], ["y"], { alpha: float(0.5) }, { name: "g" })],
    initializers: [weights("w", [4, 2])],
  });
  expect((await compile(onnx)).report.layers.map(({ precision }) => precision)).toHaveLength(1);
});
