/**
 * Which models are measured and how each is calibrated: those of examples/ and a transformer encoder always, some of the shared assets where
 * those are there, and any other by name or path.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

/** The project's folder. */
export const ROOT = fileURLToPath(new URL("..", import.meta.url));

const ASSETS = resolve(process.env.EQM_ASSETS ?? join(ROOT, "../shared"));

/** Models that a script of this folder writes: the script, and the .onnx and the calibration data that it makes below its argument. */
const GENERATED = {
  encoder: { script: "encoder.mjs", onnx: "encoder.onnx" },
  encoder_linear: { script: "encoder-linear.mjs", onnx: "model.onnx", outputRange: [-6, 6], fourBits: true },
};

/** Measured without being asked for. */
const DEFAULTS = ["mobilenetv2_100_deq", "vww_mobilenetv1_025", "resnet8_cifar10", "kws_dscnn", "toyadmos_ae"];

/** Calibration data below the assets' data/, and the range of an input after preprocessing. */
const SHARED = {
  espcn_x3: { range: [0, 1], shapes: { H: 224, W: 224 } },
  kws_dscnn: { calibrate: "kws/calib_x.npy", range: [-42, 15] },
  mnist_cntk: { calibrate: "mnist/calib_x.npy", range: [0, 255] },
  mobilenetv1_075_224: { calibrate: "imagenet/calib.csv", range: [-1, 1] },
  mobilenetv2_100_deq: { calibrate: "imagenet/calib.csv", range: [-1, 1], uncoded: true },
  resnet56_cifar10: { calibrate: "cifar10/calib_x.npy", range: [-2, 2] },
  resnet8_cifar10: { calibrate: "cifar10/calib_x.npy", range: [0, 255] },
  squeezenet11: { calibrate: "imagenet/calib.csv", range: [-120, 135] },
  tiny_darknet: { calibrate: "imagenet/calib.csv", range: [0, 1] },
  toyadmos_ae: { range: [-80, 10] },
  ultraface_rfb320: { calibrate: "coco/calib.csv", range: [-1, 1] },
  vww_mobilenetv1_025: { calibrate: "coco/calib.csv", range: [0, 1], uncoded: true },
  yolox_nano: { calibrate: "coco/calib.csv", range: [0, 255] },
  yunet_n_320: { calibrate: "coco/calib.csv", range: [0, 255] },
};

/**
 * @typedef {object} Model
 * @property {string} name
 * @property {string} onnx path of the float model
 * @property {string} [calibrate] path of calibration data
 * @property {string} [synthesise] script that writes that data, given its folder; for a generated model the .onnx too
 * @property {string} [preprocess] path of a preprocessing spec
 * @property {readonly [number, number]} range lowest and highest value of the benchmark's inputs
 * @property {Readonly<Record<string, number>>} shapes symbolic dimensions to bind; any other is 1
 * @property {boolean} [fourBits] also measured with weights of four bits
 * @property {boolean} [uncoded] loading is also measured with weights that are not entropy coded
 * @property {readonly [number, number]} [outputRange] of the output, where a peer has to quantize it
 * @property {{ path: string, ports: object }} [tflite] the same network quantized by another toolchain, with its inputs and outputs
 */

/**
 * The models to measure.
 *
 * @param {readonly string[] | undefined} wanted names or paths of .onnx files; undefined for the default list
 * @returns {Model[]}
 * @throws {Error} when a wanted model is not there
 */
export function listModels(wanted) {
  const examples = listExamples();
  const generated = Object.keys(GENERATED).map(generatedModel);
  if (wanted === undefined) return [...examples, ...DEFAULTS.map(sharedModel).filter(({ onnx }) => existsSync(onnx)), ...generated];
  const known = [...examples, ...generated];
  return wanted.map((name) => {
    const found = known.find((model) => model.name === name) ?? (name.endsWith(".onnx") ? anyModel(name) : sharedModel(name));
    if (!generated.includes(found) && !existsSync(found.onnx))
      throw new Error(`model ${name}: neither in examples/ nor among the shared models nor a path`);
    return found;
  });
}

function listExamples() {
  const folder = join(ROOT, "examples");
  const names = existsSync(folder) ? readdirSync(folder).sort() : [];
  return names
    .filter((name) => existsSync(join(folder, name, "model.onnx")))
    .map((name) => {
      const synthesise = optional(join(folder, name, "synthesise.mjs"));
      return {
        name,
        onnx: join(folder, name, "model.onnx"),
        synthesise,
        calibrate: synthesise && join(ROOT, "build", name, "calib_x.npy"),
        preprocess: optional(join(folder, name, "preprocess.json")),
        range: [-1, 1],
        shapes: {},
      };
    });
}

function generatedModel(name) {
  const { script, onnx, outputRange, fourBits } = GENERATED[name];
  const folder = join(ROOT, "build", name);
  return {
    name,
    onnx: join(folder, onnx),
    synthesise: join(ROOT, "bench", script),
    calibrate: join(folder, "calib_x.npy"),
    range: [-1, 1],
    shapes: {},
    outputRange,
    fourBits,
  };
}

function sharedModel(name) {
  const { calibrate, range = [-1, 1], shapes = {}, uncoded } = SHARED[name] ?? {};
  return {
    name,
    onnx: join(ASSETS, "models", `${name}.onnx`),
    calibrate: calibrate && join(ASSETS, "data", calibrate),
    preprocess: optional(join(ASSETS, "models", `${name}.preprocess.json`)),
    range,
    shapes,
    uncoded,
    tflite: peerOf(name),
  };
}

function peerOf(wanted) {
  const manifest = join(ASSETS, "models/MANIFEST.json");
  if (!existsSync(manifest)) return undefined;
  const { peer, outputs } = JSON.parse(readFileSync(manifest, "utf8")).models.find(({ name }) => name === wanted) ?? {};
  if (peer === undefined || !existsSync(join(ASSETS, "models", peer.file))) return undefined;
  // Its outputs under the names that they have in the .onnx.
  const named = peer.outputs.map((port, at) => ({ ...port, name: outputs[at].name }));
  return { path: join(ASSETS, "models", peer.file), ports: { inputs: peer.inputs, outputs: named } };
}

function anyModel(path) {
  return {
    name: basename(path, ".onnx"),
    onnx: resolve(path),
    preprocess: optional(resolve(path.replace(/\.onnx$/, ".preprocess.json"))),
    range: [-1, 1],
    shapes: {},
  };
}

function optional(path) {
  return existsSync(path) ? path : undefined;
}
