/**
 * The contestants: a runtime and the kind of model file that it is given. The first one is what the ratios are relative to.
 *
 * A runtime is a module of this folder with
 *
 *   load(path, { dist }) → { inputs, run, dispose }   run(feeds) gives Record<name, TypedArray>, or a promise of one where the peer has no other
 *   version({ dist })    → string
 *   downloads({ dist })  → paths of what a page has to fetch, or [] where a page cannot run it
 *   modules({ dist })    → optional: paths of .wasm files that the downloads carry inside
 *
 * where `inputs` is { name, dtype, shape }[] with numbers and symbolic names, and every run is on one thread.
 *
 * In other engines than Node, which have no paths, the runtime is a second module, <runtime>.page.mjs, with the same `load`, given URLs:
 *
 *   pageFiles({ dist })     → of the first module: URLs of what the second one needs, by name
 *   load(files, { ports })  → of the second one: `files` are those and the model's URL as `model`; `decode(outputs)` gives the float
 *                             model's outputs where `run` gives something else
 */

/** @type {readonly { id: string, label: string, runtime: string, kind: string }[]} */
export const CONTESTANTS = [
  { id: "eqm-int8", label: "eqm int8", runtime: "eqm", kind: "eqm-int8" },
  { id: "eqm-float32", label: "eqm float", runtime: "eqm", kind: "eqm-float32" },
  { id: "ort-web-float32", label: "onnxruntime-web float", runtime: "ort-web", kind: "onnx" },
  { id: "ort-web-int8", label: "onnxruntime-web int8 (QDQ)", runtime: "ort-web", kind: "qdq" },
  { id: "ort-node-float32", label: "onnxruntime-node float", runtime: "ort-node", kind: "onnx" },
  { id: "ort-node-int8", label: "onnxruntime-node int8 (QDQ)", runtime: "ort-node", kind: "qdq" },
];

/**
 * Those that run in engines of their own: in Chromium all of them, on one page; in Deno, Bun and Node those without `engine`.
 *
 * @type {readonly { id: string, label: string, runtime: string, kind: string, engine?: string }[]}
 */
export const ENGINE_CONTESTANTS = [
  { id: "eqm-int8", label: "eqm int8", runtime: "eqm", kind: "eqm-int8" },
  { id: "eqm-float32", label: "eqm float", runtime: "eqm", kind: "eqm-float32" },
  { id: "litert-int8", label: "LiteRT.js int8", runtime: "litert", kind: "tflite", engine: "chromium" },
];

/** The module of a runtime, by its name in the list. */
export function importRuntime(runtime) {
  return import(new URL(`${runtime}.mjs`, import.meta.url));
}
