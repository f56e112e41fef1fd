/**
 * Runs the layers of architecture.mjs forward and backward on the kernels of kernels.ts, and steps the optimiser.
 *
 * All tensors live in the memory of the kernels' module; activations are [N, H, W, C]. The order of every sum is fixed and no
 * function of the engine's own is used, so training gives the same weights on every machine.
 */

import { readFileSync } from "node:fs";
import asc from "assemblyscript/asc";

/** @typedef {import("./architecture.mjs").Layer} Layer */
/** @typedef {import("./random.mjs").RandomStream} RandomStream */
/** @typedef {readonly [height: number, width: number, channels: number]} Shape without the batch */

/**
 * @typedef {object} Parameter
 * @property {number} count
 * @property {number} value pointer
 * @property {number} gradient pointer, likewise the rest
 * @property {number} moment
 * @property {number} square
 * @property {boolean} decays
 */

/**
 * @typedef {object} Node a layer with its tensors
 * @property {Layer} layer
 * @property {readonly Node[]} inputs
 * @property {Shape} shape
 * @property {number} value pointer to [N, ...shape]
 * @property {number} gradient pointer to [N, ...shape]
 * @property {Readonly<Record<string, Parameter>>} parameters
 * @property {Readonly<Record<string, number>>} statistics pointers to [C]: mean, variance and inverse of the batch; runningMean, runningVariance
 */

/** Added to the variance by BatchNorm. */
export const EPSILON = 1e-3;
const MOMENTUM = 0.05;

/**
 * Compiles kernels.ts.
 *
 * @returns {Promise<WebAssembly.Module>}
 */
export async function compileKernels() {
  /** @type {Uint8Array | undefined} */
  let binary;
  const options = ["kernels.ts", "--outFile", "kernels.wasm", "--runtime", "stub", "--noAssert", "-O3", "--enable", "simd"];
  const { error, stderr } = await asc.main(options, {
    readFile: (name) => (name === "kernels.ts" ? readFileSync(new URL(name, import.meta.url), "utf8") : null),
    writeFile: (_name, contents) => {
      if (typeof contents !== "string") binary = contents;
    },
    listFiles: () => [],
  });
  if (error !== null || binary === undefined) throw new Error(`kernels.ts does not compile\n${stderr.toString()}`);
  return new WebAssembly.Module(Uint8Array.from(binary));
}

/**
 * exp(x) for x ≤ 0 from + and × alone: exp(x / 1024) by its series, squared ten times.
 *
 * @param {number} x
 */
function exponential(x) {
  const t = Math.max(x, -80) / 1024;
  let power = 1 + t * (1 + (t / 2) * (1 + (t / 3) * (1 + t / 4)));
  for (let i = 0; i < 10; i++) power *= power;
  return power;
}

/**
 * Class probabilities of one row of logits.
 *
 * @param {Float32Array} logits
 * @returns {Float64Array}
 */
export function softmax(logits) {
  const top = logits.reduce((a, b) => Math.max(a, b));
  const powers = Float64Array.from(logits, (logit) => exponential(logit - top));
  const total = powers.reduce((a, b) => a + b);
  return powers.map((power) => power / total);
}

/**
 * A network for batches of exactly `batch` images.
 *
 * @param {WebAssembly.Module} compiled from compileKernels
 * @param {readonly Layer[]} layers
 * @param {Shape} imageShape
 * @param {number} batch
 * @param {RandomStream} random draws the initial weights
 */
