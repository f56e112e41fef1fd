/** The entry eqm/core as it is built: the steps of int8 convolutional networks in small builds, and no others. */
import { readFileSync } from "node:fs";
import { gzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { MISSING_STEPS } from "../../build/core-steps.ts";
import { compile } from "../../compiler/index.ts";
import * as Opcode from "../../format/opcodes.ts";
import { UNKNOWN_STEP } from "../../format/status.ts";
import { load } from "../../host/index.ts";
import { allLayouts } from "../../host/layouts.ts";
import { instantiate } from "../../host/runtime.ts";
import { classifier, createRandom } from "../cli/scratch.ts";
import { floatTensor, model, node, value } from "../support/onnx-model.ts";

const core = (await import(new URL("../../dist/core.js", import.meta.url).href)) as { readonly load: typeof load };
const moduleBytes = (name: string): Uint8Array<ArrayBuffer> =>
  new Uint8Array(readFileSync(new URL(`../../build/${name}.wasm`, import.meta.url)));

/** LayerNormalization and a product: nothing of a convolutional network. */
function transformerPiece(): Uint8Array {
  return model({
    opset: 17,
    inputs: [value("x", [4, 8])],
    outputs: ["y"],
    initializers: [floatTensor("scale", [8], Array<number>(8).fill(1))],
    nodes: [node("LayerNormalization", ["x", "scale"], ["n"]), node("Transpose", ["n"], ["t"]), node("MatMul", ["n", "t"], ["y"])],
  });
}

describe("eqm/core", () => {
  it("gives the same bytes as eqm for an int8 convolutional network", async () => {
    const { bytes } = await compile(classifier(), { precision: "int8" });
    const random = createRandom(2);
    const image = Float32Array.from({ length: 192 }, () => random() * 2 - 1);
    using whole = await load(bytes);
    using small = await core.load(bytes);
    expect(small.features).toEqual(whole.features);
    expect(small.run({ image })).toEqual(whole.run({ image }));
  });

  it("refuses a model with other steps when it is loaded, and names the entry that has them", async () => {
    const { bytes } = await compile(transformerPiece(), { precision: "float32" });
    await expect(core.load(bytes)).rejects.toMatchObject({
      name: "LoadError",
      code: "missing-steps",
      message:
        'The model has steps that eqm/core, the entry for int8 convolutional networks, does not have (LAYER_NORM, MATMUL_F32): import load from "eqm".',
      details: { steps: ["LAYER_NORM", "MATMUL_F32"], entry: "eqm" },
    });
    using whole = await load(bytes);
    expect(whole.run({ x: new Float32Array(32).fill(1) })["y"]).toHaveLength(16);
  });

  it("refuses a plan of several that has other steps", async () => {
    const wider = model({
      inputs: [value("x", ["N", 4])],
      outputs: ["y"],
      nodes: [node("Relu", ["x"], ["y"])],
    });
    const { bytes } = await compile(wider, { precision: "float32", shapes: { N: [1, 2] } });
    using small = await core.load(bytes);
    expect(small.run({ x: Float32Array.of(-1, 1, -1, 1, 2, 2, 2, 2) })["y"]).toEqual(Float32Array.of(0, 1, 0, 1, 2, 2, 2, 2));
  });
});

describe.each(["core-plain", "core-relaxed"])("the build %s", (name) => {
  it("is at most 40 KB gzip, and smaller than the whole one", () => {
    const bytes = gzipSync(moduleBytes(name), { level: 9 }).length;
    expect(bytes).toBeLessThanOrEqual(40_000);
    expect(bytes).toBeLessThan(gzipSync(moduleBytes(name.replace("core-", "")), { level: 9 }).length);
  });

  it.skipIf(!WebAssembly.validate(moduleBytes(name)))("lacks exactly the steps that the loader refuses", () => {
    const memory = new WebAssembly.Memory({ initial: 1, maximum: 1 });
    const runtime = instantiate(new WebAssembly.Module(moduleBytes(name)), memory);
    for (const [opcode, { words }] of allLayouts()) {
      if (!MISSING_STEPS.has(opcode)) continue;
      new Int32Array(memory.buffer).set([opcode, words], 1024 / 4);
      expect([opcode, runtime.run(1024, 1024 + words * 4, 32768)]).toEqual([opcode, UNKNOWN_STEP]);
    }
  });
});

it("has what int8 convolutional networks are made of", () => {
  for (const name of [
    "CONV_I8",
    "DEPTHWISE_I8",
    "BINARY_I8",
    "TABLE_I8",
    "POOL",
    "REDUCE",
    "QUANTIZE",
    "DEQUANTIZE",
    "SOFTMAX",
    "RESAMPLE",
    "COPY",
  ] as const)
    expect(MISSING_STEPS.has(Opcode[name])).toBe(false);
  expect(MISSING_STEPS.has(Opcode.LAYER_NORM)).toBe(true);
});
