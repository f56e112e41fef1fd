/**
 * The compiler's graph, channels last, as a .tflite model in the forms that TensorFlow's own converter gives: activations fused, pads as
 * SAME or VALID where they are that and else a PAD.
 *
 * A quantized graph becomes an int8 model of the same scales: a value between QuantizeLinear and DequantizeLinear is an int8 tensor, an
 * operator whose operands all come from such runs in int8, and QUANTIZE and DEQUANTIZE stand where the model goes in and out of it. TensorFlow's
 * int8 operators give int8: one whose result the graph leaves in float runs in float, unless the range of that result is given.
 */
import { ACTIVATION, PADDING } from "./format.mjs";

/** Operators with an int8 form; any other reads and gives float32. */
const INT8_OPS = new Set(["Conv", "Gemm", "Add", "AveragePool", "GlobalAveragePool", "MaxPool", "Reshape", "Flatten", "Transpose"]);

/** Those whose int8 result has the scale of what they read: what a graph says of another is a step after them. */
const SAME_SCALE = new Set(["Reshape", "Flatten", "Transpose", "MaxPool", "AveragePool"]);

/** Operators that are one of TensorFlow's, without attributes of interest. */
const SAME_OPS = { Sub: "SUB", Mul: "MUL", Div: "DIV" };

/**
 * @param {object} graph of the compiler (compiler/ir/graph.ts), after its passes and channels-last
 * @param {readonly [number, number]} [outputRange] of an int8 operator whose result the graph leaves unquantized
 * @returns {object} what writeTflite takes, and `ports`: { inputs, outputs } as { name, type, shape }
 * @throws {Error} for what has no such form
 */
export function toTflite(graph, outputRange) {
  const model = new Model(outputRange);
  const inputs = graph.inputs.map((value) => model.input(value));
  for (const node of graph.nodes) model.convert(node);
  const outputs = graph.outputs.map((value) => model.read(value));
  const port = (name, index) => ({ name, type: model.tensors[index].type, shape: model.tensors[index].shape });
  return {
    tensors: model.tensors,
    operators: model.operators,
    inputs,
    outputs,
    ports: {
      inputs: graph.inputs.map(({ name }, at) => port(name, inputs[at])),
      outputs: graph.outputNames.map((name, at) => port(name, outputs[at])),
    },
  };
}

class Model {
  tensors = [];
  operators = [];
  /** Index of a value's float tensor, and of its int8 one: of the value between Q and DQ. */
  #float = new Map();
  #int8 = new Map();
  #outputRange;

  constructor(outputRange) {
    this.#outputRange = outputRange;
  }

  input(value) {
    // Images come channels last: what the graph would do first, the caller does.
    const quantize = onlyReader(value, "QuantizeLinear");
    const moved = onlyReader(quantize?.outputs[0] ?? value, "Transpose")?.outputs[0];
    const index = this.#add(value.name, value.type.dtype === "int64" ? "int32" : "float32", (moved ?? value).type.shape);
    if (moved === undefined) this.#float.set(value, index);
    else if (quantize === undefined) this.#float.set(moved, index);
    else this.#emit("QUANTIZE", [index], this.#quantized(moved, quantize));
    return index;
  }

