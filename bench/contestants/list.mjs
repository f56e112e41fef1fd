/**
 * The contestants: a runtime and the kind of model file that it is given. The first one is what the ratios are relative to.
 *
 * A runtime is a module of this folder with
 *
 *   prepare({ dist, threads }) → imports the runtime's code, which is timed apart
 *   load(path, { dist, threads, build }) → { inputs, run, dispose }   run(feeds) gives Record<name, TypedArray>, or a promise of one where the peer has
 *                           no other; throws where it cannot run on that many threads
 *   version({ dist })    → string
 *   downloads({ dist })  → paths of what a page has to fetch, or [] where a page cannot run it
 *   modules({ dist })    → optional: paths of .wasm files that the downloads carry inside
 *
 * where `inputs` is { name, dtype, shape }[] with numbers and symbolic names, and every run is on one thread unless `threads` says more.
 *
 * In other engines than Node, which have no paths, the runtime is a second module, <runtime>.page.mjs, with the same `load`, given URLs:
 *
 *   pageFiles({ dist })     → of the first module: URLs of what the second one needs, by name
 *   load(files, { ports, options })  → of the second one: `files` are those and the model's URL as `model`; `decode(outputs)` gives the float
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

/** The same on two threads; `single` is the one on one thread. */
export const ON_TWO_THREADS = CONTESTANTS.map((contestant) => ({
  ...contestant,
  id: `${contestant.id}-2`,
  single: contestant.id,
  threads: 2,
}));

/** What weights of four bits are held against; `build` is eqm's own to choose elsewhere. */
export const WEIGHT_CONTESTANTS = [
  { id: "eqm-int4", label: "eqm, 4-bit weights", runtime: "eqm", kind: "eqm-int4" },
  { id: "eqm-int8-relaxed", label: "eqm, 8-bit weights, relaxed build", runtime: "eqm", kind: "eqm-int8", build: "relaxed" },
  { id: "eqm-int8-plain", label: "eqm, 8-bit weights, plain build", runtime: "eqm", kind: "eqm-int8", build: "plain" },
];

/**
 * Those that run in engines of their own: in Chromium all of them, on one page; in the others those without `engine`.
 *
 * @type {readonly { id: string, label: string, runtime: string, kind: string, engine?: string, options?: object }[]}
 */
export const ENGINE_CONTESTANTS = [
  { id: "eqm-int8", label: "eqm int8", runtime: "eqm", kind: "eqm-int8" },
  { id: "eqm-float32", label: "eqm float", runtime: "eqm", kind: "eqm-float32" },
  {
    id: "eqm-fast-float",
    label: "eqm float, fastFloat",
    runtime: "eqm",
    kind: "eqm-float32",
    engine: "chromium",
    options: { fastFloat: true },
  },
  { id: "litert-int8", label: "LiteRT.js int8", runtime: "litert", kind: "tflite-int8", engine: "chromium" },
  { id: "litert-float32", label: "LiteRT.js float", runtime: "litert", kind: "tflite-float32", engine: "chromium" },
];

/** The module of a runtime, by its name in the list. */
export function importRuntime(runtime) {
  return import(new URL(`${runtime}.mjs`, import.meta.url));
}
