/**
 * Compiles one ONNX model with and without workers of the engine that executes this file, and prints one JSON line, { bytesHash, workers }:
 * the hash of the file that workers made, which has to be the one made without them, and what the report says of them.
 *
 * Arguments, all as text: the URL of eqm's compiler, the URL of an .onnx with one input of shape [1, 32, 24, 24]. The workers' scripts are beside
 * the compiler.
 */
import { hashOf, readBytes, scriptArguments } from "./ground.mjs";

const [bundleUrl, modelUrl] = scriptArguments;
const { compile } = await import(bundleUrl);
const onnx = await readBytes(modelUrl);

let state = 1;
const draw = () => {
  state = (Math.imul(state, 1664525) + 1013904223) | 0;
  return state / 2 ** 31;
};
const shape = [1, 32, 24, 24];
const calibration = Array.from({ length: 9 }, () => ({
  x: { dtype: "float32", shape, data: Float32Array.from({ length: 32 * 24 * 24 }, draw) },
}));
const isNode = globalThis.Worker === undefined;
const script = new URL(isNode ? "compiler-worker.node.js" : "compiler-worker.js", bundleUrl);
const { Worker } = isNode ? await import("node:worker_threads") : globalThis;
const startWorker = () => new Worker(script, { type: "module" });

const hashes = new Set();
let workers;
for (const count of [1, 2, 3]) {
  const { bytes, report } = await compile(onnx, { calibration, prune: 0.5, force: true, workers: count, startWorker });
  hashes.add(hashOf(bytes));
  workers = report.workers;
}
if (hashes.size > 1) throw new Error(`with other workers other bytes: ${[...hashes].join(", ")}`);
console.log(JSON.stringify({ bytesHash: [...hashes][0], workers }));
