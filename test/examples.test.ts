/** The example model: its data is the same everywhere and honest, its trainer's gradients are right, its committed files agree. */
import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import onnxProto from "onnx-proto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { compile } from "../compiler/index.ts";
import { load } from "../host/index.ts";

// examples/ is plain JavaScript that runs without a build; what is tested of it is typed here.
type Split = "training" | "validation" | "calibration" | "evaluation";
interface Synthesis {
  readonly CLASSES: readonly string[];
  readonly COUNTS: { readonly evaluation: number; readonly calibration: number };
  synthesise(split: Split, first: number, count: number): { images: Uint8Array; labels: Int32Array };
  writeFiles(folder: string): void;
}
interface Kernels {
  compileKernels(): Promise<object>;
}
interface Check {
  checkGradients(compiled: object): { title: string; worst: number; compared: number }[];
}
const folder = new URL("../examples/doodles/", import.meta.url);
const doodles = async <T>(file: string): Promise<T> => import(new URL(file, folder).href);
const IMAGE_BYTES = 32 * 32 * 3;

const hash = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");
const hashes = (images: Uint8Array): string[] =>
  Array.from({ length: images.length / IMAGE_BYTES }, (_, i) => hash(images.subarray(i * IMAGE_BYTES, (i + 1) * IMAGE_BYTES)));

describe("the doodle data", async () => {
  const { CLASSES, COUNTS, synthesise, writeFiles } = await doodles<Synthesis>("synthesise.mjs");
  let scratch = "";
  beforeAll(() => {
    scratch = mkdtempSync(join(tmpdir(), "eqm-doodles-"));
    writeFiles(scratch);
  });
  afterAll(() => rmSync(scratch, { recursive: true, force: true }));

  it("is the same, byte for byte, on every machine", () => {
    const files = ["eval_x.npy", "eval_y.npy", "calib_x.npy"].map((name) => hash(readFileSync(join(scratch, name))).slice(0, 16));
    expect(files).toEqual(["891cf850b26a7017", "f3e7f2a4f4949f0c", "521c32cf6f91c2cf"]);
  });

  it("is written as .npy of the stated type and shape", () => {
    const headers = ["eval_x.npy", "eval_y.npy", "calib_x.npy"].map((name) => {
      const file = readFileSync(join(scratch, name));
      const end = 10 + file.readUInt16LE(8);
      expect(file.subarray(0, 8)).toEqual(Buffer.from("\x93NUMPY\x01\x00", "latin1"));
      expect(end % 64).toBe(0);
      return { header: file.toString("latin1", 10, end).trim(), dataBytes: file.length - end };
    });
    expect(headers).toEqual([
      { header: "{'descr': '|u1', 'fortran_order': False, 'shape': (1200, 32, 32, 3,), }", dataBytes: 1200 * IMAGE_BYTES },
      { header: "{'descr': '<i4', 'fortran_order': False, 'shape': (1200,), }", dataBytes: 4 * 1200 },
      { header: "{'descr': '|u1', 'fortran_order': False, 'shape': (240, 32, 32, 3,), }", dataBytes: 240 * IMAGE_BYTES },
    ]);
  });

  it("gives an image that does not depend on which others are made", () => {
    const run = synthesise("evaluation", 0, 24);
    const alone = synthesise("evaluation", 17, 1);
    expect(hash(alone.images)).toBe(hash(run.images.subarray(17 * IMAGE_BYTES, 18 * IMAGE_BYTES)));
    expect(alone.labels[0]).toBe(run.labels[17]);
  });

  it("has every class equally often", () => {
    for (const split of ["evaluation", "calibration"] as const) {
      const counts = CLASSES.map(() => 0);
      for (const label of synthesise(split, 0, COUNTS[split]).labels) counts[label]! += 1;
      expect(counts).toEqual(CLASSES.map(() => COUNTS[split] / CLASSES.length));
    }
  });

  it("shares no image between splits and repeats none", () => {
    const all = (["training", "validation", "calibration", "evaluation"] as const).flatMap((split) =>
      hashes(synthesise(split, 0, split === "evaluation" ? COUNTS.evaluation : 480).images),
    );
    expect(new Set(all).size).toBe(COUNTS.evaluation + 3 * 480);
  });
});