  convert(node) {
    const [result] = node.outputs;
    if (node.op === "DequantizeLinear" || this.#float.has(result) || this.#int8.has(result)) return;
    if (node.op === "QuantizeLinear") {
      // What only an input's transpose read has been taken with it.
      if (this.#has(node.inputs[0])) this.#quantize(node.inputs[0], result, node);
      return;
    }
    const convert = CONVERSIONS[node.op] ?? (SAME_OPS[node.op] && binary(SAME_OPS[node.op]));
    if (convert === undefined) throw new Error(`${node.op} has no form in .tflite here`);
    const activations = node.inputs.filter((value) => value !== null && value.constant === null && !isConstant(value));
    const isInt8 =
      INT8_OPS.has(node.op) &&
      activations.length > 0 &&
      activations.every((value) => this.#int8Of(value) !== undefined) &&
      (SAME_SCALE.has(node.op) || this.#outputRange !== undefined || quantizersOf(result).length > 0);
    convert({
      node,
      isInt8,
      activations: activations.map((value) => (isInt8 ? this.#int8Of(value) : this.read(value))),
      read: (value) => this.read(value),
      constant: (...args) => this.constant(...args),
      intermediate: (name, shape, like) => this.#add(name, isInt8 ? "int8" : "float32", shape, this.tensors[like]?.quantization),
      quantizationOf: (index) => this.tensors[index].quantization,
      emit: (operator, inputs, options, output) => this.#emit(operator, inputs, output ?? this.#result(result, isInt8), options),
    });
  }

  /** The tensor of a value in float32; an int8 one is dequantized. */
  read(value) {
    const known = this.#float.get(value);
    if (known !== undefined) return known;
    if (value.constant !== null) return this.constant(value.name, value.constant.shape, value.constant.data);
    if (isConstant(value)) return this.constant(value.name, value.type.shape, weightsOf(value, false).data);
    const int8 = this.#int8Of(value);
    if (int8 === undefined) throw new Error(`unreachable: ${value.name} has no tensor`);
    const index = this.#add(value.name, "float32", value.type.shape);
    this.#float.set(value, index);
    this.#emit("DEQUANTIZE", [int8], index);
    return index;
  }

  constant(name, shape, data, quantization) {
    const type = data instanceof Float32Array ? "float32" : data instanceof Int8Array ? "int8" : "int32";
    return this.#add(name, type, shape, quantization, data);
  }

  #has(value) {
    return this.#float.has(value) || this.#int8Of(value) !== undefined;
  }

  #int8Of(value) {
    const { producer } = value;
    return producer?.op === "DequantizeLinear" ? this.#int8.get(producer.inputs[0]) : this.#int8.get(value);
  }

  #result(value, isInt8) {
    if (!isInt8) return this.#added(value);
    const { op, inputs } = value.producer;
    const [quantizer, ...others] = quantizersOf(value);
    if (others.length > 0) throw new Error(`${value.name} is quantized twice`);
    if (SAME_SCALE.has(op)) {
      const index = this.#add(value.name, "int8", value.type.shape, this.tensors[this.#int8Of(inputs[0])].quantization);
      this.#int8.set(value, index);
      return index;
    }
    if (quantizer !== undefined) return this.#quantized(quantizer.outputs[0], quantizer);
    const [low, high] = [Math.min(0, this.#outputRange[0]), Math.max(0, this.#outputRange[1])];
    const scale = (high - low) / 255;
    const index = this.#add(value.name, "int8", value.type.shape, {
      scales: [scale],
      zeroPoints: [Math.round(-128 - low / scale)],
    });
    this.#int8.set(value, index);
    return index;
  }

  #quantize(from, to, node) {
    const int8 = this.#int8Of(from);
    const isSame = int8 !== undefined && JSON.stringify(this.tensors[int8].quantization) === JSON.stringify(quantizationOf(node));
    if (isSame) this.#int8.set(to, int8);
    else this.#emit("QUANTIZE", [int8 ?? this.read(from)], this.#quantized(to, node));
  }

  #quantized(value, node) {
    const index = this.#add(value.name, "int8", value.type.shape, quantizationOf(node));
    this.#int8.set(value, index);
    return index;
  }

  #added(value) {
    const index = this.#add(value.name, "float32", value.type.shape);
    this.#float.set(value, index);
    return index;
  }

  #emit(operator, inputs, output, options) {
    this.operators.push({ operator, inputs, outputs: [output], options });
    return output;
  }

  #add(name, type, shape, quantization, data) {
    return this.tensors.push({ name, type, shape, quantization, data }) - 1;
  }
}

const CONVERSIONS = {
  Conv: convolution,
  Gemm: fullyConnected,
  Add: binary("ADD"),
  AveragePool: pooling("AVERAGE_POOL_2D"),
  MaxPool: pooling("MAX_POOL_2D"),
  GlobalAveragePool({ activations, constant, emit }) {
    emit("MEAN", [...activations, constant("axes", [2], Int32Array.of(1, 2))], { keepDimensions: true });
  },
  Reshape: reshape,
  Flatten: reshape,
  Softmax({ node, activations, emit }) {
    const axis = node.attributes.axis ?? -1;
    if (axis !== -1 && axis !== node.inputs[0].type.shape.length - 1) throw new Error("Softmax of another axis than the last");
    emit("SOFTMAX", activations, { beta: 1 });
  },
  Transpose({ node, activations, constant, emit }) {
    emit("TRANSPOSE", [...activations, constant("perm", [node.attributes.perm.length], Int32Array.from(node.attributes.perm))]);
  },
  MatMul: ({ activations, emit }) => emit("BATCH_MATMUL", activations, {}),
  Gelu({ node, activations, emit }) {
    if (node.attributes.approximate === "tanh") throw new Error("Gelu by tanh");
    emit("GELU", activations);
  },
  Gather({ node, read, activations, emit }) {
    emit("GATHER", [read(node.inputs[0]), ...activations], { axis: node.attributes.axis ?? 0 });
  },
  LayerNormalization: layerNormalization,
};

