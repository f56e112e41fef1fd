/**
 * Times contestants on one model in one place, taking turns: A B C A B C …, so that a change of the machine's pace meets all of them.
 * Runs in every engine: it needs nothing but `performance`.
 *
 * A turn is one untimed run and then as many timed ones as take about `turnMs`; the turn's figure is their mean.
 */
import { agreementWith } from "./agreement.mjs";
import { makeFeeds } from "./feeds.mjs";

/**
 * @typedef {object} Opened
 * @property {readonly object[]} inputs
 * @property {(feeds: object) => object | Promise<object>} run
 * @property {(outputs: object) => object} [decode] outputs as the float model gives them, where a run gives something else
 * @property {() => unknown} dispose
 * @property {object} [features]
 */

/**
 * @param {readonly { id: string, open: () => Promise<Opened> }[]} contestants the first one's inputs are everyone's
 * @param {{ range: [number, number], shapes: object, references: readonly string[], warmMs: number, turnMs: number, minRounds: number,
 *   minSeconds: number, maxSeconds: number }} task outputs are compared with the first of `references` that runs
 * @returns {Promise<{ results: object[], errors: Record<string, string> }>} turns in ms by contestant; whoever threw or gave other outputs is
 *   in `errors`
 */
export async function takeTurns(contestants, task) {
  const errors = {};
  const entries = [];
  let feeds;
  for (const { id, open } of contestants) {
    try {
      const opened = await open();
      feeds ??= makeFeeds(opened.inputs, task.range, task.shapes);
      const outputs = copyOf(await opened.run(feeds));
      entries.push({ id, opened, outputs: opened.decode?.(outputs) ?? outputs, runsPerTurn: await warmUp(opened, feeds, task), turns: [] });
    } catch (error) {
      errors[id] = String(error?.message ?? error);
    }
  }

  const started = performance.now();
  for (let round = 0; ; round++) {
    const seconds = (performance.now() - started) / 1000;
    if ((round >= task.minRounds && seconds >= task.minSeconds) || seconds >= task.maxSeconds) break;
    for (const { opened, runsPerTurn, turns } of entries) turns.push(await timeTurn(opened, feeds, runsPerTurn));
  }

  const reference = task.references.map((wanted) => entries.find(({ id }) => id === wanted)).find((entry) => entry !== undefined);
  const results = [];
  for (const { id, opened, outputs, runsPerTurn, turns } of entries) {
    try {
      const agreement = reference === undefined || id === reference.id ? undefined : agreementWith(reference.outputs, outputs);
      results.push({ id, runsPerTurn, turnsMs: turns, features: opened.features, agreement });
    } catch (error) {
      errors[id] = error.message;
    }
  }
  for (const { opened } of entries) await opened.dispose();
  return { results, errors };
}

/** Runs for at least `warmMs` and returns how many runs take about `turnMs`. */
async function warmUp(opened, feeds, { warmMs, turnMs }) {
  const begun = performance.now();
  let runs = 0;
  for (; performance.now() - begun < warmMs || runs < 3; runs++) await runOnce(opened, feeds);
  let runMs = (performance.now() - begun) / runs;
  // The mean has the first runs in it, and a page's clock ticks in steps longer than a small model's run: the best of three turns.
  for (let turn = 0; turn < 3; turn++) runMs = Math.min(runMs, await timeTurn(opened, feeds, runsIn(turnMs, runMs)));
  return runsIn(turnMs, runMs);
}

function runsIn(turnMs, runMs) {
  return Math.max(1, Math.round(turnMs / Math.max(runMs, 1e-3)));
}

async function timeTurn(opened, feeds, runs) {
  await runOnce(opened, feeds);
  const before = performance.now();
  for (let run = 0; run < runs; run++) await runOnce(opened, feeds);
  return (performance.now() - before) / runs;
}

// A synchronous contestant is not made to wait for a promise.
function runOnce(opened, feeds) {
  const outputs = opened.run(feeds);
  return outputs instanceof Promise ? outputs : undefined;
}

function copyOf(outputs) {
  return Object.fromEntries(Object.entries(outputs).map(([name, data]) => [name, data.slice()]));
}
