/**
 * Writes .tflite files: the part of the format, version 3, that the benchmark's models take. Every table is given by the numbers of its
 * fields in the file; a field with its default value may be left out.
 *
 *   Model ─ operator codes, buffers of constants
 *         └ subgraph ─ tensors (shape, type, buffer, quantization) and operators (code, tensors in and out, options)
 */
import { Builder } from "flatbuffers";

/** Element types. */
export const TYPES = { float32: 0, int32: 2, int8: 9 };

/** Operators: their code in the file, the least version that has what is used here of it, and the layout of their options. */
const OPERATORS = {
  ADD: { code: 0, version: 2, options: "ADD" },
  AVERAGE_POOL_2D: { code: 1, version: 2, options: "POOL" },
  CONV_2D: { code: 3, version: 3, options: "CONV" },
  DEPTHWISE_CONV_2D: { code: 4, version: 3, options: "DEPTHWISE_CONV" },
  DEQUANTIZE: { code: 6, version: 2 },
  FULLY_CONNECTED: { code: 9, version: 5, options: "FULLY_CONNECTED" },
  MAX_POOL_2D: { code: 17, version: 2, options: "POOL" },
  MUL: { code: 18, version: 2, options: "MUL" },
  RELU: { code: 19, version: 2 },
  RELU6: { code: 21, version: 2 },
  RESHAPE: { code: 22, version: 1, options: "RESHAPE" },
  SOFTMAX: { code: 25, version: 2, options: "SOFTMAX" },
  PAD: { code: 34, version: 2 },
  GATHER: { code: 36, version: 1, options: "GATHER" },
  TRANSPOSE: { code: 39, version: 2 },
  MEAN: { code: 40, version: 2, options: "REDUCER" },
  SUB: { code: 41, version: 2, options: "SUB" },
  DIV: { code: 42, version: 1, options: "DIV" },
  RSQRT: { code: 76, version: 1 },
  SQUARED_DIFFERENCE: { code: 99, version: 1 },
  QUANTIZE: { code: 114, version: 1 },
  BATCH_MATMUL: { code: 126, version: 1, options: "BATCH_MATMUL" },
  GELU: { code: 150, version: 1 },
};

/** Options: their number in the union, and [field, kind] by name. */
const OPTIONS = {
  CONV: { type: 1, fields: { padding: [0, "int8"], strideW: [1, "int32"], strideH: [2, "int32"], activation: [3, "int8"] } },
  DEPTHWISE_CONV: {
    type: 2,
    fields: { padding: [0, "int8"], strideW: [1, "int32"], strideH: [2, "int32"], multiplier: [3, "int32"], activation: [4, "int8"] },
  },
  POOL: {
    type: 5,
    fields: {
      padding: [0, "int8"],
      strideW: [1, "int32"],
      strideH: [2, "int32"],
      filterW: [3, "int32"],
      filterH: [4, "int32"],
      activation: [5, "int8"],
    },
  },
  FULLY_CONNECTED: { type: 8, fields: { activation: [0, "int8"], keepDimensions: [2, "bool"] } },
  SOFTMAX: { type: 9, fields: { beta: [0, "float32"] } },
  ADD: { type: 11, fields: { activation: [0, "int8"] } },
  RESHAPE: { type: 17, fields: { shape: [0, "ints"] } },
  MUL: { type: 21, fields: { activation: [0, "int8"] } },
  GATHER: { type: 23, fields: { axis: [0, "int32"] } },
  REDUCER: { type: 27, fields: { keepDimensions: [0, "bool"] } },
  SUB: { type: 28, fields: { activation: [0, "int8"] } },
  DIV: { type: 29, fields: { activation: [0, "int8"] } },
  BATCH_MATMUL: { type: 101, fields: {} },
};

/** Values of options. */
export const PADDING = { SAME: 0, VALID: 1 };
export const ACTIVATION = { NONE: 0, RELU: 1, RELU_N1_TO_1: 2, RELU6: 3 };

/**
 * @typedef {{ name: string, type: keyof typeof TYPES, shape: readonly number[], data?: Float32Array | Int8Array | Int32Array,
 *   quantization?: { scales: readonly number[], zeroPoints: readonly number[], axis?: number } }} TfliteTensor
 * @typedef {{ operator: keyof typeof OPERATORS, inputs: readonly number[], outputs: readonly number[], options?: object }} TfliteOperator
 */

/**
 * @param {{ tensors: readonly TfliteTensor[], operators: readonly TfliteOperator[], inputs: readonly number[], outputs: readonly number[] }}
 *   model tensors by their index
 * @returns {Uint8Array} the file
 */
