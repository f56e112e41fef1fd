/**
 * A fresh process that loads one .eqm, runs it once, and prints one JSON line:
 *
 *   { loadMs, firstRunMs, decodeMs, decodedBytes }      decodeMs is what the runtime's decoders took, by a clock around each call of theirs
 *
 * The task is one JSON argument.
 */
import { importRuntime } from "./contestants/list.mjs";
import { makeFeeds } from "./feeds.mjs";

/** The decoders that the runtime exports, and which of their arguments is how many bytes come out (host/runtime.ts). */
const DECODERS = /^decode(|Blocks|Groups|Nibbles)$/;
const COUNT = 3;

/** @type {{ path: string, range: [number, number], shapes: object, dist: string }} */
const task = JSON.parse(process.argv[2]);
const result = { decodeMs: 0, decodedBytes: 0 };
const { Instance } = WebAssembly;
WebAssembly.Instance = function timed(module, imports) {
  const { exports } = new Instance(module, imports);
  return {
    exports: Object.fromEntries(Object.entries(exports).map(([name, value]) => [name, DECODERS.test(name) ? clocked(value) : value])),
  };
};

const runtime = await importRuntime("eqm");
await runtime.prepare(task);
const started = performance.now();
const contestant = await runtime.load(task.path, task);
result.loadMs = performance.now() - started;
const feeds = makeFeeds(contestant.inputs, task.range, task.shapes);
const before = performance.now();
await contestant.run(feeds);
result.firstRunMs = performance.now() - before;
console.log(JSON.stringify(result));

function clocked(decode) {
  return (...args) => {
    const start = performance.now();
    const status = decode(...args);
    result.decodeMs += performance.now() - start;
    result.decodedBytes += args[COUNT];
    return status;
  };
}
