/** One file for several sizes: chosen by what `run` is given, over the same weights, with the results of a file of its own. */

import { Worker } from "node:worker_threads";
import { describe, expect, it } from "vitest";
import { emitFile } from "../../compiler/emit/emit.ts";
import { compile, quantizeToOnnx } from "../../compiler/index.ts";
import { EqmError } from "../../host/errors.ts";
import { load, type Tensor, type TypedArray } from "../../host/index.ts";
import { Instance } from "../../host/instance.ts";
import { programsOf } from "../../host/program.ts";
import { readEqm } from "../../host/reader.ts";
import { createRandom } from "../cli/scratch.ts";
import { floatTensor, int, int64Tensor, ints, model, node, value } from "../support/onnx-model.ts";
import { reseal } from "../support/reseal.ts";
import { plainModule, scanner } from "../support/small-model.ts";
import { threadScripts } from "../support/thread-scripts.ts";

/** An encoder of sequences: convolution over time, a gate, attention-like scores over T, and a table of positions that T cuts. */
/** Three convolutions, of which the middle one has layers before and behind it, and a dense layer. */
function deepClassifier(): Uint8Array {
  const weights = (count: number, seed: number): number[] => [...random(count, seed)].map((x) => x * 0.3);
  const conv = (from: string, weight: string, to: string) =>
    node("Conv", [from, weight], [to], { kernel_shape: ints(3, 3), pads: ints(1, 1, 1, 1) });
  return model({
    inputs: [value("image", ["N", 3, 8, 8])],
    outputs: ["scores"],
    initializers: [
      floatTensor("w1", [16, 3, 3, 3], weights(432, 1)),
      floatTensor("w2", [16, 16, 3, 3], weights(2304, 2)),
      floatTensor("w3", [16, 16, 3, 3], weights(2304, 3)),
      floatTensor("v", [4, 16], weights(64, 4)),
    ],
    nodes: [
      conv("image", "w1", "c1"),
      node("Relu", ["c1"], ["r1"]),
      conv("r1", "w2", "c2"),
      node("Relu", ["c2"], ["r2"]),
      conv("r2", "w3", "c3"),
      node("Relu", ["c3"], ["r3"]),
      node("GlobalAveragePool", ["r3"], ["pooled"]),
      node("Flatten", ["pooled"], ["flat"]),
      node("Gemm", ["flat", "v"], ["scores"], { transB: int(1) }),
    ],
  });
}

function sequenceModel(): Uint8Array {
  const random = createRandom(11);
  const weights = (count: number, scale = 0.4): number[] => Array.from({ length: count }, () => (random() - 0.5) * scale);
  return model({
    inputs: [value("x", ["N", 8, "T"])],
    outputs: ["y"],
    opset: 17,
    initializers: [
      floatTensor("w", [8, 8, 3], weights(192)),
      floatTensor("b", [8], weights(8)),
      floatTensor("v", [8, 6], weights(48)),
      floatTensor("c", [6], weights(6)),
    ],
    nodes: [
      node("Conv", ["x", "w", "b"], ["conv"], { kernel_shape: ints(3), pads: ints(1, 1) }, { name: "the_conv" }),
      node("Relu", ["conv"], ["relu"]),
      node("Add", ["relu", "x"], ["sum"]),
      node("Transpose", ["sum"], ["rows"], { perm: ints(0, 2, 1) }),
      node("MatMul", ["rows", "v"], ["dense"], {}, { name: "the_matmul" }),
      node("Add", ["dense", "c"], ["y"]),
    ],
  });
}

const random = (length: number, seed = 5): Float32Array => {
  const draw = createRandom(seed);
  return Float32Array.from({ length }, () => draw() * 2 - 1);
};

const bytesOf = ({ buffer, byteOffset, byteLength }: TypedArray): Buffer => Buffer.from(buffer, byteOffset, byteLength);

const tensor = (shape: readonly number[], seed = 5): Tensor => ({
  dtype: "float32",
  shape,
  data: random(
    shape.reduce((product, size) => product * size, 1),
    seed,
  ),
});

