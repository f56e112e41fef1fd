/** One model measured: the interleaved runs on one and on two threads, the cold starts and the sizes, each in processes of their own. */
import { readFileSync } from "node:fs";
import { basename } from "node:path";
import { gzipSync } from "node:zlib";
import { runChild } from "./child.mjs";
import { CONTESTANTS, ENGINE_CONTESTANTS, importRuntime, ON_TWO_THREADS, WEIGHT_CONTESTANTS } from "./contestants/list.mjs";
import { median, medianRatio, quantile } from "./statistics.mjs";

/**
 * @typedef {object} Settings
 * @property {string} node binary that the contestants run in
 * @property {string} dist folder of the built eqm
 * @property {number} warmMs @property {number} turnMs @property {number} minRounds @property {number} minSeconds @property {number} maxSeconds
 * @property {number} threadSeconds least time of the run on two threads
 * @property {number} coldStarts fresh processes per contestant
 */

/**
 * @param {import("./models.mjs").Model} model
 * @param {{ files: Record<string, string>, errors: Record<string, string> }} compiled
 * @param {Settings} settings
 * @param {(text: string) => void} progress
 * @returns {Promise<object[]>} one row per contestant, in the list's order; a row without figures has `error`: it was not compiled, threw,
 *   or its outputs differ from the reference's by more than they are
 */
export async function measureModel(model, compiled, settings, progress) {
  const task = { range: model.range, shapes: model.shapes, ...settings };
  const present = presentOf(CONTESTANTS, compiled);
  progress(`${model.name}: ${present.length} contestants in turns`);
  const warm = runChild("interleave.mjs", { ...task, contestants: present }, settings.node);
  const runnable = present.filter(({ id }) => warm.errors[id] === undefined);
  const cold = measureColdStarts(runnable, task, settings, (repetition) =>
    progress(`${model.name}: cold start ${repetition} of ${settings.coldStarts}`),
  );
  return rowsOf(CONTESTANTS, warm, compiled).map((row) =>
    row.error === undefined ? { ...row, ...cold.get(row.id), ...modelSizes(compiled.files[kindOf(row.id)]) } : row,
  );
}

/**
 * The same on two threads. Whether two pay is measured of eqm by itself: the idle threads of native runtimes go on spinning for a while after a
 * run, and would take the second processor from it.
 *
 * @returns {object[]} rows as measureModel's, cold starts and sizes apart; `speedup` is how many times as fast as on one thread
 */
export function measureThreads(model, compiled, settings, progress) {
  const task = { range: model.range, shapes: model.shapes, ...settings, minSeconds: settings.threadSeconds };
  const isOwn = ({ runtime }) => runtime === "eqm";
  progress(`${model.name}: on two threads, eqm by itself`);
  const own = presentOf([...CONTESTANTS, ...ON_TWO_THREADS].filter(isOwn), compiled);
  const alone = runChild("interleave.mjs", { ...task, contestants: own }, settings.node);
  const turnsOf = (id) => alone.results.find((result) => result.id === id)?.turnsMs;
  progress(`${model.name}: on two threads, all in turns`);
  const together = runChild("interleave.mjs", { ...task, contestants: presentOf(ON_TWO_THREADS, compiled) }, settings.node);
  return rowsOf(ON_TWO_THREADS, together, compiled).map((row, at) => {
    const [single, double] = [turnsOf(ON_TWO_THREADS[at].single), turnsOf(row.id)];
    return single && double ? { ...row, speedup: medianRatio(single, double) } : row;
  });
}

/** Weights of four bits beside those of eight, in both builds; undefined for a model of which there are none. */
export function measureWeights(model, compiled, settings, progress) {
  if (compiled.files["eqm-int4"] === undefined) return undefined;
  progress(`${model.name}: weights of four bits`);
  const task = { range: model.range, shapes: model.shapes, ...settings, minSeconds: settings.threadSeconds };
  const measured = runChild("interleave.mjs", { ...task, contestants: presentOf(WEIGHT_CONTESTANTS, compiled) }, settings.node);
  return rowsOf(WEIGHT_CONTESTANTS, measured, compiled);
}

