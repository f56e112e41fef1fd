/**
 * Writes a transformer encoder with random weights as ONNX, in the forms in which exporters write one:
 *
 *   node bench/encoder.mjs FOLDER [--layers=6] [--width=384] [--heads=12] [--sequence=128] [--hidden=1536] [--opset=17] [--mask]
 *
 * FOLDER gets encoder.onnx, token ids [1, sequence] to hidden states [1, sequence, width], and calib_x.npy, ids to calibrate with. The
 * default is the size of MiniLM-L6. Opset 13 writes LayerNormalization and GELU out, 17 GELU only, 20 neither. `--mask` adds a second
 * input, 1 for a token and 0 for padding. Weights are drawn from a seed, scaled as training leaves them: products keep their variance,
 * attention concentrates on a few positions, a few channels of the normalizations are ten times the others.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import onnxProto from "onnx-proto";

const { onnx } = onnxProto;

/** MiniLM-L6's sizes. */
export const DEFAULTS = { layers: 6, width: 384, heads: 12, sequence: 128, hidden: 1536, vocabulary: 512, opset: 17, mask: false, seed: 1 };

const EPSILON = 1e-5;

/** @param {number} seed @returns {() => number} normally distributed numbers: sums of four uniform ones */
function normal(seed) {
  let state = seed;
  const uniform = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32 - 0.5;
  };
  return () => (uniform() + uniform() + uniform() + uniform()) * Math.sqrt(3);
}

/**
 * @param {Partial<typeof DEFAULTS>} [sizes]
 * @returns {Uint8Array} a ModelProto
 */