describe.each(["int8", "float32"] as const)("several plans in %s", (precision) => {
  it("give for each shape what a file for that shape alone gives, and share the weights", async () => {
    const calibration = Array.from({ length: 16 }, (_, seed) => ({ x: tensor([1, 8, 10], seed + 100) }));
    const options = { precision, minSqnrDb: -100, calibration };
    const { bytes, report } = await compile(sequenceModel(), { ...options, shapes: { N: [1, 4], T: [10, 20] } });
    expect(report.plans.map(({ sizes, batch }) => ({ sizes, batch }))).toEqual([
      { sizes: { N: 1, T: 10 }, batch: 1 },
      { sizes: { N: 1, T: 20 }, batch: 1 },
      { sizes: { N: 4, T: 10 }, batch: 4 },
      { sizes: { N: 4, T: 20 }, batch: 4 },
    ]);
    const single = await compile(sequenceModel(), { ...options, shapes: { N: 1, T: 10 } });
    expect(report.weightBytes).toBe(single.report.weightBytes);
    using several = await load(bytes);
    using alone = await load(single.bytes);
    expect(several.memoryBytes).toBe(report.memoryBytes);
    const x = random(80);
    const expected = alone.run({ x })["y"]!;
    expect(several.run({ x })["y"]).toEqual(expected);
    // Two members: the plan of four, filled up; each as it is by itself.
    const twice = Float32Array.from([...x, ...x]);
    const got = several.run({ x: { dtype: "float32", shape: [2, 8, 10], data: twice } })["y"]!;
    expect(got).toEqual(Float32Array.from([...(expected as Float32Array), ...(expected as Float32Array)]));
    expect(several.planFor({ x: { shape: [2, 8, 10] } }).outputs).toEqual([{ name: "y", dtype: "float32", shape: [2, 10, 6] }]);
    expect(() => several.run({ x: twice })).toThrow(
      "The inputs x of 160 elements could have the shapes [[1,8,20]] or [[2,8,10]]: give tensors { dtype, shape, data }.",
    );
    expect(() => several.run({ x: { dtype: "float32", shape: [1, 8, 15], data: random(120) } })).toThrow(
      "The model has no plan for x [1,8,15]; it has N=1 T=10 (x [1,8,10]);",
    );
  });
});

it("runs each plan on several threads to the same bytes", async () => {
  const wide = model({
    inputs: [value("x", ["N", 16, 32, 32])],
    outputs: ["y"],
    initializers: [floatTensor("w", [32, 16, 3, 3], [...random(32 * 16 * 9, 9)])],
    nodes: [node("Conv", ["x", "w"], ["c"], { kernel_shape: ints(3, 3), pads: ints(1, 1, 1, 1) }), node("Relu", ["c"], ["y"])],
  });
  const { bytes } = await compile(wide, { precision: "float32", shapes: { N: [1, 2, 4] } });
  const scripts = await threadScripts();
  const start = (): Worker => new Worker(scripts.real);
  try {
    using alone = await load(bytes);
    using shared = await load(bytes, { threads: 3, thread: { start } });
    expect(shared.features.threads).toBe(3);
    for (let round = 0; round < 60; round++) {
      const x = tensor([1 + (round % 4), 16, 32, 32], round);
      expect(Buffer.compare(bytesOf(shared.run({ x })["y"]!), bytesOf(alone.run({ x })["y"]!))).toBe(0);
    }
  } finally {
    scripts.remove();
  }
});

it("never fills up a batch whose members depend on each other", async () => {
  const mixing = model({
    inputs: [value("x", ["N", 4])],
    outputs: ["y"],
    nodes: [node("Softmax", ["x"], ["y"], { axis: int(0) })],
  });
  const { bytes, report } = await compile(mixing, { precision: "float32", shapes: { N: [2, 4] } });
  expect(report.warnings).toContain(
    "What stands in N depends on each other: a run has to fill it, since filling it up would change results.",
  );
  using compiled = await load(bytes);
  expect(compiled.run({ x: random(16) })["y"]).toHaveLength(16);
  expect(() => compiled.run({ x: random(12) })).toThrow(
    "The model has no plan for x of 12 elements; it has N=2 (x [2,4]); N=4 (x [4,4]). Compile it with --shape for these sizes too.",
  );
});

