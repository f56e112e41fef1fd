/** onnxruntime-web on its WebAssembly backend. The number of threads is one for a whole process. */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { openSession } from "./ort.mjs";

const PACKAGE = new URL("../node_modules/onnxruntime-web/", import.meta.url);

export function prepare() {
  return import("onnxruntime-web");
}

export async function load(path, { threads = 1 }) {
  const ort = await prepare();
  ort.env.wasm.numThreads = threads;
  return openSession(ort, "web", path, { executionProviders: ["wasm"] });
}

export function version() {
  return JSON.parse(readFileSync(new URL("package.json", PACKAGE), "utf8")).version;
}

/** The smallest set that runs in a page: the wasm-only entry, its loader and the module itself. */
export function downloads() {
  const files = ["ort.wasm.min.mjs", "ort-wasm-simd-threaded.mjs", "ort-wasm-simd-threaded.wasm"];
  return files.map((file) => fileURLToPath(new URL(`dist/${file}`, PACKAGE)));
}
