/** One model in other engines: eqm beside LiteRT.js in one Chromium page, and eqm alone in Firefox, WebKit, Deno, Bun and Node. */
import { pathToFileURL } from "node:url";
import { runChild } from "./child.mjs";
import { ENGINE_CONTESTANTS, importRuntime } from "./contestants/list.mjs";
import { median, medianRatio, quantile } from "./statistics.mjs";

/** An engine's run ends within two minutes (test/hosts); this leaves time to load and warm up. */
const MAX_SECONDS = 60;

/** Outputs of a float network that are further from eqm's than this, or of an int8 one than none at all, are of another network. */
const LEAST_SQNR_DB = { "litert-float32": 60 };

/** A page's clock ticks in steps of up to 0.1 ms: turns are long enough for that not to matter. */
const TURN_MS = 20;

/**
 * @param {import("./models.mjs").Model} model
 * @param {{ files: Record<string, string> }} compiled
 * @param {import("./measure.mjs").Settings & { pageSeconds: number, engineSeconds: number }} settings
 * @param {(text: string) => void} progress
 * @returns {Promise<{ engine: string, version: string, rows: object[] }[]>} by engine that is here: rows as measureModel's, sizes and cold start
 *   apart; the ratio is to the first contestant of the list
 */
export async function measureEngines(model, compiled, settings, progress) {
  const contestants = [];
  for (const { id, runtime, kind, engine, options } of ENGINE_CONTESTANTS) {
    const path = compiled.files[kind];
    if (path === undefined) {
      progress(`${model.name}: without ${id}: ${compiled.errors[kind]}`);
      continue;
    }
    const files = await (await importRuntime(runtime)).pageFiles(settings);
    const ports = compiled.ports[kind];
    contestants.push({ id, runtime, engine, options, ports, files: { ...files, model: pathToFileURL(path).href } });
  }
  progress(`${model.name}: in further engines`);
  const { warmMs, minRounds, pageSeconds, engineSeconds, maxSeconds, node } = settings;
  const minSeconds = { chromium: pageSeconds, default: engineSeconds };
  const limits = { warmMs, turnMs: TURN_MS, minRounds, minSeconds, maxSeconds: Math.min(maxSeconds, MAX_SECONDS) };
  try {
    const measured = runChild("engine-host.mjs", { contestants, range: model.range, shapes: model.shapes, ...limits }, node);
    return measured.map(({ engine, version, results, errors }) => ({ engine, version, rows: rowsOf(results, errors) }));
  } catch (error) {
    const reason = error.message.split("\n").find((line) => /Error/.test(line)) ?? error.message.split("\n")[0];
    progress(`${model.name}: not measured in further engines (npm run hosts:install brings them): ${reason}`);
    return [];
  }
}

function rowsOf(results, errors) {
  const baseline = results.find(({ id }) => id === ENGINE_CONTESTANTS[0].id)?.turnsMs;
  return ENGINE_CONTESTANTS.flatMap(({ id, label }) => {
    if (errors[id] !== undefined) return [{ id, label, error: errors[id] }];
    const { turnsMs, runsPerTurn, agreement, features } = results.find((result) => result.id === id) ?? {};
    if (turnsMs === undefined) return [];
    const sqnrDb = agreement?.sqnrDb ?? Number.POSITIVE_INFINITY;
    if (sqnrDb < (LEAST_SQNR_DB[id] ?? 0)) {
      return [{ id, label, error: `its outputs are not those of the model: SQNR ${sqnrDb.toFixed(1)} dB` }];
    }
    const [medianMs, lowMs, highMs] = [median(turnsMs), quantile(turnsMs, 0.1), quantile(turnsMs, 0.9)];
    const ratio = baseline === undefined ? undefined : medianRatio(turnsMs, baseline);
    return [{ id, label, rounds: turnsMs.length, runsPerTurn, medianMs, lowMs, highMs, ratio, agreement, features, turnsMs }];
  });
}
