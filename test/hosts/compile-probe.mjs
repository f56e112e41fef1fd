/**
 * Compiles one ONNX model on the engine that executes this file, and prints one JSON line, { engine, bytesHash, bytes }.
 *
 * Arguments, all as text: the URL of eqm's compiler, the URL of an .onnx. No calibration data: the inputs are synthesised, by
 * arithmetic that is the same everywhere. Imports nothing from an engine but the reading of a file.
 */
import { hashOf, readBytes, scriptArguments } from "./ground.mjs";

const [bundleUrl, modelUrl] = scriptArguments;
const { compile } = await import(bundleUrl);
const { bytes } = await compile(await readBytes(modelUrl), { force: true });
console.log(JSON.stringify({ bytesHash: hashOf(bytes), bytes: bytes.length }));
