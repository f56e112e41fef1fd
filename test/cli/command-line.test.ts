/** The built command line, from the outside: its results, as JSON and as files. */
import { copyFileSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { decodeNpy, encodeNpy } from "../../compiler/cli/data/npy.ts";
import { decodeNpz, encodeNpz } from "../../compiler/cli/data/npz.ts";
import { model, node, value } from "../support/onnx-model.ts";
import { COUNT, createCompiledScratch, PICTURE, type Scratch, SPEC, samples } from "./scratch.ts";

let scratch: Scratch;

beforeAll(() => {
  scratch = createCompiledScratch();
});

afterAll(() => scratch.remove());

describe("results", () => {
  it("compiles to int8, with the report as JSON", () => {
    const report = scratch.json(
      "compile",
      "m.onnx",
      "-o",
      "again.eqm",
      "--calibrate",
      "x.npy",
      "--preprocess",
      "spec.json",
      "--labels",
      "names.txt",
      "--report",
      "report.json",
    );
    const bytes = readFileSync(scratch.path("again.eqm"));
    expect(report).toMatchObject({
      output: "again.eqm",
      bytes: bytes.length,
      sourceBytes: readFileSync(scratch.path("m.onnx")).length,
      warnings: [],
      precision: "int8",
      calibration: { samples: COUNT, synthetic: false },
    });
    expect(report["weightBytes"]).toBeGreaterThan(216 + 32);
    expect(bytes.equals(readFileSync(scratch.path("m.eqm")))).toBe(true);
    expect(JSON.parse(readFileSync(scratch.path("report.json"), "utf8"))).toMatchObject({ output: "again.eqm", bytes: bytes.length });
  });

  it("compiles without data, and says so", () => {
    const { status, stderr } = scratch.eqm("compile", "m.onnx", "-o", "synthetic.eqm");
    expect(status).toBe(0);
    expect(stderr).toMatch(/^eqm: warning: .*synthesised/);
  });

  it("writes float32, and quantized ONNX that it reads again", () => {
    expect(scratch.json("compile", "m.onnx", "-o", "f.eqm", "--precision", "float32")).toMatchObject({
      precision: "float32",
      calibration: null,
    });
    expect(scratch.json("compile", "m.onnx", "-o", "q.onnx", "--calibrate", "x.npy")).toMatchObject({ output: "q.onnx" });
    expect(scratch.json("inspect", "q.onnx")).toMatchObject({ supported: true, ops: { DequantizeLinear: expect.any(Number) as number } });
    const { outputs } = scratch.json("compare", "q.onnx", "m.eqm", "--data", "x.npy") as {
      readonly outputs: readonly { readonly sqnrDb: number }[];
    };
    expect(outputs[0]?.sqnrDb).toBeGreaterThan(30);
  });

  it("evaluates what run gives for each sample, whatever the batch", () => {
    let correct = 0;
    for (let i = 0; i < COUNT; i++) {
      const { data } = decodeNpy(readFileSync(scratch.path("x.npy")), "x");
      scratch.write("one.npy", encodeNpy("f4", [1, 3, 8, 8], (data as Float32Array).slice(i * 192, (i + 1) * 192)));
      const { outputs } = scratch.json("run", "m.onnx", "--input", "image=one.npy", "--top", "1") as {
        readonly outputs: readonly { readonly top: readonly { readonly class: number }[] }[];
      };
      if (outputs[0]?.top[0]?.class === i % 4) correct++;
    }
    const expected = { metric: "top1", value: correct / COUNT, samples: COUNT, correct };
    expect(scratch.json("eval", "m.onnx", "--data", "x.npy", "--labels", "y.npy")).toMatchObject(expected);
    expect(scratch.json("eval", "m.onnx", "--data", "x.npy", "--labels", "y.npy", "--shape", "N=5")).toMatchObject(expected);
    expect(scratch.json("eval", "m.onnx", "--data", "x.npy", "--labels", "y.npy", "--metric", "top5", "--threads", "2")).toMatchObject({
      metric: "top5",
      value: 1,
    });
  });

  it("takes a .npz by input name, float64 and Fortran order included", () => {
    const { data } = decodeNpy(samples(COUNT), "x");
    scratch.write(
      "x.npz",
      encodeNpz([
        { name: "image", type: "f8", shape: [COUNT, 3, 8, 8], data: Float64Array.from(data as Float32Array) },
        { name: "other", type: "u1", shape: [COUNT], data: new Uint8Array(COUNT) },
      ]),
    );
    const plain = scratch.json("eval", "m.eqm", "--data", "x.npy", "--labels", "y.npy");
    expect(scratch.json("eval", "m.eqm", "--data", "x.npz", "--labels", "y.npy")).toMatchObject({
      value: plain["value"],
      correct: plain["correct"],
    });
  });

  it("compares output by output, with a limit for equal ones", () => {
    expect(scratch.json("compare", "m.onnx", "m.onnx", "--data", "x.npy")).toEqual({
      outputs: [{ name: "scores", sqnrDb: 300, maxAbs: 0, top1Agreement: 1 }],
      samples: COUNT,
    });
    const { outputs } = scratch.json("compare", "m.onnx", "m.eqm", "--data", "x.npy") as {
      readonly outputs: readonly { readonly sqnrDb: number; readonly top1Agreement: number }[];
    };
    expect(outputs[0]?.sqnrDb).toBeGreaterThan(20);
    expect(outputs[0]?.sqnrDb).toBeLessThan(100);
    expect(outputs[0]?.top1Agreement).toBeGreaterThan(0.5);
  });

  it("runs on a picture with nothing but the .eqm, and writes .npz and .npy", () => {
    const { outputs } = scratch.json("run", "m.eqm", "--input", PICTURE, "--output", "out.npz", "--top", "2") as {
      readonly outputs: readonly {
        readonly values: readonly number[];
        readonly top: readonly { readonly class: number; readonly label: string; readonly score: number }[];
      }[];
    };
    const written = decodeNpz(readFileSync(scratch.path("out.npz")), "out.npz").get("scores");
    expect(written?.shape).toEqual([1, 4]);
    expect(Array.from((written?.data ?? []) as Float32Array)).toEqual(outputs[0]?.values);
    const [best] = outputs[0]?.top ?? [];
    expect(best?.score).toBe(Math.max(...(outputs[0]?.values ?? [])));
    expect(best?.label).toBe(["one", "two", "three", "four"][best?.class ?? -1]);
    expect(outputs[0]?.top.length).toBe(2);
    expect(scratch.eqm("run", "m.eqm", "-i", PICTURE, "--output", "out.npy").status).toBe(0);
    expect(decodeNpy(readFileSync(scratch.path("out.npy")), "out.npy").data).toEqual(written?.data);
  });

  it("takes pictures from a folder, a .csv and a uint8 array alike", () => {
    const fromFolder = scratch.json("compare", "m.onnx", "m.eqm", "--data", "pictures");
    expect(fromFolder["samples"]).toBe(2);
    expect(scratch.json("compare", "m.onnx", "m.eqm", "--data", "pictures/list.csv")).toEqual(fromFolder);
    expect(scratch.json("eval", "m.eqm", "--data", "pictures/list.csv")).toMatchObject({ samples: 2 });
    scratch.write("labels.csv", "file,label\nb.jpg,2\na.jpg,1\n");
    expect(scratch.json("eval", "m.eqm", "--data", "pictures", "--labels", "labels.csv")["value"]).toBe(
      scratch.json("eval", "m.eqm", "--data", "pictures/list.csv")["value"],
    );
    scratch.write(
      "grey.npy",
      encodeNpy(
        "u1",
        [3, 5, 4],
        Uint8Array.from({ length: 60 }, (_, i) => i),
      ),
    );
    expect(scratch.json("compare", "m.onnx", "m.eqm", "--data", "grey.npy")).toMatchObject({ samples: 3 });
  });

  it("uses MODEL.preprocess.json beside the model, and says so", () => {
    copyFileSync(scratch.path("m.onnx"), scratch.path("beside.onnx"));
    scratch.write("beside.preprocess.json", JSON.stringify(SPEC));
    const { status, stderr } = scratch.eqm("compile", "beside.onnx", "-o", "beside.eqm", "--calibrate", "pictures");
    expect({ status, stderr }).toEqual({ status: 0, stderr: "eqm: preprocessing as beside.preprocess.json says.\n" });
    expect(scratch.json("inspect", "beside.eqm")).toMatchObject({ preprocess: SPEC });
  });

  it("inspects both kinds of model", () => {
    expect(scratch.json("inspect", "m.onnx")).toMatchObject({
      kind: "onnx",
      supported: true,
      unsupported: [],
      ops: { Conv: 1, Gemm: 1 },
      macs: 8 * 27 * 64 + 32,
      inputs: [{ name: "image", dtype: "float32", shape: [1, 3, 8, 8] }],
    });
    expect(scratch.json("inspect", "m.eqm")).toMatchObject({
      kind: "eqm",
      supported: true,
      labels: ["one", "two", "three", "four"],
      outputs: [{ name: "scores", shape: [1, 4] }],
      steps: expect.arrayContaining([
        expect.objectContaining({ kernel: "CONV_I8", weights: { bits: 8, fileBytes: expect.any(Number) as number } }),
      ]) as unknown,
    });
  });

  it("lists every unsupported op at once, and that is no failure of inspect", () => {
    scratch.write(
      "odd.onnx",
      model({ nodes: [node("Unique", ["x"], ["a"], {}, { name: "first" }), node("StringSplit", ["a"], ["y"], {}, { name: "second" })] }),
    );
    const { unsupported, supported } = scratch.json("inspect", "odd.onnx") as {
      readonly supported: boolean;
      readonly unsupported: readonly { readonly node: string; readonly op: string }[];
    };
    expect(supported).toBe(false);
    expect(unsupported.map((row) => [row.node, row.op])).toEqual([
      ["first", "Unique"],
      ["second", "StringSplit"],
    ]);
    const { status, stderr } = scratch.eqm("compile", "odd.onnx", "-o", "odd.eqm");
    expect(status).toBe(1);
    expect(stderr).toContain('Unique "first"');
    expect(stderr).toContain('StringSplit "second"');
  });

  it("lists what is wrong with shapes and operands beside what is unsupported", () => {
    const nodes = [
      node("Unique", ["x"], ["a"], {}, { name: "unknown" }),
      node("Reshape", ["x", "n"], ["b"], {}, { name: "computed" }),
      node("MatMul", ["x", "x"], ["c"], {}, { name: "unfitting" }),
      node("Relu", ["c"], ["d"], {}, { name: "behind" }),
    ];
    scratch.write("wrong.onnx", model({ nodes, inputs: [value("x", [1, 4]), value("n", [2], 7)], outputs: ["a", "b", "d"] }));
    const { unsupported } = scratch.json("inspect", "wrong.onnx") as {
      readonly unsupported: readonly { readonly node: string; readonly op: string; readonly code?: string }[];
    };
    expect(unsupported.map(({ node, op, code }) => [node, op, code])).toEqual([
      ["unknown", "Unique", undefined],
      ["computed", "Reshape", "not-constant"],
      ["unfitting", "MatMul", "bad-operands"],
    ]);
    const { status, stderr } = scratch.eqm("compile", "wrong.onnx", "-o", "wrong.eqm");
    expect(status).toBe(1);
    for (const name of ["unknown", "computed", "unfitting"]) expect(stderr).toContain(`"${name}"`);
  });

  it("lists dimensions without a size beside what is unsupported", () => {
    const nodes = [node("Unique", ["x"], ["a"], {}, { name: "unknown" })];
    scratch.write("open.onnx", model({ nodes, inputs: [value("x", [1, "seq"])], outputs: ["a"] }));
    const { unsupported } = scratch.json("inspect", "open.onnx") as { readonly unsupported: readonly { readonly reason: string }[] };
    expect(unsupported.map(({ reason }) => reason)).toEqual([
      "the operator is not supported",
      "axis 1 (seq) has no size; give it with --shape seq=N",
    ]);
  });

  it("measures latency and the steps", () => {
    const result = scratch.json("bench", "m.eqm", "--profile") as {
      readonly warmMs: { readonly median: number; readonly min: number };
      readonly coldMs: number;
      readonly loadMs: number;
      readonly loadStagesMs: Readonly<Record<string, number>>;
      readonly features: unknown;
      readonly steps: readonly unknown[];
    };
    expect(result.warmMs.min).toBeGreaterThan(0);
    expect(result.warmMs.median).toBeGreaterThanOrEqual(result.warmMs.min);
    expect(result.coldMs).toBeGreaterThan(result.warmMs.min);
    expect(Object.keys(result.loadStagesMs)).toEqual(["open", "check", "pack"]);
    const stages = Object.values(result.loadStagesMs).reduce((a, b) => a + b, 0);
    expect(stages).toBeGreaterThan(0);
    expect(stages).toBeLessThanOrEqual(result.loadMs);
    expect(result.features).toMatchObject({ threads: 1 });
    expect(result.steps.length).toBe((scratch.json("inspect", "m.eqm")["steps"] as readonly unknown[]).length);
  });

  it("verifies hashes and the golden vector", () => {
    expect(scratch.json("verify", "m.eqm")).toMatchObject({ ok: true, hashes: true, golden: { holds: true } });
    const damaged = readFileSync(scratch.path("m.eqm"));
    damaged[damaged.length >> 1] = (damaged[damaged.length >> 1] as number) ^ 1;
    scratch.write("damaged.eqm", damaged);
    expect(scratch.eqm("verify", "damaged.eqm").status).toBe(3);
    expect(scratch.json("verify", "damaged.eqm")).toMatchObject({ ok: false, hashes: false });
  });

  it("prints tables for people, and the same twice", () => {
    const first = scratch.eqm("inspect", "m.onnx");
    expect(first.stdout).toMatch(/^step {2}kernel +weights +op +nodes$/m);
    expect(scratch.eqm("inspect", "m.onnx")).toEqual(first);
    expect(scratch.eqm("compare", "m.onnx", "m.eqm", "--data", "x.npy").stdout).toMatch(/^output +SQNR dB +max error +same top class$/m);
  });

  it("is also `compile`", () => {
    const source = readFileSync(fileURLToPath(new URL("../../dist/compile.js", import.meta.url)), "utf8");
    expect(source).toBe('#!/usr/bin/env node\nprocess.argv.splice(2, 0, "compile");\nawait import("./cli.js");\n');
  });
});
