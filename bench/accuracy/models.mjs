/** The models whose accuracy is measured: their data below the shared assets, and the least that int8 shall reach. */
import { existsSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

/** The project's folder. */
export const ROOT = fileURLToPath(new URL("../..", import.meta.url));

/** Where models/ and data/ lie: $EQM_ASSETS, or `shared` beside the project. */
export const ASSETS = resolve(process.env.EQM_ASSETS ?? join(ROOT, "../shared"));

/**
 * @typedef {object} AccuracyModel
 * @property {string} name of the .onnx below models/
 * @property {string} data what it is measured on, in words
 * @property {string} calibrate calibration samples; below data/, or below `folder` where they are made
 * @property {string} evaluate evaluation samples, likewise
 * @property {string} [labels] right classes: with them top-1 is measured
 * @property {number} [bar] the least top-1 in int8
 * @property {number} [mostLoss] the most that int8 may lose of the figure against float
 * @property {boolean} [lessIsBetter] the figure counts what is bad
 * @property {number} [leastF1] the least F1 of int8's faces against those of float
 * @property {number} [leastSqnrDb] the least SQNR of every output, with four fifths of the multiply-accumulates in int8
 * @property {string} [make] the function of make-data.mjs or make-sequences.mjs that writes what the shared data lack into build/accuracy/<name>
 * @property {string} [task] a figure of merit of tasks.mjs
 * @property {string} [taskKey] its key in MANIFEST.json's measured_fp32
 * @property {number} [taskTolerance] how far it may be from that figure in float
 * @property {readonly string[]} [shapes] values of --shape
 * @property {boolean} [classifies] the output is a list of classes although there are no labels
 * @property {boolean} [extra] measured although nobody asked for it
 */

const IMAGENET = { data: "imagenet", calibrate: "imagenet/calib.csv", evaluate: "imagenet/eval.csv", labels: "imagenet/eval.csv" };
const CIFAR = { data: "cifar10", calibrate: "cifar10/calib_x.npy", evaluate: "cifar10/eval_x.npy", labels: "cifar10/eval_y.npy" };
const COCO = { data: "coco images", calibrate: "coco/calib.csv", evaluate: "coco/eval.csv" };
const MADE = { calibrate: "calib.npy", evaluate: "eval.npy" };
const SEQUENCES = { calibrate: "calib.npz", evaluate: "eval.npz" };
const SOUND = "generated sound (the recordings may not be passed on)";
const FACES = { task: "facesFound", taskKey: "images_with_a_face_over_0.7", taskTolerance: 1, leastF1: 0.9 };

/** @type {readonly AccuracyModel[]} */
export const MODELS = [
  { name: "resnet8_cifar10", ...CIFAR, bar: 0.869 },
  { name: "resnet56_cifar10", ...CIFAR, bar: 0.94 },
  {
    name: "kws_dscnn",
    data: "kws",
    calibrate: "kws/calib_x.npy",
    evaluate: "kws/eval_x.npy",
    labels: "kws/eval_y.npy",
    bar: 0.91,
  },
  { name: "mobilenetv1_075_224", ...IMAGENET, bar: 0.84 },
  { name: "mobilenetv2_100_deq", ...IMAGENET, evaluate: "imagenet/eval_1001.csv", labels: "imagenet/eval_1001.csv", bar: 0.88 },
  { name: "squeezenet11", ...IMAGENET, bar: 0.645 },
  { name: "tiny_darknet", ...IMAGENET, bar: 0.68 },
  {
    name: "mnist_cntk",
    data: "mnist",
    calibrate: "mnist/calib_x.npy",
    evaluate: "mnist/eval_x.npy",
    labels: "mnist/eval_y.npy",
    bar: 0.983,
  },
  {
    name: "espcn_x3",
    data: "imagenet, luma reduced to 74×74",
    ...MADE,
    make: "superResolution",
    shapes: ["H=74", "W=74"],
    task: "psnr",
    taskKey: "psnr_db",
    taskTolerance: 0.02,
    mostLoss: 0.15,
  },
  { name: "toyadmos_ae", data: "generated spectra (the labelled clips may not be passed on)", ...MADE, make: "spectra" },
  { name: "vww_mobilenetv1_025", ...COCO, data: "coco images (the labelled set may not be passed on)", classifies: true },
  { name: "yunet_n_320", ...COCO, ...FACES },
  { name: "ultraface_rfb320", ...COCO, ...FACES },
  { name: "yolox_nano", ...COCO, task: "averagePrecision", taskKey: "ap", taskTolerance: 0.002, mostLoss: 0.01 },
  {
    name: "kwt1",
    data: "speech_commands",
    calibrate: "speech_commands/calib_x.npy",
    evaluate: "speech_commands/eval_x.npy",
    labels: "speech_commands/eval_y.npy",
    mostLoss: 0.007,
  },
  {
    name: "sinet_portrait",
    ...COCO,
    make: "portraitSpec",
    task: "personOverlap",
    taskKey: "person_iou",
    taskTolerance: 0.005,
    mostLoss: 0.02,
  },
  {
    name: "charrnn_bronte",
    data: "text_charlotte_bronte, a token a run",
    ...SEQUENCES,
    make: "tokens",
    shapes: ["T=1", "N=1"],
    task: "bitsPerToken",
    taskKey: "bits_per_token",
    taskTolerance: 0.001,
    mostLoss: 0.02,
    lessIsBetter: true,
  },
  { name: "silero_vad_16k", data: SOUND, ...SEQUENCES, make: "windows", leastSqnrDb: 20 },
  { name: "dtln_1", data: SOUND, ...SEQUENCES, make: "magnitudes", leastSqnrDb: 20 },
  { name: "dtln_2", data: SOUND, ...SEQUENCES, make: "frames", leastSqnrDb: 20 },
];

/** Whether the shared models are there. */
export const isPresent = existsSync(join(ASSETS, "models/MANIFEST.json"));

/** Figures of the float model by model name, as MANIFEST.json has them. @returns {Record<string, Record<string, number>>} */
export function publishedFigures() {
  const { models } = JSON.parse(readFileSync(join(ASSETS, "models/MANIFEST.json"), "utf8"));
  return Object.fromEntries(models.map(({ name, measured_fp32 }) => [name, measured_fp32]));
}

/**
 * The paths that a model's measurement works with.
 *
 * @param {AccuracyModel} model
 */
export function pathsOf({ name, calibrate, evaluate, labels, make }) {
  const folder = join(ROOT, "build/accuracy", name);
  const made = join(folder, "preprocess.json");
  const beside = join(ASSETS, "models", `${name}.preprocess.json`);
  const isMade = make !== undefined && !calibrate.includes("/");
  const data = (path) => join(isMade ? folder : join(ASSETS, "data"), path);
  return {
    folder,
    onnx: join(ASSETS, "models", `${name}.onnx`),
    int8: join(folder, "int8.eqm"),
    float32: join(folder, "float32.eqm"),
    calibrate: data(calibrate),
    evaluate: data(evaluate),
    labels: labels === undefined ? undefined : data(labels),
    get preprocess() {
      return [made, beside].find(existsSync);
    },
  };
}