function convolution({ node, isInt8, activations, constant, intermediate, quantizationOf, emit }) {
  const { group = 1, strides = [1, 1], dilations = [1, 1] } = node.attributes;
  if (dilations.some((dilation) => dilation !== 1)) throw new Error("a dilated Conv");
  const { data, shape, quantization } = weightsOf(node.inputs[1], isInt8);
  const [outC, perGroup, kernelH, kernelW] = shape;
  const inC = node.inputs[0].type.shape.at(-1);
  const isDepthwise = group === inC && perGroup === 1 && group > 1;
  if (group !== 1 && !isDepthwise) throw new Error("a grouped Conv");
  const taps = kernelH * kernelW;
  const moved = new data.constructor(data.length);
  for (let o = 0; o < outC; o++) {
    for (let c = 0; c < perGroup; c++) {
      for (let tap = 0; tap < taps; tap++) {
        moved[isDepthwise ? tap * outC + o : (o * taps + tap) * perGroup + c] = data[(o * perGroup + c) * taps + tap];
      }
    }
  }
  const weights = isDepthwise
    ? constant("weights", [1, kernelH, kernelW, outC], moved, quantization && { ...quantization, axis: 3 })
    : constant("weights", [outC, kernelH, kernelW, perGroup], moved, quantization && { ...quantization, axis: 0 });
  const bias = biasOf(node, outC, isInt8, constant);
  const { padding, source } = padded({
    node,
    kernel: [kernelH, kernelW],
    strides,
    activations,
    constant,
    intermediate,
    quantizationOf,
    emit,
  });
  const options = { padding, strideH: strides[0], strideW: strides[1], activation: activationOf(node) };
  if (isDepthwise) emit("DEPTHWISE_CONV_2D", [source, weights, bias], { ...options, multiplier: outC / group });
  else emit("CONV_2D", [source, weights, bias], options);
}

function fullyConnected({ node, isInt8, activations, constant, emit }) {
  const { transA = 0, transB = 0, alpha = 1, beta = 1 } = node.attributes;
  if (transA !== 0 || alpha !== 1 || beta !== 1) throw new Error("a Gemm with transA, alpha or beta");
  const { data, shape, quantization } = weightsOf(node.inputs[1], isInt8);
  const [outC, inC] = transB === 1 ? shape : [shape[1], shape[0]];
  const rows = transB === 1 ? data : data.map((_, to) => data[(to % inC) * outC + Math.floor(to / inC)]);
  const weights = constant("weights", [outC, inC], rows, quantization && { ...quantization, axis: 0 });
  emit("FULLY_CONNECTED", [...activations, weights, biasOf(node, outC, isInt8, constant)], { activation: activationOf(node) });
}

function binary(operator) {
  return ({ node, read, isInt8, activations, emit }) => {
    const operands = isInt8 ? activations : node.inputs.map(read);
    if (operands.length !== 2) throw new Error(`${node.op} of an int8 constant`);
    emit(operator, operands, { activation: activationOf(node) });
  };
}

function pooling(operator) {
  return (context) => {
    const { kernel_shape: kernel, strides = [1, 1] } = context.node.attributes;
    const pads = padsOf(context.node);
    if (pads.some((pad) => pad !== 0) && operator === "AVERAGE_POOL_2D" && !isSame(context.node, kernel, strides, pads)) {
      throw new Error("an average over pads");
    }
    const { padding, source } = padded({ ...context, kernel, strides });
    const [filterH, filterW] = kernel;
    const [strideH, strideW] = strides;
    context.emit(operator, [source], { padding, strideH, strideW, filterH, filterW, activation: activationOf(context.node) });
  };
}

function reshape({ node, activations, emit }) {
  emit("RESHAPE", activations, { shape: node.outputs[0].type.shape });
}

// As TensorFlow writes it out: (x − mean) · rsqrt(variance + ε) · γ + β.
function layerNormalization({ node, read, activations: [x], constant, intermediate, emit }) {
  const { shape } = node.inputs[0].type;
  const { axis = -1, epsilon = 1e-5 } = node.attributes;
  if (axis !== -1 && axis !== shape.length - 1) throw new Error("LayerNormalization of more axes than the last");
  const rows = [...shape.slice(0, -1), 1];
  const axes = constant("axes", [1], Int32Array.of(shape.length - 1));
  const step = (operator, inputs, size, options) => emit(operator, inputs, options, intermediate(node.name, size));
  const mean = step("MEAN", [x, axes], rows, { keepDimensions: true });
  const variance = step("MEAN", [step("SQUARED_DIFFERENCE", [x, mean], shape), axes], rows, { keepDimensions: true });
  const raised = step("ADD", [variance, constant("epsilon", [1], Float32Array.of(epsilon))], rows, {});
  const normal = step("MUL", [step("SUB", [x, mean], shape, {}), step("RSQRT", [raised], rows)], shape, {});
  const scaled = step("MUL", [normal, read(node.inputs[1])], shape, {});
  emit("ADD", [scaled, read(node.inputs[2])], {});
}

