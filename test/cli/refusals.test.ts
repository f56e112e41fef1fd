/** What the built command line refuses, from the outside: exit codes, messages, and what it leaves on the disk. */
import { chmodSync, copyFileSync, existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { encodeNpy } from "../../compiler/cli/data/npy.ts";
import { model, node, value } from "../support/onnx-model.ts";
import { COUNT, createCompiledScratch, PICTURE, type Scratch, SPEC, samples } from "./scratch.ts";

let scratch: Scratch;

beforeAll(() => {
  scratch = createCompiledScratch();
});

afterAll(() => scratch.remove());

describe("wrong usage: exit code 2, before any work", () => {
  it.each([
    [["compile", "m.onnx"], "required option '-o, --output <FILE>' not specified"],
    [["compile", "-o", "n.eqm"], "missing required argument 'model.onnx'"],
    [["compile", "nothing.onnx", "-o", "n.eqm", "--precision", "int9"], "--precision int9: it must be mixed, int8 or float32."],
    [["compile", "nothing.onnx", "-o", "n.eqm", "--target-sqnr", "high"], "--target-sqnr high: it must be a number."],
    [["compile", "nothing.onnx", "-o", "n.eqm", "--prune", "1"], "--prune 1: it must be a number above 0 and below 1."],
    [["compile", "nothing.onnx", "-o", "n.eqm", "--prune", ""], "--prune : it must be a number above 0 and below 1."],
    [["compile", "nothing.onnx", "-o", "n.eqm", "--prune", "0.5", "--pattern", "4:4"], "--pattern 4:4: it must be block,"],
    [
      ["compile", "nothing.onnx", "-o", "n.eqm", "--prune", "0.5", "--criterion", "best"],
      "--criterion best: it must be obc, wanda or magnitude.",
    ],
    [
      ["compile", "n.onnx", "-o", "n.eqm", "--calibrate", "x.npy", "--prune", "0.5", "--pattern", "channel", "--criterion", "wanda"],
      "--criterion wanda: with --pattern channel it must be obc or magnitude.",
    ],
    [["compile", "n.onnx", "-o", "n.eqm", "--prune", "0.5", "--reconstruction", "none"], "--reconstruction none: it goes with --criterion"],
    [["compile", "nothing.onnx", "-o", "n.eqm", "--prune", "0.5"], "--prune takes samples: give them with --calibrate"],
    [
      ["compile", "nothing.onnx", "-o", "n.eqm", "--prune", "0.3", "--pattern", "nm", "--criterion", "magnitude"],
      "--prune 0.3 --pattern nm: it takes 0.25, 0.5 or 0.75.",
    ],
    [["compile", "nothing.onnx", "-o", "n.eqm", "--target-latency", "2 min"], "--target-latency 2 min: it must be a time, as in 2ms"],
    [
      ["compile", "n.onnx", "-o", "n.eqm", "--prune", "0.5", "--prune-steps", "0"],
      "--prune-steps 0: it must be a whole number in 1 to 64.",
    ],
    [["compile", "n.onnx", "-o", "n.eqm", "--prune-steps", "4"], "--prune-steps without --prune: there is nothing to prune in steps."],
    [
      ["compile", "n.onnx", "-o", "n.eqm", "--prune", "0.5", "--prune-steps", "4", "--pattern", "channel"],
      "--prune-steps 4 --pattern channel: that pattern goes in one.",
    ],
    [["compile", "nothing.onnx", "-o", "n.eqm", "--target-latency", "2ms"], "searching what to prune takes samples"],
    [["compile", "nothing.onnx", "-o", "n.eqm", "--latency-table", "t.json"], "--latency-table: it belongs to --target-latency"],
    [["compile", "nothing.onnx", "-o", "n.eqm", "--target-macs", "5MB"], "--target-macs 5MB: it must be a count, as in 5M"],
    [["compile", "nothing.onnx", "-o", "n.eqm", "--target-macs", "5M"], "searching what to prune takes samples"],
    [["compile", "nothing.onnx", "-o", "n.eqm", "--target-size", "5KB", "--prune", "0.5"], "--prune beside --target-… or --max-drop"],
    [["compile", "nothing.onnx", "-o", "n.eqm", "--target-size", "30KiB"], "--target-size 30KiB: it must be a size, as in 30KB"],
    [["compile", "nothing.onnx", "-o", "n.onnx", "--target-size", "30KB"], "--target-size is for a .eqm, not for -o n.onnx."],
    [["compile", "nothing.onnx", "-o", "n.eqm", "--max-drop", "1", "--precision", "float32"], "--max-drop with --precision float32"],
    [["compile", "nothing.onnx", "-o", "n.eqm", "--max-drop", "some"], "--max-drop some: it must be a number."],
    [["compile", "m.onnx", "-o", "n.eqm", "--max-drop", "101"], "The option maxDrop is 101; it takes points from 0 to 100."],
    [["compile", "nothing.onnx", "-o", "n.eqm", "--calibration-labels", "y.npy"], "--calibration-labels: it belongs to --max-drop"],
    [["compile", "nothing.onnx", "-o", "n.eqm", "--label-offset", "1"], "--label-offset: it belongs to --max-drop"],
    [["compile", "m.onnx", "-o", "n.eqm", "--max-drop", "1", "--calibration-labels", "y.npy"], "without --calibrate"],
    [["compile", "nothing.onnx", "-o", "n.eqm", "--weights", "auto"], "--weights auto is not in this version of eqm."],
    [["compile", "nothing.onnx", "-o", "n.eqm", "--workers", "0"], "--workers 0: it must be a whole number in 1 to 64."],
    [["compile", "nothing.onnx", "-o", "n.eqm", "--workers", "two"], "--workers two: it must be a whole number in 1 to 64."],
    [["compile", "nothing.onnx", "-o", "n.eqm", "--weights", "1"], "--weights 1: it must be 8, 7, 6, 5, 4, 3 or 2."],
    [
      ["compile", "n.onnx", "-o", "n.eqm", "--weights", "4", "--group-size", "4"],
      "--group-size 4: it must be a whole number in 8 to 1024.",
    ],
    [["compile", "n.onnx", "-o", "n.eqm", "--group-size", "32"], "--group-size 32: it takes --weights 4, 3 or 2."],
    [
      ["compile", "n.onnx", "-o", "n.eqm", "--calibrate", "x.npy", "--group-size", "32", "--target-latency", "2ms"],
      "--group-size 32 beside --target-latency: weights of four bits are no faster in groups.",
    ],
    [["compile", "nothing.onnx", "-o", "n.eqm", "--observer", "best"], "--observer best: it must be mse, minmax, percentile or entropy."],
    [["compile", "nothing.onnx", "-o", "n.eqm", "--min-sqnr", "high"], "--min-sqnr high: it must be a number."],
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