describe("the doodle trainer", () => {
  it("agrees with finite differences in every gradient", async () => {
    const { compileKernels } = await doodles<Kernels>("network.mjs");
    const { checkGradients } = await doodles<Check>("gradient-check.mjs");
    const results = checkGradients(await compileKernels());
    expect(results).toHaveLength(12);
    for (const { title, worst } of results) expect(worst, title).toBeLessThan(0.02);
  });
});

describe("the doodle model", async () => {
  const { CLASSES, COUNTS, synthesise } = await doodles<Synthesis>("synthesise.mjs");
  const bytes = readFileSync(new URL("model.onnx", folder));
  const model = onnxProto.onnx.ModelProto.decode(bytes);
  const graph = model.graph!;

  it("is a few hundred kilobytes", () => {
    expect(bytes.length).toBeGreaterThan(300_000);
    expect(bytes.length).toBeLessThan(600_000);
  });

  it("says what it takes, what it gives and who made it", () => {
    const dims = (value: onnxProto.onnx.IValueInfoProto | undefined) =>
      value?.type?.tensorType?.shape?.dim?.map((dim) => dim.dimParam || Number(dim.dimValue));
    expect(graph.input!.map((value) => value.name)).toEqual(["image"]);
    expect(dims(graph.input![0])).toEqual(["N", 3, 32, 32]);
    expect(graph.output!.map((value) => value.name)).toEqual(["probabilities"]);
    expect(dims(graph.output![0])).toEqual(["N", CLASSES.length]);
    expect([Number(model.irVersion), Number(model.opsetImport![0]!.version), model.producerName]).toEqual([8, 17, "eqm-example"]);
    expect(graph.node!.every((node) => node.name !== "")).toBe(true);
  });

  it("leaves BatchNorm, activations and the residual sums for the compiler to fold", () => {
    const counts = new Map<string, number>();
    for (const node of graph.node!) counts.set(node.opType!, (counts.get(node.opType!) ?? 0) + 1);
    expect(Object.fromEntries([...counts].sort())).toEqual({
      Add: 3,
      BatchNormalization: 15,
      Clip: 7,
      Conv: 15,
      Flatten: 1,
      Gemm: 1,
      GlobalAveragePool: 1,
      Relu: 6,
      Softmax: 1,
    });
  });

  it("lies beside labels in the order of its outputs", () => {
    expect(readFileSync(new URL("labels.txt", folder), "utf8").trim().split("\n")).toEqual(CLASSES);
  });

  it("names the share of the held-out images that its README states", async () => {
    const stated = Number(/accuracy in float32 \| ([\d.]+) %/.exec(readFileSync(new URL("README.md", folder), "utf8"))?.[1]);
    const spec = JSON.parse(readFileSync(new URL("preprocess.json", folder), "utf8"));
    const compiled = await compile(new Uint8Array(bytes), { precision: "float32" });
    const recogniser = await load(compiled.bytes);
    const { images, labels } = synthesise("evaluation", 0, COUNTS.evaluation);
    const image = new Float32Array(IMAGE_BYTES);
    let right = 0;
    for (let n = 0; n < labels.length; n++) {
      for (let i = 0; i < IMAGE_BYTES; i++) {
        const c = i % 3;
        image[c * 1024 + (i - c) / 3] = (images[n * IMAGE_BYTES + i]! * spec.scale - spec.mean[c]) / spec.std[c];
      }
      const probabilities = [...(recogniser.run({ image })["probabilities"] as Float32Array)];
      if (probabilities.indexOf(Math.max(...probabilities)) === labels[n]) right += 1;
    }
    recogniser.dispose();
    // Another order of summation may turn a picture that lies between two classes.
    expect(Math.abs((100 * right) / labels.length - stated)).toBeLessThan(0.2);
    expect(stated).toBeGreaterThan(85);
    expect(stated).toBeLessThan(97);
  });
});