export function encoderModel(sizes = {}) {
  const { layers, width, heads, sequence, hidden, vocabulary, opset, mask, seed } = { ...DEFAULTS, ...sizes };
  const draw = normal(seed);
  /** @type {import("onnx-proto").onnx.INodeProto[]} */
  const nodes = [];
  /** @type {import("onnx-proto").onnx.ITensorProto[]} */
  const initializers = [];

  const floats = (name, dims, make) => {
    const data = Float32Array.from({ length: dims.reduce((a, b) => a * b, 1) }, make);
    initializers.push({ name, dims, dataType: onnx.TensorProto.DataType.FLOAT, rawData: new Uint8Array(data.buffer) });
    return name;
  };
  const integers = (name, values) => {
    const rawData = new Uint8Array(BigInt64Array.from(values, BigInt).buffer);
    initializers.push({ name, dims: [values.length], dataType: onnx.TensorProto.DataType.INT64, rawData });
    return name;
  };
  const emit = (opType, output, inputs, attributes = {}) => {
    const { FLOAT, INT, INTS } = onnx.AttributeProto.AttributeType;
    const attribute = Object.entries(attributes).map(([name, value]) =>
      Array.isArray(value)
        ? { name, type: INTS, ints: value }
        : Number.isInteger(value)
          ? { name, type: INT, i: value }
          : { name, type: FLOAT, f: value },
    );
    nodes.push({ opType, name: output, input: inputs, output: [output], attribute });
    return output;
  };

  const scalar = (name, value) => (initializers.some((one) => one.name === name) ? name : floats(name, [], () => value));

  const layerNorm = (name, x) => {
    const gamma = floats(`${name}.weight`, [width], (_, i) => (i % 97 === 5 ? 4 : 0.6) + 0.1 * draw());
    const beta = floats(`${name}.bias`, [width], () => 0.1 * draw());
    if (opset >= 17) return emit("LayerNormalization", `${name}.y`, [x, gamma, beta], { axis: -1, epsilon: EPSILON });
    const centred = emit("Sub", `${name}.centred`, [x, emit("ReduceMean", `${name}.mean`, [x], { axes: [-1] })]);
    const variance = emit("ReduceMean", `${name}.variance`, [emit("Pow", `${name}.squares`, [centred, scalar("two", 2)])], { axes: [-1] });
    const deviation = emit("Sqrt", `${name}.deviation`, [emit("Add", `${name}.sum`, [variance, scalar("epsilon", EPSILON)])]);
    const scaled = emit("Mul", `${name}.scaled`, [emit("Div", `${name}.normal`, [centred, deviation]), gamma]);
    return emit("Add", `${name}.y`, [scaled, beta]);
  };
  const linear = (name, x, from, to, gain = 1) => {
    const weights = floats(`${name}.weight`, [from, to], () => (gain / Math.sqrt(from)) * draw());
    const bias = floats(`${name}.bias`, [to], () => 0.05 * draw());
    return emit("Add", `${name}.y`, [emit("MatMul", `${name}.product`, [x, weights]), bias]);
  };
  const gelu = (name, x) => {
    if (opset >= 20) return emit("Gelu", `${name}.y`, [x]);
    const raised = emit("Add", `${name}.raised`, [
      emit("Erf", `${name}.erf`, [emit("Div", `${name}.scaled`, [x, scalar("root2", Math.SQRT2)])]),
      scalar("one", 1),
    ]);
    return emit("Mul", `${name}.y`, [emit("Mul", `${name}.product`, [x, raised]), scalar("half", 0.5)]);
  };
  const perHead = (name, x, perm) => emit("Transpose", `${name}.heads`, [emit("Reshape", `${name}.split`, [x, "splitShape"])], { perm });

  const depth = width / heads;
  integers("splitShape", [0, 0, heads, depth]);
  integers("joinShape", [0, 0, width]);

  let bias = "";
  if (mask) {
    integers("maskAxes", [1, 2]);
    const real = emit("Cast", "mask.real", [emit("Unsqueeze", "mask.spread", ["mask", "maskAxes"])], {
      to: onnx.TensorProto.DataType.FLOAT,
    });
    bias = emit("Mul", "mask.bias", [emit("Sub", "mask.absent", [scalar("one", 1), real]), scalar("lowest", -10000)]);
  }
  const words = floats("embeddings.words", [vocabulary, width], () => draw());
  const positions = floats("embeddings.positions", [1, sequence, width], () => 0.5 * draw());
  let x = layerNorm(
    "embeddings.norm",
    emit("Add", "embeddings.sum", [emit("Gather", "embeddings.rows", [words, "ids"], { axis: 0 }), positions]),
  );
  for (let layer = 0; layer < layers; layer++) {
    const name = `layer${layer}`;
    const query = perHead(`${name}.query`, linear(`${name}.query`, x, width, width, 1.5), [0, 2, 1, 3]);
    const key = perHead(`${name}.key`, linear(`${name}.key`, x, width, width, 1.5), [0, 2, 3, 1]);
    const value = perHead(`${name}.value`, linear(`${name}.value`, x, width, width), [0, 2, 1, 3]);
    let scores = emit("Div", `${name}.scores`, [emit("MatMul", `${name}.similarity`, [query, key]), scalar("rootDepth", Math.sqrt(depth))]);
    if (mask) scores = emit("Add", `${name}.masked`, [scores, bias]);
    const attention = emit("MatMul", `${name}.attended`, [emit("Softmax", `${name}.attention`, [scores], { axis: -1 }), value]);
    const merged = emit("Transpose", `${name}.merged`, [attention], { perm: [0, 2, 1, 3] });
    const context = emit("Reshape", `${name}.context`, [merged, "joinShape"]);
    x = layerNorm(`${name}.norm1`, emit("Add", `${name}.sum1`, [linear(`${name}.output`, context, width, width), x]));
    const inner = gelu(`${name}.gelu`, linear(`${name}.inner`, x, width, hidden));
    const last = layer === layers - 1 ? "hidden" : `${name}.y`;
    x = emit("Identity", last, [
      layerNorm(`${name}.norm2`, emit("Add", `${name}.sum2`, [linear(`${name}.outer`, inner, hidden, width), x])),
    ]);
  }

  const port = (name, elemType, dims) => ({
    name,
    type: { tensorType: { elemType, shape: { dim: dims.map((dimValue) => ({ dimValue })) } } },
  });
  const { FLOAT, INT64 } = onnx.TensorProto.DataType;
  const input = ["ids", ...(mask ? ["mask"] : [])].map((name) => port(name, INT64, [1, sequence]));
  const graph = { name: "encoder", node: nodes, initializer: initializers, input, output: [port("hidden", FLOAT, [1, sequence, width])] };
  const model = { irVersion: 8, opsetImport: [{ domain: "", version: opset }], producerName: "eqm-bench", graph };
  return onnx.ModelProto.encode(model).finish();
}

/** Rows of token ids as .npy, int64 [count, sequence]. @param {number} count @param {Partial<typeof DEFAULTS>} [sizes] */
export function encoderIds(count, sizes = {}) {
  const { sequence, vocabulary } = { ...DEFAULTS, ...sizes };
  const draw = normal(7);
  const ids = BigInt64Array.from({ length: count * sequence }, () => BigInt(Math.floor(Math.abs(draw()) * 1e6) % vocabulary));
  const header = `{'descr': '<i8', 'fortran_order': False, 'shape': (${count}, ${sequence}), }`.padEnd(117);
  return Buffer.concat([Buffer.from("\x93NUMPY\x01\x00v\x00", "latin1"), Buffer.from(`${header}\n`), new Uint8Array(ids.buffer)]);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [folder, ...options] = process.argv.slice(2);
  if (folder === undefined) throw new Error("which folder shall the encoder be written to?");
  const sizes = Object.fromEntries(
    options.map((option) => {
      const [, name, value] = /^--(\w+)(?:=(\d+))?$/.exec(option) ?? [];
      if (!Object.hasOwn(DEFAULTS, name)) throw new Error(`${option} is no option`);
      return [name, value === undefined ? true : Number(value)];
    }),
  );
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "encoder.onnx"), encoderModel(sizes));
  writeFileSync(join(folder, "calib_x.npy"), encoderIds(16, sizes));
}
