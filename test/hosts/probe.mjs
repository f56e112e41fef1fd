/**
 * Runs one compiled model on the engine that executes this file, on each build of the runtime, and prints one JSON line:
 *
 *   { engine, hashes, outputs, distinct, ms }
 *
 * Arguments, all as text: the URL of eqm's bundle, the URL of a .eqm, the lowest and the highest input value (defaults −1 and 1).
 * The inputs are pseudo-random and the same on every engine; `hashes` has by build the hash of names, types, lengths and bytes of all
 * outputs in the order of their names, null where the engine has no such build. `distinct` is the number of different values in the
 * outputs: 1 means that the model said nothing. Imports nothing from an engine but the reading of a file.
 */
import { readBytes, scriptArguments } from "./ground.mjs";

const [bundleUrl, modelUrl, lowest = "-1", highest = "1"] = scriptArguments;
const { load } = await import(bundleUrl);
const bytes = await readBytes(modelUrl);

const report = { engine: engineName(), hashes: {} };
for (const build of ["plain", "relaxed"]) {
  let model;
  try {
    model = await load(bytes.slice(), { build });
  } catch (error) {
    if (error.code !== "no-build") throw error;
    report.hashes[build] = null;
    continue;
  }
  const inputs = pseudoRandomInputs(model.inputs, Number(lowest), Number(highest));
  const started = performance.now();
  const outputs = model.run(inputs);
  report.ms = Math.round((performance.now() - started) * 1000) / 1000;
  report.hashes[build] = hashOf(outputs);
  report.outputs = Object.keys(outputs).length;
  report.distinct = new Set(Object.values(outputs).flatMap((data) => Array.from(data, String))).size;
  model.dispose();
}
console.log(JSON.stringify(report));

function engineName() {
  if (globalThis.Deno !== undefined) return `deno ${Deno.version.deno}`;
  if (globalThis.Bun !== undefined) return `bun ${Bun.version}`;
  if (globalThis.process?.versions?.node !== undefined) return `node ${process.versions.node}`;
  return navigator.userAgent;
}

// The generator is mulberry32; the arithmetic is exact or IEEE double, so that every engine draws the same numbers.
function pseudoRandomInputs(descriptions, low, high) {
  let state = 0x9e3779b9;
  const draw = () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
  const arrays = {
    float32: (length) => Float32Array.from({ length }, () => low + draw() * (high - low)),
    int8: (length) => Int8Array.from({ length }, () => Math.floor(draw() * 256) - 128),
    uint8: (length) => Uint8Array.from({ length }, () => Math.floor(draw() * 256)),
    int32: (length) => Int32Array.from({ length }, () => Math.floor(draw() * 8)),
    int64: (length) => BigInt64Array.from({ length }, () => BigInt(Math.floor(draw() * 8))),
  };
  const inputs = {};
  for (const { name, dtype, shape } of descriptions) {
    const make = arrays[dtype];
    if (make === undefined) throw new Error(`input ${name}: no generator for ${dtype}`);
    inputs[name] = make(shape.reduce((product, dimension) => product * dimension, 1));
  }
  return inputs;
}

// FNV-1a with 64 bits (draft-eastlake-fnv), as 16 hexadecimal digits.
function hashOf(named) {
  let hash = 0xcbf29ce484222325n;
  const add = (bytes) => {
    for (const byte of bytes) hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * 0x100000001b3n);
  };
  const text = new TextEncoder();
  for (const name of Object.keys(named).sort()) {
    const data = named[name];
    add(text.encode(`${name} ${data.constructor.name} ${data.length}\n`));
    add(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  }
  return hash.toString(16).padStart(16, "0");
}
