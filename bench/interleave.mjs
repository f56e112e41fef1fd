/**
 * Times all contestants on one model in one process, taking turns: A B C A B C …, so that a change of the machine's pace meets all of
 * them. Run by run.mjs as a process of its own: the task is one JSON argument, the result one JSON line on stdout.
 *
 * A turn is one untimed run and then as many timed ones as take about `turnMs`; the turn's figure is their mean.
 */
import { agreementWith } from "./agreement.mjs";
import { importRuntime } from "./contestants/list.mjs";
import { makeFeeds } from "./feeds.mjs";

/** @type {{ contestants: { id: string, runtime: string, path: string }[], range: [number, number], shapes: object, dist: string,
 *   warmMs: number, turnMs: number, minRounds: number, minSeconds: number, maxSeconds: number }} */
const task = JSON.parse(process.argv[2]);

// Outputs are compared with the first of these that is there.
const REFERENCES = ["ort-node-float32", "ort-web-float32"];

const errors = {};
const entries = [];
let feeds;
for (const { id, runtime, path } of task.contestants) {
  try {
    const contestant = await (await importRuntime(runtime)).load(path, task);
    feeds ??= makeFeeds(contestant.inputs, task.range, task.shapes);
    const outputs = copyOf(await contestant.run(feeds));
    entries.push({ id, contestant, outputs, runsPerTurn: await warmUp(contestant), turns: [] });
  } catch (error) {
    errors[id] = String(error?.message ?? error);
  }
}

const started = performance.now();
for (let round = 0; ; round++) {
  const seconds = (performance.now() - started) / 1000;
  if ((round >= task.minRounds && seconds >= task.minSeconds) || seconds >= task.maxSeconds) break;
  for (const { contestant, runsPerTurn, turns } of entries) turns.push(await timeTurn(contestant, runsPerTurn));
}

const reference = REFERENCES.map((wanted) => entries.find(({ id }) => id === wanted)).find((entry) => entry !== undefined);
const results = [];
for (const { id, contestant, outputs, runsPerTurn, turns } of entries) {
  try {
    const agreement = reference === undefined || id === reference.id ? undefined : agreementWith(reference.outputs, outputs);
    results.push({ id, runsPerTurn, turnsMs: turns, features: contestant.features, agreement });
  } catch (error) {
    errors[id] = error.message;
  }
}
for (const { contestant } of entries) await contestant.dispose();
console.log(JSON.stringify({ results, errors }));

async function warmUp(contestant) {
  const begun = performance.now();
  let runs = 0;
  let fastestMs = Number.POSITIVE_INFINITY;
  do {
    const before = performance.now();
    await runOnce(contestant);
    fastestMs = Math.min(fastestMs, performance.now() - before);
    runs++;
  } while (performance.now() - begun < task.warmMs || runs < 3);
  return Math.max(1, Math.round(task.turnMs / Math.max(fastestMs, 1e-3)));
}

async function timeTurn(contestant, runs) {
  await runOnce(contestant);
  const before = performance.now();
  for (let run = 0; run < runs; run++) await runOnce(contestant);
  return (performance.now() - before) / runs;
}

// A synchronous contestant is not made to wait for a promise.
function runOnce(contestant) {
  const outputs = contestant.run(feeds);
  return outputs instanceof Promise ? outputs : undefined;
}

function copyOf(outputs) {
  return Object.fromEntries(Object.entries(outputs).map(([name, data]) => [name, data.slice()]));
}
