/**
 * Outputs of onnxruntime-node, which eqm's float results are held against.
 *
 * An output that a Sigmoid computes is taken as the exact sigmoid, in float64, of onnxruntime's argument. onnxruntime's own has an
 * absolute error of about 1e-7 whatever the result: of YuNet's object scores, none of which is above 1e-4 on an image without a
 * face, that is a thousandth (1.2e-3 measured against a float64 evaluation of the whole network, where eqm is within 1.0e-5).
 */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import proto from "onnx-proto";
import { ROOT } from "./models.mjs";

const PACKAGE = join(ROOT, "bench/node_modules/onnxruntime-node/package.json");

/** The version that is installed; undefined where none is. */
export const peerVersion = existsSync(PACKAGE) ? JSON.parse(readFileSync(PACKAGE, "utf8")).version : undefined;

/**
 * Opens a float model, single-threaded.
 *
 * @param {string} path of the .onnx
 * @returns {Promise<{ run(feeds: Record<string, { shape: readonly number[], data: Float32Array | BigInt64Array }>): Promise<{ outputs: Record<string, ArrayLike<number>>, own: Record<string, ArrayLike<number>> }>, close(): Promise<void> }>}
 *   `own` holds onnxruntime's own results of the outputs that a Sigmoid computes
 */
export async function openPeer(path) {
  const { default: ort } = await import("onnxruntime-node");
  const { bytes, logits } = withLogits(readFileSync(path));
  const session = await ort.InferenceSession.create(bytes, { intraOpNumThreads: 1, interOpNumThreads: 1, logSeverityLevel: 3 });
  return {
    async run(feeds) {
      const tensors = Object.entries(feeds).map(([name, { shape, data }]) => [
        name,
        new ort.Tensor(data instanceof BigInt64Array ? "int64" : "float32", data, shape),
      ]);
      const results = await session.run(Object.fromEntries(tensors));
      const [outputs, own] = [{}, {}];
      for (const name of session.outputNames.filter((output) => !logits.has(output))) outputs[name] = results[name].data;
      for (const [logit, name] of logits) {
        own[name] = outputs[name];
        outputs[name] = Float64Array.from(results[logit].data, (x) => 1 / (1 + Math.exp(-x)));
      }
      return { outputs, own };
    },
    close: () => session.release(),
  };
}

// The model with the arguments of its outputs' sigmoids as further outputs, and a map from those to the outputs.
function withLogits(bytes) {
  const { ModelProto, ValueInfoProto } = proto.onnx;
  const model = ModelProto.decode(bytes);
  const logits = new Map();
  for (const output of [...model.graph.output]) {
    const producer = model.graph.node.find((node) => node.output.includes(output.name));
    if (producer?.opType !== "Sigmoid" || model.graph.output.some(({ name }) => name === producer.input[0])) continue;
    logits.set(producer.input[0], output.name);
    model.graph.output.push(ValueInfoProto.create({ ...output, name: producer.input[0] }));
  }
  return { bytes: logits.size === 0 ? bytes : ModelProto.encode(model).finish(), logits };
}