it("fills up a batch that is not the first axis", async () => {
  const timeFirst = model({
    inputs: [value("x", ["T", "N", 3])],
    outputs: ["y", "z"],
    initializers: [floatTensor("w", [3, 2], [...random(6, 9)])],
    nodes: [node("MatMul", ["x", "w"], ["y"]), node("Transpose", ["x"], ["z"], { perm: ints(1, 0, 2) })],
  });
  const { bytes, report } = await compile(timeFirst, { precision: "float32", shapes: { T: 5, N: [1, 4] } });
  expect(report.plans.map(({ batch }) => batch)).toEqual([1, 4]);
  using compiled = await load(bytes);
  const x = tensor([5, 3, 3]);
  const { y, z } = compiled.run({ x });
  for (let n = 0; n < 3; n++) {
    const one = Float32Array.from({ length: 15 }, (_, i) => (x.data as Float32Array)[(Math.floor(i / 3) * 3 + n) * 3 + (i % 3)]!);
    const expected = compiled.run({ x: { dtype: "float32", shape: [5, 1, 3], data: one } });
    expect([...expected["y"]!]).toEqual(Array.from({ length: 10 }, (_, i) => y![(Math.floor(i / 2) * 3 + n) * 2 + (i % 2)]));
    expect([...expected["z"]!]).toEqual([...z!.subarray(n * 15, (n + 1) * 15)]);
  }
});

it("reads back what it writes, byte for byte, and proves every plan", async () => {
  const { bytes } = await compile(sequenceModel(), {
    precision: "float32",
    shapes: [
      { N: 1, T: 6 },
      { N: 2, T: 9 },
    ],
  });
  const program = readEqm(bytes, scanner);
  expect(Buffer.compare(emitFile(program, scanner), bytes)).toBe(0);
  const variant = program.variants![0]!;
  const broken = (change: Partial<typeof variant>) => () => emitFile({ ...program, variants: [{ ...variant, ...change }] }, scanner);
  const { plan, metadata } = variant;
  expect(broken({ plan: { ...plan, arenaBytes: plan.arenaBytes + 64 } })).toThrow("Plan 1: The plan's arenaBytes is");
  expect(broken({ plan: { ...plan, steps: plan.steps.map((words) => words.slice().fill(0x70000000, 2, 3)) } })).toThrow("Plan 1: ");
  expect(broken({ metadata: { ...metadata, inputs: [{ ...metadata.inputs[0]!, name: "other" }] } })).toThrow(
    "Plan 1: The plan's inputs are not those of the first plan.",
  );
  expect(broken({ metadata: { ...metadata, batch: { size: 7, inputs: [0], outputs: [0] } } })).toThrow(
    'Plan 1: The tensor "x" does not hold a batch of 7.',
  );
  expect(broken({ metadata: { ...metadata, batch: { size: 2, inputs: [0], outputs: [] } } })).toThrow(
    "Plan 1: The batch's axes are not those of the inputs and outputs.",
  );
});

it("refuses metadata of more or fewer plans than there are", async () => {
  const { bytes } = await compile(sequenceModel(), { precision: "float32", shapes: { N: 1, T: [6, 9] } });
  const file = bytes.slice();
  const text = Buffer.from(file.buffer).toString("latin1");
  // A key of the same length that no reader knows.
  Buffer.from(file.buffer).write('"plbns":', text.indexOf('"plans":'), "latin1");
  expect(() => readEqm(reseal(file), scanner)).toThrow("The metadata are of 1 plans, the file has 2.");
});

