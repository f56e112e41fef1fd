/**
 * A fresh process that loads one contestant, runs it once, then twenty times more, and prints one JSON line:
 *
 *   { importMs, loadMs, firstRunMs, peakBytes }      importMs is the runtime's code; loadMs counts from before the model file is read
 *
 * The task is one JSON argument. Without a runtime it prints what a bare Node takes, measured the same way.
 */
import { readFileSync } from "node:fs";
import { importRuntime } from "./contestants/list.mjs";
import { makeFeeds } from "./feeds.mjs";

/** @type {{ runtime?: string, path?: string, range: [number, number], shapes: object, dist: string }} */
const task = JSON.parse(process.argv[2]);
const result = {};

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