export function createNetwork(compiled, layers, imageShape, batch, random) {
  /** @type {any} */
  const kernels = new WebAssembly.Instance(compiled).exports;
  /** @type {WebAssembly.Memory} */
  const memory = kernels.memory;
  let top = kernels.heapBase();
  let [decayedFirst, decayedSecond] = [1, 1];

  /** Zeroed, 16-byte aligned floats. @param {number} count */
  const allocate = (count) => {
    const pointer = Math.ceil(top / 16) * 16;
    top = pointer + 4 * count;
    const missing = Math.ceil((top - memory.buffer.byteLength) / 65536);
    if (missing > 0) memory.grow(missing);
    return pointer;
  };

  /** A view that lives until the next allocation. @param {number} pointer @param {number} count */
  const floats = (pointer, count) => new Float32Array(memory.buffer, pointer, count);

  /** @param {number} count @param {boolean} decays @param {(index: number) => number} start @returns {Parameter} */
  const parameter = (count, decays, start) => {
    const made = { count, decays, value: allocate(count), gradient: allocate(count), moment: allocate(count), square: allocate(count) };
    floats(made.value, count).forEach((_, i, all) => {
      all[i] = start(i);
    });
    return made;
  };

  /** He initialisation. @param {number} fanIn */
  const normal = (fanIn) => () => Math.sqrt(2 / fanIn) * random.normal();

  /** @param {Shape} shape @returns {number} */
  const size = (shape) => shape[0] * shape[1] * shape[2];

  const image = input(imageShape);
  /** @type {Map<string, Node>} */
  const nodes = new Map([["image", image]]);
  for (const layer of layers) nodes.set(layer.name, createNode(layer));
  const order = [...nodes.values()].slice(1);
  const output = order[order.length - 1];
  const parameters = order.flatMap((node) => Object.values(node.parameters));
  const unfolded = allocate(
    Math.max(
      0,
      ...order.filter((node) => node.layer.window === 3).map((node) => 9 * size(node.shape) * (node.inputs[0].shape[2] / node.shape[2])),
    ),
  );

  /** @param {Shape} shape @returns {Node} */
  function input(shape) {
    const layer = /** @type {Layer} */ ({ kind: "add", name: "image", inputs: [] });
    const count = batch * size(shape);
    return { layer, inputs: [], shape, value: allocate(count), gradient: allocate(count), parameters: {}, statistics: {} };
  }

  /** @param {Layer} layer @returns {Node} */
  function createNode(layer) {
    const inputs = layer.inputs.map((name) => /** @type {Node} */ (nodes.get(name)));
    const [h, w, c] = inputs[0].shape;
    const stride = layer.stride ?? 1;
    /** @type {Shape} */
    let shape = [Math.ceil(h / stride), Math.ceil(w / stride), layer.channels ?? c];
    /** @type {Record<string, Parameter>} */
    const own = {};
    /** @type {Record<string, number>} */
    const statistics = {};
    if (layer.kind === "convolution") {
      const taps = (layer.window ?? 1) ** 2;
      own.weights = parameter(taps * c * shape[2], true, normal(taps * c));
    } else if (layer.kind === "depthwise") {
      own.weights = parameter(9 * c, false, normal(9));
    } else if (layer.kind === "batchNorm") {
      own.gamma = parameter(c, false, () => 1);
      own.beta = parameter(c, false, () => 0);
      for (const name of ["mean", "variance", "inverse", "runningMean", "runningVariance"]) statistics[name] = allocate(c);
      floats(statistics.runningVariance, c).fill(1);
    } else if (layer.kind === "average") {
      shape = [1, 1, c];
    } else if (layer.kind === "dense") {
      own.weights = parameter(c * shape[2], true, normal(2 * c));
      own.bias = parameter(shape[2], false, () => 0);
    }
    const inPlace = layer.kind === "clamp";
    const value = inPlace ? inputs[0].value : allocate(batch * size(shape));
    const gradient = inPlace ? inputs[0].gradient : allocate(batch * size(shape));
    return { layer, inputs, shape, value, gradient, parameters: own, statistics };
  }

  /** @param {Node} node @param {boolean} training whether BatchNorm takes the statistics of the batch and updates the running ones */
  function forwardNode(node, training) {
    const { layer, inputs, shape, parameters: own, statistics, value: y } = node;
    const x = inputs[0].value;
    const [h, w, c] = inputs[0].shape;
    const k = shape[2];
    const pixels = shape[0] * shape[1];
    if (layer.kind === "convolution" && layer.window === 1) {
      floats(y, batch * pixels * k).fill(0);
      kernels.gemm(false, false, batch * pixels, k, c, x, own.weights.value, y);
    } else if (layer.kind === "convolution") {
      floats(y, batch * pixels * k).fill(0);
      for (let n = 0; n < batch; n++) {
        kernels.unfold(x + 4 * n * h * w * c, h, w, c, layer.stride, unfolded);
        kernels.gemm(false, false, pixels, k, 9 * c, unfolded, own.weights.value, y + 4 * n * pixels * k);
      }
    } else if (layer.kind === "depthwise") {
      kernels.depthwise(x, own.weights.value, y, batch, h, w, c, layer.stride);
    } else if (layer.kind === "batchNorm") {
      if (training) {
        kernels.statistics(x, batch * pixels, c, statistics.mean, statistics.variance);
        keepRunning(floats(statistics.runningMean, c), floats(statistics.mean, c));
        keepRunning(floats(statistics.runningVariance, c), floats(statistics.variance, c));
      }
      const variance = floats(training ? statistics.variance : statistics.runningVariance, c);
      floats(statistics.inverse, c).set(variance.map((value) => 1 / Math.sqrt(value + EPSILON)));
      const mean = training ? statistics.mean : statistics.runningMean;
      kernels.normalise(x, batch * pixels, c, mean, statistics.inverse, own.gamma.value, own.beta.value, y);
    } else if (layer.kind === "clamp") {
      kernels.clamp(y, batch * size(shape), layer.ceiling);
    } else if (layer.kind === "add") {
      floats(y, batch * size(shape)).set(floats(x, batch * size(shape)));
      kernels.add(inputs[1].value, y, batch * size(shape));
    } else if (layer.kind === "average") {
      kernels.average(x, batch, h * w, c, y);
    } else {
      const bias = floats(own.bias.value, k);
      for (let n = 0; n < batch; n++) floats(y + 4 * n * k, k).set(bias);
      kernels.gemm(false, false, batch, k, c, x, own.weights.value, y);
    }
  }

  /** @param {Node} node */
  function backwardNode(node) {
    const { layer, inputs, shape, parameters: own, statistics, value: y, gradient: dy } = node;
    const { value: x, gradient: dx } = inputs[0];
    const [h, w, c] = inputs[0].shape;
    const k = shape[2];
    const pixels = shape[0] * shape[1];
    const forImage = inputs[0] === image;
    if (layer.kind === "convolution" && layer.window === 1) {
      kernels.gemm(true, false, c, k, batch * pixels, x, dy, own.weights.gradient);
      kernels.gemm(false, true, batch * pixels, c, k, dy, own.weights.value, dx);
    } else if (layer.kind === "convolution") {
      for (let n = 0; n < batch; n++) {
        const from = dy + 4 * n * pixels * k;
        kernels.unfold(x + 4 * n * h * w * c, h, w, c, layer.stride, unfolded);
        kernels.gemm(true, false, 9 * c, k, pixels, unfolded, from, own.weights.gradient);
        if (forImage) continue;
        floats(unfolded, pixels * 9 * c).fill(0);
        kernels.gemm(false, true, pixels, 9 * c, k, from, own.weights.value, unfolded);
        kernels.fold(unfolded, h, w, c, layer.stride, dx + 4 * n * h * w * c);
      }
    } else if (layer.kind === "depthwise") {
      kernels.depthwiseGradient(x, own.weights.value, dy, dx, own.weights.gradient, batch, h, w, c, layer.stride);
    } else if (layer.kind === "batchNorm") {
      const { mean, inverse } = statistics;
      kernels.normaliseGradient(x, dy, batch * pixels, c, mean, inverse, own.gamma.value, own.gamma.gradient, own.beta.gradient, dx);
    } else if (layer.kind === "clamp") {
      kernels.clampGradient(y, dy, batch * size(shape), layer.ceiling);
    } else if (layer.kind === "add") {
      for (const source of inputs) kernels.add(dy, source.gradient, batch * size(shape));
    } else if (layer.kind === "average") {
      kernels.averageGradient(dy, batch, h * w, c, dx);
    } else {
      for (let n = 0; n < batch; n++) kernels.add(dy + 4 * n * k, own.bias.gradient, k);
      kernels.gemm(true, false, c, k, batch, x, dy, own.weights.gradient);
      kernels.gemm(false, true, batch, c, k, dy, own.weights.value, dx);
    }
  }

  /** @param {Float32Array} running @param {Float32Array} seen */
  function keepRunning(running, seen) {
    for (let i = 0; i < running.length; i++) running[i] += MOMENTUM * (seen[i] - running[i]);
  }

  return {
    batch,
    image,
    output,
    nodes: order,
    parameters,
    floats,

    /** @param {boolean} training */
    forward(training) {
      for (const node of order) forwardNode(node, training);
    },

    /**
     * After forward(true): fills the gradients of the parameters, and those of the nodes except for an image that only a 3×3
     * convolution reads.
     *
     * @param {Float32Array} upstream the gradient of the output
     */
    backward(upstream) {
      for (const one of parameters) floats(one.gradient, one.count).fill(0);
      for (const node of [image, ...order]) floats(node.gradient, batch * size(node.shape)).fill(0);
      floats(output.gradient, upstream.length).set(upstream);
      for (const node of order.toReversed()) backwardNode(node);
    },

    /** One step of AdamW. @param {number} rate @param {number} decay of the weights of convolutions and dense layers */
    step(rate, decay) {
      decayedFirst *= 0.9;
      decayedSecond *= 0.999;
      for (const one of parameters) {
        const own = one.decays ? decay : 0;
        kernels.adam(
          one.value,
          one.gradient,
          one.moment,
          one.square,
          one.count,
          rate,
          own,
          1 / (1 - decayedFirst),
          1 / (1 - decayedSecond),
        );
      }
    },
  };
}
