/**
 * Trains the doodle classifier from nothing on freshly synthesised images and writes model.onnx and labels.txt.
 *
 *     node train.mjs             the model of this folder
 *     node train.mjs --check     compares all gradients with finite differences instead
 *     node train.mjs --steps N --output FOLDER
 *
 * Every image of the training is new: step s takes images s · BATCH … of the training split. The validation split is watched on
 * the way; the evaluation split is looked at once, after the last step.
 */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { architecture } from "./architecture.mjs";
import { SIZE } from "./camera.mjs";
import { checkGradients } from "./gradient-check.mjs";
import { compileKernels, createNetwork, softmax } from "./network.mjs";
import { onnxFile } from "./onnx-file.mjs";
import { cosTurns, randomStream } from "./random.mjs";
import { CLASSES, COUNTS, synthesise } from "./synthesise.mjs";

/** @typedef {ReturnType<typeof createNetwork>} Network */

const BATCH = 96;
const PEAK_RATE = 1e-2;
const WEIGHT_DECAY = 0.02;
const WARM_UP = 0.05;

/** What the file beside this one tells the users of the model. */
const PREPROCESS = JSON.parse(readFileSync(new URL("preprocess.json", import.meta.url), "utf8"));

/** @param {Network} network @param {Uint8Array} images */
function setImages(network, images) {
  const { scale, mean, std } = PREPROCESS;
  const target = network.floats(network.image.value, images.length);
  for (let i = 0; i < images.length; i++) target[i] = (images[i] * scale - mean[i % 3]) / std[i % 3];
}

/**
 * Sets the images of a step and learns from them.
 *
 * @param {Network} network @param {number} step @param {number} steps
 * @returns {number} mean cross entropy of the batch in nats
 */
function learn(network, step, steps) {
  const { images, labels } = synthesise("training", step * BATCH, BATCH);
  setImages(network, images);
  network.forward(true);
  const upstream = new Float32Array(BATCH * CLASSES.length);
  let loss = 0;
  for (let n = 0; n < BATCH; n++) {
    const probabilities = softmax(network.floats(network.output.value + 4 * n * CLASSES.length, CLASSES.length));
    loss -= Math.log(probabilities[labels[n]]) / BATCH;
    for (let k = 0; k < CLASSES.length; k++) upstream[n * CLASSES.length + k] = (probabilities[k] - (k === labels[n] ? 1 : 0)) / BATCH;
  }
  network.backward(upstream);
  const done = step / steps;
  const rate = done < WARM_UP ? done / WARM_UP : 0.5 + 0.5 * cosTurns((0.5 * (done - WARM_UP)) / (1 - WARM_UP));
  network.step(PEAK_RATE * rate, WEIGHT_DECAY);
  return loss;
}

/**
 * The share of `count` images of a split that the network names right.
 *
 * @param {Network} network @param {"validation" | "evaluation"} split @param {number} count
 */
function accuracy(network, split, count) {
  let right = 0;
  for (let first = 0; first < count; first += BATCH) {
    const { images, labels } = synthesise(split, first, BATCH);
    setImages(network, images);
    network.forward(false);
    for (let n = 0; n < Math.min(BATCH, count - first); n++) {
      const logits = network.floats(network.output.value + 4 * n * CLASSES.length, CLASSES.length);
      const best = logits.indexOf(logits.reduce((a, b) => Math.max(a, b)));
      if (best === labels[n]) right += 1;
    }
  }
  return right / count;
}

/** @param {number} steps @param {string} folder */
async function train(steps, folder) {
  const start = performance.now();
  const network = createNetwork(await compileKernels(), architecture(CLASSES.length), [SIZE, SIZE, 3], BATCH, randomStream(7, 0));
  const size = network.parameters.reduce((sum, one) => sum + one.count, 0);
  console.log(`${size} parameters, ${steps} steps of ${BATCH} images`);
  let loss = Math.log(CLASSES.length);
  for (let step = 0; step < steps; step++) {
    loss += 0.02 * (learn(network, step, steps) - loss);
    if ((step + 1) % 200 !== 0) continue;
    const seconds = Math.round((performance.now() - start) / 1000);
    const percent = (100 * accuracy(network, "validation", 960)).toFixed(1);
    console.log(`step ${step + 1}  loss ${loss.toFixed(3)}  validation ${percent} %  ${seconds} s`);
  }
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "model.onnx"), onnxFile(network, CLASSES));
  writeFileSync(join(folder, "labels.txt"), `${CLASSES.join("\n")}\n`);
  console.log(`evaluation ${(100 * accuracy(network, "evaluation", COUNTS.evaluation)).toFixed(2)} % of ${COUNTS.evaluation} images`);
}

const { values } = parseArgs({
  options: {
    check: { type: "boolean" },
    steps: { type: "string", default: "4000" },
    output: { type: "string", default: fileURLToPath(new URL(".", import.meta.url)) },
  },
});
if (values.check) {
  for (const { title, worst, compared } of checkGradients(await compileKernels())) {
    console.log(`${title.padEnd(28)}${String(compared).padStart(7)} gradients, off by ${worst.toExponential(1)} at most`);
  }
} else {
  const steps = Number(values.steps);
  if (!Number.isInteger(steps) || steps < 1) throw new RangeError(`--steps ${values.steps}: a positive integer is needed`);
  await train(steps, values.output);
}
