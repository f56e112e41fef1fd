/**
 * Writes a trained network as ONNX: NCHW, BatchNormalization as nodes of their own, symbolic batch.
 */
import onnxProto from "onnx-proto";
import { EPSILON } from "./network.mjs";

const { onnx } = onnxProto;

/** @typedef {import("./network.mjs").Node} Node */
/** @typedef {ReturnType<typeof import("./network.mjs").createNetwork>} Network */

/** @param {string} name @param {readonly number[]} dims @param {Float32Array} values */
function tensor(name, dims, values) {
  const rawData = new Uint8Array(4 * values.length);
  const view = new DataView(rawData.buffer);
  values.forEach((value, i) => view.setFloat32(4 * i, value, true));
  return onnx.TensorProto.create({ name, dims: [...dims], dataType: onnx.TensorProto.DataType.FLOAT, rawData });
}

/** @param {string} name @param {number | readonly number[]} value integers where a list; EPSILON is the only fraction in use */
function attribute(name, value) {
  const { FLOAT, INT, INTS } = onnx.AttributeProto.AttributeType;
  if (typeof value !== "number") return onnx.AttributeProto.create({ name, type: INTS, ints: [...value] });
  return onnx.AttributeProto.create(Number.isInteger(value) ? { name, type: INT, i: value } : { name, type: FLOAT, f: value });
}

/** @param {string} name @param {readonly (string | number)[]} dims a name for a symbolic one */
function valueInfo(name, dims) {
  const dim = dims.map((one) => (typeof one === "number" ? { dimValue: one } : { dimParam: one }));
  return onnx.ValueInfoProto.create({ name, type: { tensorType: { elemType: onnx.TensorProto.DataType.FLOAT, shape: { dim } } } });
}

/**
 * [taps, c, k] to [k, c, taps], which is how ONNX orders the weights of a convolution.
 *
 * @param {Float32Array} weights @param {number} taps @param {number} c @param {number} k
 */
function outputsFirst(weights, taps, c, k) {
  const out = new Float32Array(weights.length);
  for (let tap = 0; tap < taps; tap++) {
    for (let channel = 0; channel < c; channel++) {
      for (let one = 0; one < k; one++) out[(one * c + channel) * taps + tap] = weights[(tap * c + channel) * k + one];
    }
  }
  return out;
}

/**
 * @param {Network} network
 * @param {readonly string[]} classes
 * @returns {Uint8Array} a ModelProto, opset 17: image float32 [N, 3, H, W] to probabilities float32 [N, classes]
 */
export function onnxFile(network, classes) {
  /** @type {import("onnx-proto").onnx.INodeProto[]} */
  const nodes = [];
  /** @type {import("onnx-proto").onnx.ITensorProto[]} */
  const initializers = [];

  /** @param {string} name @param {readonly number[]} dims @param {Float32Array} values */
  const constant = (name, dims, values) => {
    initializers.push(tensor(name, dims, values));
    return name;
  };

  /** @param {string} opType @param {string} name @param {readonly string[]} input @param {Record<string, number | readonly number[]>} [attributes] @param {string} [output] */
  const emit = (opType, name, input, attributes = {}, output = name) => {
    const list = Object.entries(attributes).map(([key, value]) => attribute(key, value));
    nodes.push(onnx.NodeProto.create({ opType, name, input: [...input], output: [output], attribute: list }));
  };

  constant("zero", [], Float32Array.of(0));
  constant("six", [], Float32Array.of(6));
  for (const node of network.nodes) emitNode(node);
  emit("Softmax", "softmax", [network.output.layer.name], { axis: -1 }, "probabilities");

  /** @param {Node} node */
  function emitNode(node) {
    const { layer, parameters, statistics, shape } = node;
    const { name, inputs } = layer;
    const c = node.inputs[0].shape[2];
    const k = shape[2];
    /** @param {string} key */
    const values = (key) => network.floats(parameters[key].value, parameters[key].count);
    const stride = layer.stride ?? 1;
    if (layer.kind === "convolution") {
      const window = layer.window ?? 1;
      const pad = window >> 1;
      const weights = constant(`${name}/weights`, [k, c, window, window], outputsFirst(values("weights"), window * window, c, k));
      const attributes = { kernel_shape: [window, window], pads: [pad, pad, pad, pad], strides: [stride, stride] };
      emit("Conv", name, [inputs[0], weights], attributes);
    } else if (layer.kind === "depthwise") {
      const weights = constant(`${name}/weights`, [c, 1, 3, 3], outputsFirst(values("weights"), 9, 1, c));
      emit("Conv", name, [inputs[0], weights], { group: c, kernel_shape: [3, 3], pads: [1, 1, 1, 1], strides: [stride, stride] });
    } else if (layer.kind === "batchNorm") {
      const scale = constant(`${name}/gamma`, [c], values("gamma"));
      const shift = constant(`${name}/beta`, [c], values("beta"));
      const mean = constant(`${name}/mean`, [c], network.floats(statistics.runningMean, c));
      const variance = constant(`${name}/variance`, [c], network.floats(statistics.runningVariance, c));
      emit("BatchNormalization", name, [inputs[0], scale, shift, mean, variance], { epsilon: EPSILON });
    } else if (layer.kind === "clamp") {
      if (layer.ceiling === 6) emit("Clip", name, [inputs[0], "zero", "six"]);
      else emit("Relu", name, inputs);
    } else if (layer.kind === "add") {
      emit("Add", name, inputs);
    } else if (layer.kind === "average") {
      emit("GlobalAveragePool", name, inputs);
    } else {
      emit("Flatten", `${name}/flatten`, inputs, { axis: 1 });
      const weights = constant(`${name}/weights`, [k, c], outputsFirst(values("weights"), 1, c, k));
      const bias = constant(`${name}/bias`, [k], values("bias"));
      emit("Gemm", name, [`${name}/flatten`, weights, bias], { transB: 1 });
    }
  }

  const [height, width, channels] = network.image.shape;
  const graph = onnx.GraphProto.create({
    name: "doodles",
    node: nodes,
    initializer: initializers,
    input: [valueInfo("image", ["N", channels, height, width])],
    output: [valueInfo("probabilities", ["N", classes.length])],
    docString: `Classes in order: ${classes.join(", ")}.`,
  });
  const model = onnx.ModelProto.create({
    irVersion: 8,
    opsetImport: [{ domain: "", version: 17 }],
    producerName: "eqm-example",
    docString: "Recognises photographed doodles; data and weights are made by examples/doodles of the eqm project.",
    graph,
  });
  return onnx.ModelProto.encode(model).finish();
}