/** Pads as the format has them, with a PAD before where it has no such pads. */
function padded({ node, kernel, strides, activations: [x], constant, intermediate, quantizationOf, emit }) {
  const pads = padsOf(node);
  if (pads.every((pad) => pad === 0)) return { padding: PADDING.VALID, source: x };
  if (isSame(node, kernel, strides, pads)) return { padding: PADDING.SAME, source: x };
  if (node.op !== "Conv") throw new Error(`${node.op} with pads that are not SAME`);
  const [n, h, w, c] = node.inputs[0].type.shape;
  const [top, left, bottom, right] = pads;
  const table = constant("pads", [4, 2], Int32Array.of(0, 0, top, bottom, left, right, 0, 0));
  const source = emit("PAD", [x, table], undefined, intermediate(`${node.name}.padded`, [n, h + top + bottom, w + left + right, c], x));
  if (quantizationOf(x) !== quantizationOf(source)) throw new Error("unreachable: a pad changes the scale");
  return { padding: PADDING.VALID, source };
}

/** Whether the pads are those of SAME: what the strides leave, half before and the odd one after. */
function isSame(node, kernel, strides, [top, left, bottom, right]) {
  const [, height, width] = node.inputs[0].type.shape;
  const fits = (size, at, before, after) => {
    const total = Math.max(0, (Math.ceil(size / strides[at]) - 1) * strides[at] + kernel[at] - size);
    return before === total >> 1 && after === total - (total >> 1);
  };
  return fits(height, 0, top, bottom) && fits(width, 1, left, right);
}

function padsOf({ attributes: { pads = [0, 0, 0, 0], auto_pad: auto = "NOTSET", ceil_mode: ceil = 0 } }) {
  if (auto !== "NOTSET" || ceil !== 0) throw new Error("auto_pad or ceil_mode");
  return pads;
}

function activationOf({ attributes: { clampMin, clampMax } }) {
  const kinds = { ",": "NONE", "0,": "RELU", "0,6": "RELU6", "-1,1": "RELU_N1_TO_1" };
  const kind = kinds[`${clampMin ?? ""},${clampMax ?? ""}`];
  if (kind === undefined) throw new Error(`a clamp to [${clampMin}, ${clampMax}]`);
  return ACTIVATION[kind];
}

/** The nodes that quantize a value, where nothing else reads it. */
function quantizersOf(value) {
  const readers = [...value.readers];
  return readers.every(({ op }) => op === "QuantizeLinear") ? readers : [];
}

/** The node that reads a value when no other does; a DequantizeLinear that nobody reads does not count. */
function onlyReader(value, op) {
  const readers = [...value.readers].filter((node) => node.op !== "DequantizeLinear" || node.outputs[0].readers.size > 0);
  return readers.length === 1 && readers[0].op === op ? readers[0] : undefined;
}

function isConstant(value) {
  return value.producer?.op === "DequantizeLinear" && value.producer.inputs[0].constant !== null;
}

function weightsOf(value, isInt8) {
  const { shape } = value.type;
  if (value.constant !== null) return { data: value.constant.data, shape };
  if (!isConstant(value)) throw new Error("weights that are computed");
  const { producer } = value;
  const { data } = producer.inputs[0].constant;
  const quantization = quantizationOf(producer);
  if (isInt8) return { data, shape, quantization };
  const { scales, zeroPoints, axis } = quantization;
  const stride = shape.slice(axis + 1).reduce((product, size) => product * size, 1);
  const channel = (i) => (scales.length > 1 ? Math.floor(i / stride) % shape[axis] : 0);
  return { data: Float32Array.from(data, (value, i) => (value - zeroPoints[channel(i)]) * scales[channel(i)]), shape };
}

function biasOf(node, outC, isInt8, constant) {
  const value = node.inputs[2];
  if (!value) return constant("bias", [outC], isInt8 ? new Int32Array(outC) : new Float32Array(outC));
  const { data, quantization } = weightsOf(value, isInt8);
  if (isInt8 && !(data instanceof Int32Array)) throw new Error("an int8 layer with a bias in float32");
  return constant("bias", [outC], data, quantization);
}

function quantizationOf({ inputs: [, scale, zero], attributes: { axis = 0 } }) {
  const scales = [...scale.constant.data];
  return { scales, zeroPoints: zero ? [...zero.constant.data] : scales.map(() => 0), axis: scales.length > 1 ? axis : 0 };
}
