/**
 * Writes the linear layers of the transformer encoder (encoder.mjs) one after the other as ONNX, without what stands between them:
 *
 *   node bench/encoder-linear.mjs FOLDER
 *
 * FOLDER gets model.onnx, [128, 384] to [128, 384], and calib_x.npy. Each of the 6 layers has query, key, value and output, 384 → 384, then
 * 384 → 1536 and 1536 → 384: a MatMul and an Add each, 1.36 GMAC together. The weights are drawn from a seed and keep the variance.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import onnxProto from "onnx-proto";
import { DEFAULTS } from "./encoder.mjs";

const { onnx } = onnxProto;
const { layers, width, hidden, sequence } = DEFAULTS;
const CALIBRATION_SAMPLES = 8;

/** Sizes of one encoder layer's linear layers, in their order. */
const SIZES = [...Array(4).fill([width, width]), [width, hidden], [hidden, width]];

const folder = process.argv[2];
if (folder === undefined) throw new Error("which folder shall the model be written to?");
mkdirSync(folder, { recursive: true });
writeFileSync(join(folder, "model.onnx"), linearLayers());
writeFileSync(join(folder, "calib_x.npy"), samples());

function linearLayers() {
  const { FLOAT } = onnx.TensorProto.DataType;
  const draw = uniform(1);
  const initializer = [];
  const node = [];
  const floats = (name, dims, limit) => {
    const data = Float32Array.from({ length: dims.reduce((a, b) => a * b, 1) }, () => limit * draw());
    initializer.push({ name, dims, dataType: FLOAT, rawData: new Uint8Array(data.buffer) });
    return name;
  };
  let x = "x";
  for (let layer = 0; layer < layers; layer++) {
    for (const [at, [from, to]] of SIZES.entries()) {
      const name = `layer${layer}.${at}`;
      const y = layer === layers - 1 && at === SIZES.length - 1 ? "y" : `${name}.y`;
      node.push({
        opType: "MatMul",
        name: `${name}.product`,
        input: [x, floats(`${name}.w`, [from, to], Math.sqrt(3 / from))],
        output: [`${name}.xw`],
      });
      node.push({ opType: "Add", name, input: [`${name}.xw`, floats(`${name}.b`, [to], 0.05)], output: [y] });
      x = y;
    }
  }
  const port = (name) => ({
    name,
    type: { tensorType: { elemType: FLOAT, shape: { dim: [sequence, width].map((dimValue) => ({ dimValue })) } } },
  });
  const graph = { name: "encoder_linear", node, initializer, input: [port("x")], output: [port("y")] };
  return onnx.ModelProto.encode({ irVersion: 8, opsetImport: [{ domain: "", version: 17 }], producerName: "eqm-bench", graph }).finish();
}

/** Inputs as the benchmark draws them, in −1 … 1, as .npy. */
function samples() {
  const draw = uniform(7);
  const data = Float32Array.from({ length: CALIBRATION_SAMPLES * sequence * width }, draw);
  const header = `{'descr': '<f4', 'fortran_order': False, 'shape': (${CALIBRATION_SAMPLES * sequence}, ${width}), }`.padEnd(117);
  return Buffer.concat([Buffer.from("\x93NUMPY\x01\x00v\x00", "latin1"), Buffer.from(`${header}\n`), new Uint8Array(data.buffer)]);
}

function uniform(seed) {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 31 - 1;
  };
}
