/**
 * A fresh process that loads one contestant, runs it once, then twenty times more, and prints one JSON line:
 *
 *   { importMs, loadMs, firstRunMs, peakBytes }      importMs is the runtime's code; loadMs counts from before the model file is read
 *
 * The task is one JSON argument. Without a runtime it prints what a bare Node takes, measured the same way. With `decoding` it adds { decodeMs,
 * decodedBytes }: what eqm's decoders took, by a clock around each call of theirs.
 */
import { readFileSync } from "node:fs";
import { importRuntime } from "./contestants/list.mjs";
import { makeFeeds } from "./feeds.mjs";

/** @type {{ runtime?: string, path?: string, range: [number, number], shapes: object, dist: string, decoding?: boolean }} */
const task = JSON.parse(process.argv[2]);
const result = {};
if (task.decoding) clockDecoders();

if (task.runtime !== undefined) {
  const runtime = await importRuntime(task.runtime);
  const begun = performance.now();
  await runtime.prepare(task);
  result.importMs = performance.now() - begun;

  const started = performance.now();
  const contestant = await runtime.load(task.path, task);
  result.loadMs = performance.now() - started;

  const feeds = makeFeeds(contestant.inputs, task.range, task.shapes);
  const before = performance.now();
  await contestant.run(feeds);
  result.firstRunMs = performance.now() - before;

  for (let run = 0; run < 20; run++) await contestant.run(feeds);
}
result.peakBytes = peakBytes();
console.log(JSON.stringify(result));

/** The decoders that the runtime exports; their fourth argument is how many bytes come out (host/runtime.ts). */
function clockDecoders() {
  Object.assign(result, { decodeMs: 0, decodedBytes: 0 });
  const { Instance } = WebAssembly;
  const clocked =
    (decode) =>
    (...args) => {
      const start = performance.now();
      const status = decode(...args);
      result.decodeMs += performance.now() - start;
      result.decodedBytes += args[3];
      return status;
    };
  WebAssembly.Instance = function timed(module, imports) {
    const { exports } = new Instance(module, imports);
    const entries = Object.entries(exports).map(([name, value]) => [
      name,
      /^decode(|Blocks|Groups|Nibbles)$/.test(name) ? clocked(value) : value,
    ]);
    return { exports: Object.fromEntries(entries) };
  };
}

// ru_maxrss survives exec on Linux and would count the parent; VmHWM does not.
function peakBytes() {
  try {
    const [, kilobytes] = /VmHWM:\s*(\d+) kB/.exec(readFileSync("/proc/self/status", "utf8")) ?? [];
    if (kilobytes !== undefined) return Number(kilobytes) * 1024;
  } catch {
    // Not Linux.
  }
  return process.resourceUsage().maxRSS * 1024;
}