it("says which node differs where a plan cannot take the quantization over", async () => {
  // For one sequence length alone the model has a layer more.
  const odd = model({
    opset: 17,
    inputs: [value("x", [1, "T", 4])],
    outputs: ["y"],
    initializers: [floatTensor("w", [4, 4], [...random(16, 9)]), int64Tensor("axes", [1], [1])],
    nodes: [node("MatMul", ["x", "w"], ["d"], {}, { name: "dense" }), node("Relu", ["d"], ["y"], {}, { name: "relu" })],
  });
  const options = { minSqnrDb: -100, calibration: [{ x: tensor([1, 3, 4]) }] };
  await expect(compile(odd, { ...options, shapes: { T: [3, 5] } })).resolves.toBeDefined();
  await expect(compile(odd, { ...options, shapes: { T: [5, 3] } })).rejects.toThrow('A sample of the input "x" is float32[1,3,4]');
});

it.each([
  [{ N: [1, 1] }, "it has the same sizes twice"],
  [{ N: [] }, "N is neither a size nor a list of sizes"],
  [[], "it is an empty list; leave it out where no dimension is to be given a size"],
  [[{ N: 1 }, { T: 1 }], "its entries name different dimensions; each has to name all"],
  [{ N: Array.from({ length: 31 }, (_, i) => i + 1) }, "it stands for 31 plans, a file holds 30 at most"],
] as const)("refuses the shapes %j", async (shapes, problem) => {
  await expect(compile(sequenceModel(), { shapes })).rejects.toThrow(`The option shapes: ${problem}.`);
});

it("takes pruned weights over to every plan", async () => {
  const calibration = Array.from({ length: 16 }, (_, seed) => ({ image: tensor([1, 3, 8, 8], seed + 100) }));
  const options = { calibration, minSqnrDb: -100, prune: 0.5, pattern: "block" } as const;
  for (const precision of ["float32", "int8"] as const) {
    const { bytes, report } = await compile(deepClassifier(), { ...options, precision, shapes: { N: [1, 3] } });
    const single = await compile(deepClassifier(), { ...options, precision, shapes: { N: 1 } });
    expect(report.weightBytes).toBe(single.report.weightBytes);
    using several = await load(bytes);
    using alone = await load(single.bytes);
    const images = [1, 2, 3].map((seed) => random(192, seed));
    const together = several.run({ image: Float32Array.from(images.flatMap((image) => [...image])) })["scores"] as Float32Array;
    expect([...together]).toEqual(images.flatMap((image) => [...(alone.run({ image })["scores"] as Float32Array)]));
  }
});

it("stays sound whatever bytes of a file of several plans change", async () => {
  const { bytes } = await compile(sequenceModel(), { precision: "float32", shapes: { N: [1, 2], T: [5, 9] } });
  const draw = createRandom(41);
  let refused = 0;
  for (let round = 0; round < 300; round++) {
    const file = bytes.slice();
    for (let i = 0; i < 1 + (round % 3); i++) file[Math.floor(draw() * file.length)] = Math.floor(draw() * 256);
    try {
      const program = readEqm(reseal(file), scanner);
      const instance = new Instance(program, plainModule);
      for (const plan of programsOf(program).keys()) instance.run(plan);
    } catch (error) {
      // A trap would say that something unproved was run.
      expect(error).toBeInstanceOf(EqmError);
      expect((error as EqmError).code).not.toBe("trap");
      refused++;
    }
  }
  expect(refused).toBeGreaterThan(150);
});

it("has no budget for several plans", async () => {
  await expect(compile(sequenceModel(), { shapes: { N: [1, 4], T: 10 }, target: { bytes: 5000 } })).rejects.toMatchObject({
    code: "bad-option",
  });
});

it("says for which sizes a model cannot be compiled", async () => {
  const fixed = model({
    inputs: [value("x", ["N", 6])],
    outputs: ["y"],
    initializers: [int64Tensor("shape", [2], [2, 6])],
    nodes: [node("Reshape", ["x", "shape"], ["y"])],
  });
  await expect(compile(fixed, { precision: "float32", shapes: { N: [2, 3] } })).rejects.toThrow("With N=3: ");
  await expect(quantizeToOnnx(fixed, { shapes: { N: [2, 3] } })).rejects.toThrow("An .onnx takes one size for each dimension");
});
