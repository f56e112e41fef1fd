/**
 * Runs one compiled model on several threads of the engine that executes this file, over and over, and prints one JSON line:
 *
 *   { features, hashes, runs, worker }
 *
 * Arguments, all as text: the URL of the bundle eqm/threads, that of the one for Node, Deno and Bun, and the URL of a .eqm. `hashes` are those
 * of all outputs of a few runs, by the number of threads; `runs` says how many runs followed, of models that were loaded and disposed of in
 * between, all with the same result; `features` are those of the model on two threads. `worker` is the hash of a model in a worker that has
 * threads of its own, where there is a web worker.
 */
import { readBytes, scriptArguments } from "./ground.mjs";

const [webUrl, nodeUrl, modelUrl] = scriptArguments;
const isPage = globalThis.document !== undefined;
const { load } = await import(isPage ? webUrl : nodeUrl);
const bytes = await readBytes(modelUrl);

const MODELS = 60;
const RUNS = 40;

const hashes = {};
let features;
for (const threads of [1, 2, 3]) {
  const model = await load(bytes.slice(), { threads });
  if (threads === 2) features = model.features;
  hashes[threads] = [1, 2, 3, 4, 5].map((seed) => hashOf(model.run(inputsOf(model, seed)))).join(" ");
  model.dispose();
}

let runs = 0;
for (let i = 0; i < MODELS; i++) {
  const model = await load(bytes.slice(), { threads: 2 + (i % 2) });
  const inputs = inputsOf(model, 1);
  for (let k = 0; k < RUNS; k++) {
    // Long enough for the threads to fall asleep.
    if (k % 16 === 15) await new Promise((resolve) => setTimeout(resolve, 2));
    if (hashOf(model.run(inputs)) !== hashes[1].split(" ")[0]) throw new Error(`run ${k} of model ${i} gives something else`);
    runs++;
  }
  model.dispose();
}

let worker;
if (isPage) {
  const model = await load(bytes.slice(), {
    threads: 2,
    worker: () => new Worker(new URL("worker.js", webUrl), { type: "module" }),
  });
  if (model.features.threads !== features.threads) throw new Error(`in a worker: ${model.features.threadsReason}`);
  worker = hashOf(await model.runAsync(inputsOf(model, 1)));
  model.dispose();
}
console.log(JSON.stringify({ features, hashes, runs, worker: worker ?? hashes[1].split(" ")[0] }));

function inputsOf({ inputs }, seed) {
  return Object.fromEntries(
    inputs.map(({ name, shape }) => {
      let state = seed * 0x9e3779b1;
      const draw = () => {
        state = (Math.imul(state, 1664525) + 1013904223) | 0;
        return state / 2 ** 31;
      };
      return [name, Float32Array.from({ length: shape.reduce((product, size) => product * size, 1) }, draw)];
    }),
  );
}

function hashOf(named) {
  let hash = 0x811c9dc5;
  for (const name of Object.keys(named).sort()) {
    const { buffer, byteOffset, byteLength } = named[name];
    for (const byte of new Uint8Array(buffer, byteOffset, byteLength)) hash = Math.imul(hash ^ byte, 0x01000193);
  }
  return (hash >>> 0).toString(16).padStart(8, "0");
}
