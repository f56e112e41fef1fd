/** The built command line, from the outside: results, keys, exit codes, messages, and what it leaves on the disk. */
import { chmodSync, copyFileSync, existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { decodeNpy, encodeNpy } from "../../compiler/cli/data/npy.ts";
import { decodeNpz, encodeNpz } from "../../compiler/cli/data/npz.ts";
import { model, node, value } from "../support/onnx-model.ts";
import { classifier, createScratch, type Scratch, samples } from "./scratch.ts";

const COUNT = 12;
const PICTURE = fileURLToPath(new URL("./fixtures/jpeg/420.jpg", import.meta.url));
const SPEC = { channels: "RGB", layout: "NCHW", resize: [8, 8], scale: 0.01, mean: 1 };
let scratch: Scratch;

beforeAll(() => {
  scratch = createScratch();
  scratch.write("m.onnx", classifier());
  scratch.write("x.npy", samples(COUNT));
  scratch.write(
    "y.npy",
    encodeNpy(
      "i4",
      [COUNT],
      Int32Array.from({ length: COUNT }, (_, i) => i % 4),
    ),
  );
  scratch.write("spec.json", JSON.stringify(SPEC));
  scratch.write("names.txt", "one\ntwo\nthree\nfour\n");
  mkdirSync(scratch.path("pictures"));
  for (const name of ["b.jpg", "a.jpg"]) copyFileSync(PICTURE, scratch.path(`pictures/${name}`));
  scratch.write("pictures/list.csv", "file,label\na.jpg,1\nb.jpg,2\n");
  expect(
    scratch.eqm("compile", "m.onnx", "-o", "m.eqm", "--calibrate", "x.npy", "--preprocess", "spec.json", "--labels", "names.txt"),
  ).toMatchObject({ status: 0, stderr: "" });
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

  it("measures latency and the steps", () => {
    const result = scratch.json("bench", "m.eqm", "--profile") as {
      readonly warmMs: { readonly median: number; readonly min: number };
      readonly coldMs: number;
      readonly features: unknown;
      readonly steps: readonly unknown[];
    };
    expect(result.warmMs.min).toBeGreaterThan(0);
    expect(result.warmMs.median).toBeGreaterThanOrEqual(result.warmMs.min);
    expect(result.coldMs).toBeGreaterThan(result.warmMs.min);
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

describe("wrong usage: exit code 2, before any work", () => {
  it.each([
    [["compile", "m.onnx"], "required option '-o, --output <FILE>' not specified"],
    [["compile", "-o", "n.eqm"], "missing required argument 'model.onnx'"],
    [["compile", "nothing.onnx", "-o", "n.eqm", "--precision", "int9"], "--precision int9: it must be int8 or float32."],
    [["compile", "nothing.onnx", "-o", "n.eqm", "--precision", "mixed"], "--precision mixed is not in this version of eqm."],
    [["compile", "nothing.onnx", "-o", "n.eqm", "--prune", "0.5"], "--prune is not in this version of eqm."],
    [["compile", "nothing.onnx", "-o", "n.eqm", "--target-size", "1000"], "--target-size is not in this version of eqm."],
    [["compile", "nothing.onnx", "-o", "n.eqm", "--weights", "auto"], "--weights auto is not in this version of eqm."],
    [["compile", "nothing.onnx", "-o", "n.eqm", "--weights", "5"], "--weights 5: it must be 8, 4, 3 or 2."],
    [["compile", "nothing.onnx", "-o", "n.eqm", "--observer", "best"], "--observer best: it must be mse, minmax, percentile or entropy."],
    [["compile", "nothing.onnx", "-o", "n.eqm", "--min-sqnr", "high"], "--min-sqnr high: it must be a number."],
    [["compile", "nothing.onnx", "-o", "n.eqm", "--shape", "N=1,8"], "Several plans come later"],
    [["compile", "nothing.onnx", "-o", "n.bin"], "-o n.bin: it must end in .eqm"],
    [["compile", "nothing.onnx", "-o", "n.eqm", "--report", "r.html"], "--report r.html is not in this version of eqm."],
    [["compile", "nothing.onnx", "-o", "n.onnx", "--precision", "float32"], "there is nothing to quantize"],
    [["compile", "nothing.onnx", "-o", "missing/n.eqm"], "missing/n.eqm: the folder missing does not exist."],
    [["compile", "m.onnx", "-o", "m.eqm"], "m.eqm: it exists already. Pass --force to replace it."],
    [["compile", "m.onnx", "-o", "m.onnx", "--force"], "the output would replace an input"],
    [["compile", "m.onnx", "-o", "n.eqm", "--keep-float", "nothing"], 'No node is named "nothing"'],
    [["compile", "m.onnx", "-o", "n.eqm", "--shape", "H=3"], "--shape H: the model has no such dimension."],
    [["compile", "m.onnx", "-o", "n.eqm", "--bogus"], "unknown option '--bogus'"],
    [["eval", "m.eqm"], "required option '--data <DATA>' not specified"],
    [["eval", "m.eqm", "--data", "x.npy"], "x.npy carries no labels: pass --labels"],
    [["eval", "m.eqm", "--data", "x.npy", "--metric", "iou"], "--metric iou: it must be top1 or top5."],
    [["eval", "m.eqm", "--data", "x.npy", "--threads", "65"], "--threads 65: it must be at most 64."],
    [["bench", "m.eqm", "--threads", "x"], "--threads x: it must be a whole number of at least 1."],
    [["compare", "m.eqm", "--data", "x.npy"], "missing required argument 'model'"],
    [["run", "m.eqm"], `the model's input "image" (float32 1×3×8×8) is missing: pass --input image=FILE.`],
    [["run", "m.eqm", "--input", "other=x.npy"], '--input other: m.eqm has no such input; it has "image".'],
    [["run", "m.eqm", "--input", "image=x.npy", "--output", "out.txt"], "it must end in .npz or .npy"],
    [["frobnicate"], "unknown command 'frobnicate'"],
    [["inspect", "m.eqm", "extra"], "too many arguments"],
  ])("%j", (args, message) => {
    const before = scratch.files();
    const { status, stdout, stderr } = scratch.eqm(...args);
    expect({ status, stdout }).toEqual({ status: 2, stdout: "" });
    expect(stderr).toMatch(/^eqm: /);
    expect(stderr).toContain(message);
    expect(stderr).not.toMatch(/^ {4}at /m);
    expect(scratch.files()).toEqual(before);
  });

  it("prints the help on stderr where there is no command", () => {
    const { status, stdout, stderr } = scratch.eqm();
    expect({ status, stdout }).toEqual({ status: 2, stdout: "" });
    expect(stderr).toMatch(/^Usage: eqm /);
  });
});

describe("the input's fault: exit code 1, no stack trace, nothing written", () => {
  beforeAll(() => {
    scratch.write("page.onnx", "<!DOCTYPE html><html></html>");
    scratch.write("page.eqm", "<!DOCTYPE html><html></html>");
    scratch.write("empty.onnx", "");
    scratch.write(
      "noise.onnx",
      Uint8Array.from({ length: 500 }, (_, i) => (i * 97 + 31) & 255),
    );
    const onnx = readFileSync(scratch.path("m.onnx"));
    scratch.write("cut.onnx", onnx.subarray(0, onnx.length - 100));
    const eqm = readFileSync(scratch.path("m.eqm"));
    scratch.write("cut.eqm", eqm.subarray(0, eqm.length - 100));
    scratch.write("wrong.npy", encodeNpy("f4", [2, 5, 5], new Float32Array(50)));
    scratch.write("nhwc.npy", encodeNpy("f4", [2, 8, 8, 3], new Float32Array(384)));
    scratch.write("none.npy", encodeNpy("f4", [0, 3, 8, 8], new Float32Array(0)));
    scratch.write("big.npy", encodeNpy("i4", [COUNT], new Int32Array(COUNT).fill(9)));
    scratch.write("few.npy", encodeNpy("i4", [3], new Int32Array(3)));
    scratch.write("cut.jpg", readFileSync(PICTURE).subarray(0, 300));
    scratch.write("bad-spec.json", '{"channels":"CMYK","layout":"NCHW"}');
    scratch.write("no-resize.json", '{"channels":"RGB","layout":"NCHW"}');
    mkdirSync(scratch.path("empty"));
  });

  it.each([
    [["compile", "nothing.onnx", "-o", "n.eqm"], "nothing.onnx: cannot be read: no such file."],
    [["compile", "empty", "-o", "n.eqm"], "empty: cannot be read: it is a folder."],
    [["compile", "page.onnx", "-o", "n.eqm"], "page.onnx: This is not an ONNX model but an HTML page."],
    [["compile", "empty.onnx", "-o", "n.eqm"], "empty.onnx: This is not an ONNX model but an empty file."],
    [["compile", "noise.onnx", "-o", "n.eqm"], "noise.onnx: "],
    [["compile", "cut.onnx", "-o", "n.eqm"], "cut.onnx: The .onnx is malformed"],
    [["compile", "m.eqm", "-o", "n.eqm"], "m.eqm: it is a compiled model already"],
    [["compile", "m.onnx", "-o", "n.eqm", "--calibrate", "nothing.npy"], "nothing.npy: there is no such file or folder."],
    [["compile", "m.onnx", "-o", "n.eqm", "--calibrate", "wrong.npy"], `wrong.npy: a sample is 5×5, the model's input "image" is 1×3×8×8.`],
    [["compile", "m.onnx", "-o", "n.eqm", "--calibrate", "nhwc.npy"], "The sample looks channels-last"],
    [["compile", "m.onnx", "-o", "n.eqm", "--calibrate", "none.npy"], "none.npy: it holds no samples"],
    [["compile", "m.onnx", "-o", "n.eqm", "--calibrate", "empty"], "empty: the folder holds no .jpg, .jpeg or .png."],
    [["compile", "m.onnx", "-o", "n.eqm", "--calibrate", "pictures"], "pass --preprocess spec.json"],
    [["compile", "m.onnx", "-o", "n.eqm", "--calibrate", "spec.json"], "spec.json: data is a .npy, a .npz, a folder of images, or a .csv"],
    [
      ["compile", "m.onnx", "-o", "n.eqm", "--calibrate", "pictures", "--preprocess", "no-resize.json"],
      "Check resize, crop, channels and layout",
    ],
    [
      ["compile", "m.onnx", "-o", "n.eqm", "--preprocess", "bad-spec.json"],
      'bad-spec.json: the preprocessing specification "channels" is none of RGB, BGR, L',
    ],
    [["compile", "m.onnx", "-o", "n.eqm", "--preprocess", "names.txt"], "names.txt: it is no JSON"],
    [["eval", "m.eqm", "--data", "x.npy", "--labels", "few.npy"], "few.npy has 3 labels, x.npy has 12 samples."],
    [["eval", "m.eqm", "--data", "x.npy", "--labels", "big.npy"], "sample 0 has the label 9, but the model has 4 classes, 0 to 3."],
    [["run", "page.eqm"], "page.eqm: it is not a .eqm but an HTML page."],
    [["run", "cut.eqm"], "cut.eqm: The file is cut off"],
    [["run", "m.eqm", "-i", "cut.jpg"], "cut.jpg: the JPEG is "],
    [["run", "m.eqm", "-i", "x.npy"], `x.npy: a sample is 12×3×8×8, the model's input "image" is 1×3×8×8.`],
    [["bench", "m.onnx"], "m.onnx: it is no .eqm"],
    [["verify", "page.eqm"], "page.eqm: it is not a .eqm but an HTML page."],
    [["inspect", "noise.onnx"], "noise.onnx: "],
  ])("%j", (args, message) => {
    const before = scratch.files();
    const { status, stdout, stderr } = scratch.eqm(...args);
    expect({ status, stdout, stderr }).toEqual({ status: 1, stdout: "", stderr: expect.stringContaining(message) as string });
    expect(stderr).toMatch(/^eqm: /);
    expect(stderr).not.toMatch(/^ {4}at /m);
    expect(scratch.files()).toEqual(before);
  });

  it("with --json stdout holds the error", () => {
    const { status, stdout } = scratch.eqm("run", "page.eqm", "--json");
    expect(status).toBe(1);
    expect(JSON.parse(stdout)).toMatchObject({ error: { code: "bad-file", exitCode: 1, message: expect.any(String) as string } });
  });

  it("EQM_DEBUG=1 shows where", () => {
    process.env["EQM_DEBUG"] = "1";
    expect(scratch.eqm("run", "page.eqm").stderr).toMatch(/^ {4}at /m);
    delete process.env["EQM_DEBUG"];
  });

  it("does not follow a model's external data out of its folder", () => {
    scratch.write("secret.bin", new Uint8Array(16));
    mkdirSync(scratch.path("inner"));
    symlinkSync("../secret.bin", scratch.path("inner/weights.bin"));
    const external = { name: "w", dims: [1, 4], dataType: 1, dataLocation: 1, externalData: [{ key: "location", value: "weights.bin" }] };
    writeFileSync(
      scratch.path("inner/e.onnx"),
      model({ nodes: [node("Add", ["x", "w"], ["y"])], inputs: [value("x", [1, 4])], initializers: [external] }),
    );
    const { status, stderr } = scratch.eqm("compile", "inner/e.onnx", "-o", "n.eqm");
    expect(status).toBe(1);
    expect(stderr).toContain("reached through a symbolic link");
  });
});

describe("quality and interruption", () => {
  it("exits with 3 below the floor and writes nothing, unless forced", () => {
    const args = ["compile", "m.onnx", "-o", "floor.eqm", "--calibrate", "x.npy", "--min-sqnr", "99"];
    const { status, stderr } = scratch.eqm(...args);
    expect(status).toBe(3);
    expect(stderr).toContain("the floor is 99 dB");
    expect(existsSync(scratch.path("floor.eqm"))).toBe(false);
    expect(scratch.eqm(...args, "--force").status).toBe(0);
    expect(existsSync(scratch.path("floor.eqm"))).toBe(true);
  });

  it("exits with 130 on Ctrl-C, leaves no file and keeps the old one", async () => {
    scratch.write("many.npy", samples(4000));
    scratch.write("old.eqm", "old");
    scratch.write("i.preprocess.json", JSON.stringify(SPEC));
    copyFileSync(scratch.path("m.onnx"), scratch.path("i.onnx"));
    const before = scratch.files();
    const { status, stderr } = await scratch.interrupt(
      { text: "preprocessing as" },
      "compile",
      "i.onnx",
      "-o",
      "old.eqm",
      "--force",
      "--calibrate",
      "many.npy",
    );
    expect({ status, stderr }).toEqual({
      status: 130,
      stderr: "eqm: preprocessing as i.preprocess.json says.\neqm: interrupted; nothing was written.\n",
    });
    expect(scratch.files()).toEqual(before);
    expect(readFileSync(scratch.path("old.eqm"), "utf8")).toBe("old");
  });

  it("says that a folder is read-only before any work", (context) => {
    if (process.getuid?.() === 0) context.skip("root may write anywhere");
    mkdirSync(scratch.path("locked"));
    chmodSync(scratch.path("locked"), 0o500);
    const { status, stderr } = scratch.eqm("compile", "nothing.onnx", "-o", "locked/n.eqm");
    expect({ status, stderr }).toEqual({
      status: 1,
      stderr: "eqm: locked/n.eqm: cannot be written: permission denied. Nothing was changed.\n",
    });
  });
});
