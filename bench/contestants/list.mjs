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

/** The module of a runtime, by its name in the list. */
export function importRuntime(runtime) {
  return import(new URL(`${runtime}.mjs`, import.meta.url));
}
