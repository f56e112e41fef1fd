/**
 * Compiles one model into every file that a contestant runs, with the built command line: int8 and float .eqm, and the int8 model as
 * QDQ ONNX for the peers. The peers thus run the very quantization that eqm runs.
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { ROOT } from "./models.mjs";

/** Kinds of model file, as contestants name them; `onnx` is the float model itself. */
const TARGETS = {
  "eqm-int8": ["model.int8.eqm", "--precision", "int8"],
  "eqm-float32": ["model.float32.eqm", "--precision", "float32"],
  qdq: ["model.qdq.onnx", "--precision", "int8"],
};

/**
 * @param {import("./models.mjs").Model} model
 * @param {string} cli path of the command line, dist/cli.js
 * @param {string} node the Node binary to run it with
 * @returns {{ files: Record<string, string>, errors: Record<string, string> }} by kind: the path, or why there is none
 */
export function compileModel(model, cli, node) {
  const files = { onnx: model.onnx };
  const errors = {};
  const folder = join(ROOT, "build/bench", model.name);
  mkdirSync(folder, { recursive: true });
  try {
    prepareCalibration(model, node);
  } catch (error) {
    for (const kind of Object.keys(TARGETS)) errors[kind] = error.message;
    return { files, errors };
  }
  for (const [kind, [file, ...precision]] of Object.entries(TARGETS)) {
    const output = join(folder, file);
    try {
      run(node, [cli, "compile", model.onnx, "-o", output, "--force", ...precision, ...inputOptions(model, kind)]);
      files[kind] = output;
    } catch (error) {
      errors[kind] = error.message;
    }
  }
  return { files, errors };
}

function prepareCalibration({ calibrate, synthesise }, node) {
  if (synthesise !== undefined && !existsSync(calibrate)) run(node, [synthesise, dirname(calibrate)]);
}

function inputOptions({ calibrate, preprocess, shapes }, kind) {
  const options = Object.entries(shapes).flatMap(([name, size]) => ["--shape", `${name}=${size}`]);
  if (calibrate === undefined || kind === "eqm-float32") return options;
  return [...options, "--calibrate", calibrate, ...(preprocess === undefined ? [] : ["--preprocess", preprocess])];
}

function run(node, args) {
  const { status, signal, error, stderr } = spawnSync(node, args, { encoding: "utf8", maxBuffer: 1 << 26 });
  if (error !== undefined) throw error;
  if (status === 0) return;
  const lines = stderr.trim().split("\n");
  const line = lines.find((text) => /error/i.test(text)) ?? lines.at(-1);
  throw new Error(`${basename(args[0])}: ${signal ?? `exit ${status}`}: ${line}`);
}
