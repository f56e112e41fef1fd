/**
 * Compares every gradient of network.mjs with central finite differences: each kind of layer by itself over awkward sizes, then
 * the whole network along its own gradient.
 */
import { architecture } from "./architecture.mjs";
import { createNetwork } from "./network.mjs";
import { randomStream } from "./random.mjs";

/** @typedef {import("./architecture.mjs").Layer} Layer */
/** @typedef {import("./network.mjs").Shape} Shape */

const BATCH = 3;
const STEP = 1 / 64;
// Sums of at most a few hundred float32 products of order 1, divided by 2 · STEP.
const TOLERANCE = 2e-3;

/** Doubles the image, so that what follows is asked for the gradient of its input. @type {Layer} */
const doubled = { kind: "add", name: "x", inputs: ["image", "image"] };

/** @type {readonly (readonly [title: string, shape: Shape, layers: readonly Layer[]])[]} */
const CASES = [
  ["convolution 1×1", [5, 7, 4], [{ kind: "convolution", name: "y", inputs: ["image"], window: 1, channels: 12 }]],
  ["convolution 3×3", [5, 7, 3], [doubled, { kind: "convolution", name: "y", inputs: ["x"], window: 3, channels: 8, stride: 1 }]],
  ["convolution 3×3, stride 2", [6, 7, 5], [doubled, { kind: "convolution", name: "y", inputs: ["x"], window: 3, channels: 4, stride: 2 }]],
  ["depthwise", [5, 7, 8], [{ kind: "depthwise", name: "y", inputs: ["image"], stride: 1 }]],
  ["depthwise, stride 2", [6, 5, 4], [{ kind: "depthwise", name: "y", inputs: ["image"], stride: 2 }]],
  ["batchNorm", [3, 5, 4], [{ kind: "batchNorm", name: "y", inputs: ["image"] }]],
  ["clamp to [0, ∞]", [3, 5, 4], [doubled, { kind: "clamp", name: "y", inputs: ["x"], ceiling: Infinity }]],
  ["clamp to [0, 6]", [3, 5, 4], [doubled, { kind: "clamp", name: "y", inputs: ["x"], ceiling: 6 }]],
  ["add", [3, 5, 4], [doubled, { kind: "add", name: "y", inputs: ["x", "image"] }]],
  ["average", [3, 5, 8], [{ kind: "average", name: "y", inputs: ["image"] }]],
  ["dense", [1, 1, 16], [{ kind: "dense", name: "y", inputs: ["image"], channels: 11 }]],
];

/** @param {Float32Array} a @param {Float32Array} b */
const dot = (a, b) => a.reduce((sum, value, i) => sum + value * b[i], 0);

/** @param {Shape} shape */
const elements = (shape) => BATCH * shape[0] * shape[1] * shape[2];

/**
 * @param {WebAssembly.Module} compiled
 * @returns {{ title: string, worst: number, compared: number }[]} worst: the largest relative difference
 * @throws {Error} where a gradient is off
 */
export function checkGradients(compiled) {
  const random = randomStream(99, 0);
  const results = [];
  for (const [title, shape, layers] of CASES) {
    const network = createNetwork(compiled, layers, shape, BATCH, random);
    // Away from the corners of clamp at 0 and 6, which the doubled image meets at 0 and 3.
    const image = Float32Array.from({ length: elements(shape) }, () => {
      const value = random.between(-2, 5);
      return Math.abs(value) < 0.1 || Math.abs(value - 3) < 0.1 ? value + 0.25 : value;
    });
    const upstream = Float32Array.from({ length: elements(network.output.shape) }, () => random.between(-1, 1));
    const loss = () => {
      network.floats(network.image.value, image.length).set(image);
      network.forward(true);
      return dot(upstream, network.floats(network.output.value, upstream.length));
    };
    loss();
    network.backward(upstream);
    const subjects = [[image, network.floats(network.image.gradient, image.length).slice()]];
    for (const one of network.parameters)
      subjects.push([network.floats(one.value, one.count), network.floats(one.gradient, one.count).slice()]);
    let [worst, compared] = [0, 0];
    for (const [values, gradients] of subjects) {
      for (let i = 0; i < values.length; i++) {
        const kept = values[i];
        values[i] = kept + STEP;
        const above = loss();
        values[i] = kept - STEP;
        const below = loss();
        values[i] = kept;
        const numeric = (above - below) / (2 * STEP);
        worst = Math.max(worst, Math.abs(numeric - gradients[i]) / Math.max(1, Math.abs(numeric)));
        compared += 1;
      }
    }
    if (!(worst < TOLERANCE)) throw new Error(`${title}: a gradient is off by ${worst}`);
    results.push({ title, worst, compared });
  }
  results.push(checkWhole(compiled));
  return results;
}

/**
 * Moves all parameters along the gradient g: the loss must change by STEP · |g|.
 *
 * @param {WebAssembly.Module} compiled
 */
function checkWhole(compiled) {
  const random = randomStream(99, 1);
  const network = createNetwork(compiled, architecture(12), [32, 32, 3], BATCH, random);
  const image = Float32Array.from({ length: elements([32, 32, 3]) }, () => random.normal());
  const upstream = Float32Array.from({ length: 12 * BATCH }, () => random.between(-1, 1));
  const loss = () => {
    network.floats(network.image.value, image.length).set(image);
    network.forward(true);
    return dot(upstream, network.floats(network.output.value, upstream.length));
  };
  loss();
  network.backward(upstream);
  const gradients = network.parameters.map((one) => network.floats(one.gradient, one.count).slice());
  const norm = Math.sqrt(gradients.reduce((sum, gradient) => sum + dot(gradient, gradient), 0));
  /** @param {number} distance */
  const move = (distance) => {
    network.parameters.forEach((one, p) => {
      const values = network.floats(one.value, one.count);
      for (let i = 0; i < values.length; i++) values[i] += (distance * gradients[p][i]) / norm;
    });
  };
  const reach = 1 / 512;
  move(reach);
  const above = loss();
  move(-2 * reach);
  const below = loss();
  const worst = Math.abs((above - below) / (2 * reach) / norm - 1);
  // Some of the hundred thousand activations cross a corner of their clamp on the way.
  if (!(worst < 0.02)) throw new Error(`the whole network: its gradient is off by ${worst}`);
  return { title: "whole network", worst, compared: gradients.reduce((sum, gradient) => sum + gradient.length, 0) };
}
