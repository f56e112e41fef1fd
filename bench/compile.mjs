/**
 * Compiles one model into every file that a contestant runs, with the built command line: int8 and float .eqm, and the int8 model as
 * QDQ ONNX for the peers, which thus run the very quantization that eqm runs; and float and int8 .tflite of the same.
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

/** Of a model that is measured with weights of four bits. */
const FEWER_BITS = { "eqm-int4": ["model.int4.eqm", "--precision", "int8", "--weights", "4"] };

/** Of a model whose file is measured with its weights as they are, too. */
const UNCODED = { "eqm-uncoded": ["model.uncoded.eqm", "--precision", "int8", "--compression", "none"] };

/** What LiteRT.js runs, made of the float model and of the QDQ model. */
const TFLITE_TARGETS = {
  "tflite-float32": ["model.float32.tflite", "onnx"],
  "tflite-int8": ["model.int8.tflite", "qdq"],
};

/** The .tflite writer knows few operators: what it does not is no failure. */
const TFLITE = join(ROOT, "bench/tflite/compile.mjs");

/**
 * @param {import("./models.mjs").Model} model
 * @param {string} cli path of the command line, dist/cli.js
 * @param {string} node the Node binary to run it with
 * @returns {{ files: Record<string, string>, errors: Record<string, string>, ports: Record<string, object> }} by kind: the path, or why
 *   there is none, and the ports of a .tflite
 */
export function compileModel(model, cli, node) {
  const files = {};
  const errors = {};
  const ports = {};
  const folder = join(ROOT, "build/bench", model.name);
  mkdirSync(folder, { recursive: true });
  const attempt = (kind, make) => {
    try {
      files[kind] = make();
    } catch (error) {
      errors[kind] = error.message;
    }
  };
  try {
    prepareCalibration(model, node);
    files.onnx = model.onnx;
  } catch (error) {
    for (const kind of ["onnx", ...Object.keys(TARGETS), ...Object.keys(TFLITE_TARGETS)]) errors[kind] = error.message;
    return { files, errors, ports };
  }
  for (const [kind, [file, ...precision]] of Object.entries({
    ...TARGETS,
    ...(model.fourBits && FEWER_BITS),
    ...(model.uncoded && UNCODED),
  })) {
    attempt(kind, () => {
      const output = join(folder, file);
      run(node, [
        cli,
        "compile",
        model.onnx,
        "-o",
        output,
        "--force",
        ...precision,

        ...inputOptions(model, kind),
      ]);
      return output;
    });
  }
  for (const [kind, [file, from]] of Object.entries(TFLITE_TARGETS)) {
    attempt(kind, () => {
      // The same network quantized by TensorFlow's own tools, where that is at hand.
      if (kind === "tflite-int8" && model.tflite !== undefined) {
        ports[kind] = model.tflite.ports;
        return model.tflite.path;
      }
      if (files[from] === undefined) throw new Error(errors[from]);
      const output = join(folder, file);
      const sizes = Object.entries(model.shapes).map(([name, size]) => `${name}=${size}`);
      const range = kind === "tflite-int8" && model.outputRange !== undefined ? [model.outputRange.join(",")] : [];
      ports[kind] = JSON.parse(
        run(node, [TFLITE, files[from], output, ...sizes, ...range])
          .trimEnd()
          .split("\n")
          .at(-1),
      );
      return output;
    });
  }
  return { files, errors, ports };
}

function prepareCalibration({ onnx, calibrate, synthesise }, node) {
  if (synthesise !== undefined && !(existsSync(calibrate) && existsSync(onnx))) run(node, [synthesise, dirname(calibrate)]);
}

function inputOptions({ calibrate, preprocess, shapes }, kind) {
  const options = Object.entries(shapes).flatMap(([name, size]) => ["--shape", `${name}=${size}`]);
  if (calibrate === undefined || kind === "eqm-float32") return options;
  return [...options, "--calibrate", calibrate, ...(preprocess === undefined ? [] : ["--preprocess", preprocess])];
}

function run(node, args) {
  const { status, signal, error, stdout, stderr } = spawnSync(node, args, { encoding: "utf8", maxBuffer: 1 << 26 });
  if (error !== undefined) throw error;
  if (status === 0) return stdout;
  const lines = stderr.trim().split("\n");
  const line = lines.find((text) => /^\w*error\b/i.test(text)) ?? lines.find((text) => /error/i.test(text)) ?? lines.at(-1);
  throw new Error(`${basename(args[0])}: ${signal ?? `exit ${status}`}: ${line}`);
}
