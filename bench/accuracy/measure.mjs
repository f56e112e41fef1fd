/** Everything that is measured of one model, with the built command line and runtime. */
import { mkdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { runCommand } from "./commands.mjs";
import * as images from "./make-data.mjs";
import * as sequences from "./make-sequences.mjs";
import { pathsOf } from "./models.mjs";
import { openPeer, peerVersion } from "./peer.mjs";
import { sources } from "./sources.mjs";
import { TASKS } from "./tasks.mjs";

/** Samples on which eqm's float results are held against onnxruntime's. */
const AGREEMENT_SAMPLES = 32;

const BELOW_FLOOR = 3;

const MAKERS = { ...images, ...sequences };

/**
 * Compiles a model in both precisions, evaluates and compares it.
 *
 * @param {import("./models.mjs").AccuracyModel} model
 * @param {string} dist folder of the built eqm
 * @param {(text: string) => void} progress
 * @returns {Promise<object>} the figures; every share is in 0..1
 * @throws {Error} where a command fails
 */
export async function measureModel(model, dist, progress) {
  const eqm = (args, accept) => runCommand(dist, args, accept);
  const { load } = await import(pathToFileURL(join(dist, "index.js")).href);
  const open = async (path) => opened(await load(readFileSync(path)));
  const paths = pathsOf(model);
  mkdirSync(paths.folder, { recursive: true });
  const shapes = (model.shapes ?? []).flatMap((shape) => ["--shape", shape]);
  const spec = () => (paths.preprocess === undefined ? [] : ["--preprocess", paths.preprocess]);
  const compileFloat = () => eqm(["compile", paths.onnx, "-o", paths.float32, "--precision", "float32", "--force", ...shapes, ...spec()]);
  if (model.make !== undefined) {
    progress("making data");
    const openFloat = () => {
      compileFloat();
      return open(paths.float32);
    };
    await MAKERS[model.make](paths.folder, { openFloat });
  }
  progress("compiling");
  const float32 = compileFloat();
  const int8 = compileInt8(eqm, [paths.onnx, "-o", paths.int8, "--calibrate", paths.calibrate, ...shapes, ...spec()], paths.int8);
  for (const file of [paths.float32, paths.int8]) eqm(["verify", file]);

  progress("evaluating");
  const data = ["--data", paths.evaluate, ...shapes, ...spec()];
  const evaluate = (file) => eqm(["eval", file, "--labels", paths.labels, ...data]).json;
  const top1 = model.labels && { float32: evaluate(paths.onnx), int8: evaluate(paths.int8) };
  const { outputs, samples } = eqm(["compare", paths.onnx, paths.int8, ...data]).json;
  progress("running");
  const task = model.task && (await runTask(model.task, paths, open));
  const faces = model.leastF1 && (await runTask("faceAgreement", paths, open));
  const agreement = peerVersion === undefined ? undefined : await agreementWithPeer(paths, open);
  return {
    name: model.name,
    data: model.data,
    samples,
    calibrationSamples: int8.json.calibration.samples,
    sourceBytes: int8.json.sourceBytes,
    int8Bytes: int8.json.bytes,
    float32Bytes: float32.json.bytes,
    compileMs: Math.round(int8.durationMs),
    memoryBytes: int8.json.memoryBytes,
    floatLayers: int8.json.layers.filter(({ precision }) => precision === "float32").length,
    layers: int8.json.layers.length,
    belowFloor: int8.belowFloor,
    calibrationSqnrDb: Math.min(...int8.json.outputs.map(({ sqnrDb }) => sqnrDb)),
    metric: metricOf(model, top1, task),
    ...(faces && { faceF1: faces.int8 }),
    int8MacsShare: macsShare(int8.json.layers),
    outputs: outputs.map(({ name, sqnrDb, maxAbs }) => ({ name, sqnrDb, maxAbs })),
    ...((model.labels !== undefined || model.classifies) && { sameClass: outputs[0].top1Agreement }),
    agreement,
  };
}

// Below the floor the model is compiled all the same: the table then says so.
function compileInt8(eqm, args, output) {
  rmSync(output, { force: true });
  const first = eqm(["compile", ...args], [0, BELOW_FLOOR]);
  if (first.status === 0) return { ...first, belowFloor: false };
  return { ...eqm(["compile", ...args, "--force"]), belowFloor: true };
}

function metricOf({ task }, top1, measured) {
  if (top1) return { name: "top-1", float32: top1.float32.value, int8: top1.int8.value, samples: top1.float32.samples };
  return measured && { name: TASKS[task].label, ...measured };
}

function opened(model) {
  const buffers = Object.fromEntries(model.outputs.map(({ name, shape }) => [name, new Float32Array(shape.reduce((a, b) => a * b, 1))]));
  return {
    model,
    inputs: model.inputs.map(({ name }) => name),
    outputs: model.outputs.map(({ name }) => name),
    /** The outputs as real numbers, in buffers that the next run overwrites. */
    run: (feeds) => model.run(feeds, { outputs: buffers }),
  };
}

async function runTask(task, paths, open) {
  const { create, evaluate } = TASKS[task];
  const data = sources.openDataset(paths.evaluate);
  const meters = {};
  const result = {};
  for (const precision of ["float32", "int8"]) {
    const { model, run } = await open(paths[precision]);
    if (evaluate) result[precision] = evaluate(run);
    else {
      const feeder = await sources.createFeeder(model.inputs, model.metadata.preprocess, data);
      meters[precision] = await create(data.files, meters.float32);
      for (let i = 0; i < data.length; i++) {
        const { feeds } = await feeder.feed(i);
        meters[precision].add(i, run(feeds));
      }
      result[precision] = meters[precision].value();
    }
    model.dispose();
  }
  data.close();
  return result;
}

function macsShare(layers) {
  const sum = (list) => list.reduce((total, { macs }) => total + macs, 0);
  return sum(layers.filter(({ precision }) => precision === "int8")) / sum(layers);
}

// The worst max|Δ| / max|reference| of each output over single samples; `own` likewise of onnxruntime against its exact sigmoids.
async function agreementWithPeer(paths, open) {
  const data = sources.openDataset(paths.evaluate);
  const { model, run } = await open(paths.float32);
  const feeder = await sources.createFeeder(model.inputs, model.metadata.preprocess, data);
  const peer = await openPeer(paths.onnx);
  const [worst, own] = [{}, {}];
  const samples = Math.min(AGREEMENT_SAMPLES, data.length);
  for (let i = 0; i < samples; i++) {
    const { feeds } = await feeder.feed(i);
    const expected = await peer.run(feeds);
    keepWorst(worst, expected.outputs, run(feeds));
    keepWorst(own, expected.outputs, expected.own);
  }
  await peer.close();
  model.dispose();
  data.close();
  return { peer: `onnxruntime-node ${peerVersion}`, samples, outputs: worst, ...(Object.keys(own).length > 0 && { peerSigmoid: own }) };
}

function keepWorst(worst, expected, got) {
  for (const [name, values] of Object.entries(got)) {
    worst[name] = Math.max(worst[name] ?? 0, relativeDifference(expected[name], values));
  }
}

function relativeDifference(expected, got) {
  if (expected?.length !== got.length) return Number.POSITIVE_INFINITY;
  let [difference, largest] = [0, 0];
  for (let i = 0; i < expected.length; i++) {
    difference = Math.max(difference, Math.abs(expected[i] - got[i]));
    largest = Math.max(largest, Math.abs(expected[i]));
  }
  return difference === 0 ? 0 : difference / largest;
}