/** Loading a file with coded weights beside one without, in turns of fresh processes; undefined for a model of which there is none. */
export function measureDecoding(model, compiled, settings, progress) {
  const files = { coded: compiled.files["eqm-int8"], uncoded: compiled.files["eqm-uncoded"] };
  if (files.coded === undefined || files.uncoded === undefined) return undefined;
  progress(`${model.name}: loading with and without coded weights`);
  const task = { range: model.range, shapes: model.shapes, dist: settings.dist, runtime: "eqm", decoding: true };
  const runs = { coded: [], uncoded: [] };
  for (let repetition = 0; repetition < 3 * settings.coldStarts; repetition++)
    for (const [form, path] of Object.entries(files)) runs[form].push(runChild("cold.mjs", { ...task, path }, settings.node));
  const figures = (form) => ({
    fileBytes: sizeOf(files[form]).bytes,
    loadMs: median(runs[form].map(({ loadMs }) => loadMs)),
    coldMs: median(runs[form].map(({ loadMs, firstRunMs }) => loadMs + firstRunMs)),
  });
  const { decodedBytes } = runs.coded[0];
  return {
    decodedBytes,
    bytesPerSecond: median(runs.coded.map(({ decodeMs }) => (1000 * decodedBytes) / decodeMs)),
    coded: figures("coded"),
    uncoded: figures("uncoded"),
  };
}

function presentOf(contestants, { files }) {
  return contestants
    .filter(({ kind }) => files[kind] !== undefined)
    .map(({ id, runtime, kind, threads, build }) => ({ id, runtime, threads, build, path: files[kind] }));
}

function kindOf(wanted) {
  return CONTESTANTS.find(({ id }) => id === wanted).kind;
}

/** One row for each contestant; ratios are to the first one. */
function rowsOf(contestants, { results, errors }, compiled) {
  const baseline = results.find(({ id }) => id === contestants[0].id)?.turnsMs;
  return contestants.map(({ id, label, kind }) => {
    const result = results.find((candidate) => candidate.id === id);
    if (result === undefined) return { id, label, error: errors[id] ?? compiled.errors[kind] ?? "not measured" };
    const turns = result.turnsMs;
    if (result.agreement !== undefined && result.agreement.sqnrDb !== null && result.agreement.sqnrDb < 0) {
      return { id, label, error: `its outputs are not those of the model: SQNR ${result.agreement.sqnrDb.toFixed(1)} dB` };
    }
    return {
      id,
      label,
      rounds: turns.length,
      runsPerTurn: result.runsPerTurn,
      medianMs: median(turns),
      lowMs: quantile(turns, 0.1),
      highMs: quantile(turns, 0.9),
      ratio: baseline === undefined ? undefined : medianRatio(turns, baseline),
      agreement: result.agreement,
      features: result.features,
      turnsMs: turns,
    };
  });
}

function measureColdStarts(contestants, task, { node, coldStarts }, progress) {
  const samples = new Map(contestants.map(({ id }) => [id, []]));
  const bare = [];
  for (let repetition = 1; repetition <= coldStarts; repetition++) {
    progress(repetition);
    bare.push(runChild("cold.mjs", { ...task }, node).peakBytes);
    for (const { id, runtime, path } of contestants) samples.get(id).push(runChild("cold.mjs", { ...task, runtime, path }, node));
  }
  const figures = ([id, runs]) => [
    id,
    {
      importMs: median(runs.map(({ importMs }) => importMs)),
      loadMs: median(runs.map(({ loadMs }) => loadMs)),
      firstRunMs: median(runs.map(({ firstRunMs }) => firstRunMs)),
      coldMs: median(runs.map(({ loadMs, firstRunMs }) => loadMs + firstRunMs)),
      peakBytes: median(runs.map(({ peakBytes }) => peakBytes)) - median(bare),
    },
  ];
  return new Map([...samples].map(figures));
}

function modelSizes(path) {
  const { bytes, gzipBytes } = sizeOf(path);
  return { modelBytes: bytes, modelGzipBytes: gzipBytes };
}

/**
 * What a page fetches to run each contestant, models apart, and its version.
 *
 * @returns {Promise<Record<string, { version: string, files: Sized[], modules: Sized[] }>>} by runtime
 *
 * @typedef {{ name: string, bytes: number, gzipBytes: number }} Sized
 */
export async function measureDownloads(settings) {
  const runtimes = [...new Set([...CONTESTANTS, ...ENGINE_CONTESTANTS].map(({ runtime }) => runtime))];
  const entries = [];
  for (const runtime of runtimes) {
    const { version, downloads, modules = () => [] } = await importRuntime(runtime);
    const files = (await downloads(settings)).map(sizeOf);
    entries.push([runtime, { version: version(settings), files, modules: modules(settings).map(sizeOf) }]);
  }
  return Object.fromEntries(entries);
}

function sizeOf(path) {
  const bytes = readFileSync(path);
  return { name: basename(path), bytes: bytes.length, gzipBytes: gzipSync(bytes, { level: 9 }).length };
}