export function writeTflite({ tensors, operators, inputs, outputs }) {
  const builder = new Builder(1 << 20);
  const codes = [...new Set(operators.map(({ operator }) => operator))];

  // Buffer 0 is the empty one, of tensors that are computed.
  const buffers = [table(builder, {})];
  const tensorOffsets = tensors.map(({ name, type, shape, data, quantization }) => {
    if (data !== undefined) buffers.push(table(builder, { data: [0, "offset", bytes(builder, data)] }));
    return table(builder, {
      shape: [0, "offset", ints(builder, shape)],
      type: [1, "int8", TYPES[type]],
      buffer: [2, "int32", data === undefined ? 0 : buffers.length - 1],
      name: [3, "offset", builder.createString(name)],
      quantization: [4, "offset", quantization && quantizationOf(builder, quantization)],
    });
  });
  const operatorOffsets = operators.map(({ operator, inputs, outputs, options = {} }) => {
    const layout = OPTIONS[OPERATORS[operator].options];
    return table(builder, {
      code: [0, "int32", codes.indexOf(operator)],
      inputs: [1, "offset", ints(builder, inputs)],
      outputs: [2, "offset", ints(builder, outputs)],
      optionsType: [3, "int8", layout?.type],
      options: [4, "offset", layout && optionsOf(builder, layout, options)],
    });
  });
  const subgraph = table(builder, {
    tensors: [0, "offset", offsets(builder, tensorOffsets)],
    inputs: [1, "offset", ints(builder, inputs)],
    outputs: [2, "offset", ints(builder, outputs)],
    operators: [3, "offset", offsets(builder, operatorOffsets)],
    name: [4, "offset", builder.createString("main")],
  });
  const codeOffsets = codes.map((operator) => {
    const { code, version } = OPERATORS[operator];
    // The first field is the code where it fits in a byte, as older readers want it.
    return table(builder, { old: [0, "int8", Math.min(code, 127)], version: [2, "int32", version], code: [3, "int32", code] });
  });
  const model = table(builder, {
    version: [0, "int32", 3],
    codes: [1, "offset", offsets(builder, codeOffsets)],
    subgraphs: [2, "offset", offsets(builder, [subgraph])],
    description: [3, "offset", builder.createString("eqm-bench")],
    buffers: [4, "offset", offsets(builder, buffers)],
  });
  builder.finish(model, "TFL3");
  return builder.asUint8Array();
}

function quantizationOf(builder, { scales, zeroPoints, axis = 0 }) {
  builder.startVector(4, scales.length, 4);
  for (const scale of [...scales].reverse()) builder.addFloat32(scale);
  const scale = builder.endVector();
  builder.startVector(8, zeroPoints.length, 8);
  for (const zero of [...zeroPoints].reverse()) builder.addInt64(BigInt(zero));
  const zeroPoint = builder.endVector();
  return table(builder, { scale: [2, "offset", scale], zeroPoint: [3, "offset", zeroPoint], axis: [6, "int32", axis] });
}

function optionsOf(builder, { fields }, values) {
  for (const name of Object.keys(values)) if (fields[name] === undefined) throw new Error(`unreachable: no option ${name}`);
  const entries = Object.entries(fields).map(([name, [field, kind]]) => {
    const value = values[name];
    if (kind !== "ints") return [name, [field, kind, value]];
    return [name, [field, "offset", value && ints(builder, value)]];
  });
  return table(builder, Object.fromEntries(entries));
}

/** A table of { name: [field, kind, value] }; what it points to has been written before. */
function table(builder, fields) {
  const entries = Object.values(fields).filter(([, , value]) => value !== undefined);
  builder.startObject(Math.max(0, ...entries.map(([field]) => field + 1)));
  for (const [field, kind, value] of entries) {
    if (kind === "offset") builder.addFieldOffset(field, value, 0);
    else if (kind === "int32") builder.addFieldInt32(field, value, 0);
    else if (kind === "float32") builder.addFieldFloat32(field, value, 0);
    else builder.addFieldInt8(field, Number(value), 0);
  }
  return builder.endObject();
}

function ints(builder, values) {
  builder.startVector(4, values.length, 4);
  for (const value of [...values].reverse()) builder.addInt32(value);
  return builder.endVector();
}

function offsets(builder, values) {
  builder.startVector(4, values.length, 4);
  for (const value of [...values].reverse()) builder.addOffset(value);
  return builder.endVector();
}

/** Constants start at multiples of 16. */
function bytes(builder, data) {
  const source = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  builder.startVector(1, source.length, 16);
  builder.bb.setPosition((builder.space -= source.length));
  builder.bb.bytes().set(source, builder.space);
  return builder.endVector();
}
