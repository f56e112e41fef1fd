/** What the measurements are held against, and the verdict on each. A goal that is missed stays in the results with its figure. */
import { medianRatio } from "./statistics.mjs";

/** How many times as fast as each peer eqm int8 is to be, by model: the times of one interleaved run, LiteRT.js's in one Chromium page. */
const PEER_GOALS = {
  mobilenetv2_100_deq: { "ort-web-float32": 4, "ort-web-int8": 8, "litert-int8": 1.8, "ort-node-int8": 1 },
  vww_mobilenetv1_025: { "ort-web-float32": 4.5, "ort-web-int8": 9, "litert-int8": 1.8, "ort-node-int8": 1.05 },
  resnet8_cifar10: { "ort-web-float32": 3.5, "ort-web-int8": 3, "litert-int8": 1.8, "ort-node-int8": 0.75 },
  kws_dscnn: { "ort-web-float32": 5.5, "ort-web-int8": 9, "litert-int8": 2.2, "ort-node-int8": 1 },
  encoder_linear: { "ort-web-int8": 2, "litert-int8": 1.9, "ort-node-int8": 0.8 },
};

/** Two threads as against one; never slower on any. */
const THREAD_GOALS = { mobilenetv2_100_deq: 1.7, encoder: 1.7 };

/** Weights of four bits as against those of eight, by contestant. */
const WEIGHT_GOALS = { "eqm-int8-relaxed": 1.3, "eqm-int8-plain": 1.6 };

const COLD_LIMITS_MS = { mobilenetv2_100_deq: 30, vww_mobilenetv1_025: 5 };
const PEAK_LIMITS_BYTES = { mobilenetv2_100_deq: 30e6 };
const LEAST_OF_PEAK = 0.85;
/** Weights that a fresh process decodes in a second: the files whose decoding takes any time worth mention. */
const LEAST_DECODED = { mobilenetv2_100_deq: 300e6 };
const RUNTIME_LIMIT_BYTES = 80_000;
const FLOAT_TOLERANCE = 1e-4;

/**
 * @typedef {{ goal: string, measured: string, met: boolean, cell?: { model: string, peer: string, atLeast: number } }} Verdict `cell` is the
 *   verdict's place in the table of models and peers
 */

/**
 * @param {object} results as run.mjs gathers them: `models`, `threads`, `weights`, `decoding`, `engines`, `dense` by model name, `downloads` by runtime
 * @returns {Verdict[]} one entry per goal that could be judged
 */
export function judge({ models = {}, threads = {}, weights = {}, decoding = {}, engines = {}, dense = {}, downloads = {} }) {
  const pages = Object.fromEntries(
    Object.entries(engines).map(([name, measured]) => [name, measured.find(({ engine }) => engine === "chromium")?.rows ?? []]),
  );
  return [
    ...peerVerdicts(models, pages),
    ...floatVerdicts(models, pages),
    ...threadVerdicts(threads),
    ...weightVerdicts(weights),
    ...denseVerdicts(dense),
    ...startVerdicts(models),
    ...decodingVerdicts(decoding),
    ...(downloads.eqm?.modules ?? []).map(({ name, gzipBytes }) =>
      verdict(
        `runtime ${name} at most ${RUNTIME_LIMIT_BYTES / 1000} KB gzip`,
        `${(gzipBytes / 1000).toFixed(1)} KB`,
        gzipBytes <= RUNTIME_LIMIT_BYTES,
      ),
    ),
  ];
}

function peerVerdicts(models, pages) {
  return Object.entries(PEER_GOALS).flatMap(([model, goals]) =>
    Object.entries(goals).flatMap(([id, atLeast]) => {
      const inPage = id.startsWith("litert");
      const peer = find((inPage ? pages : models)[model], id);
      if (peer?.ratio === undefined) return [];
      const goal = `${model}: eqm int8 at least ${atLeast}× as fast as ${peer.label}${inPage ? " in one Chromium page" : ""}`;
      return [{ ...atLeastTimes(goal, peer.ratio, atLeast), cell: { model, peer: peer.label, atLeast } }];
    }),
  );
}

function floatVerdicts(models, pages) {
  const fast = Object.entries(pages).flatMap(([model, rows]) => {
    const [own, peer] = [find(rows, "eqm-fast-float"), find(rows, "litert-float32")];
    if (own?.turnsMs === undefined || peer?.turnsMs === undefined) return [];
    return [
      atLeastTimes(
        `${model}: fastFloat at least as fast as LiteRT.js float in one Chromium page`,
        medianRatio(peer.turnsMs, own.turnsMs),
        1,
      ),
    ];
  });
  const exact = Object.entries(models).flatMap(([model, rows]) => {
    const error = find(rows, "eqm-float32")?.agreement?.maxRelativeError;
    if (error === undefined) return [];
    const goal = `${model}: eqm float within ${FLOAT_TOLERANCE} · max of onnxruntime's output`;
    return [verdict(goal, error.toExponential(1), error <= FLOAT_TOLERANCE)];
  });
  return [...fast, ...exact];
}

function threadVerdicts(threads) {
  return Object.entries(threads).flatMap(([model, rows]) =>
    rows.flatMap(({ id, label, speedup }) => {
      if (speedup === undefined) return [];
      const wanted = id === "eqm-int8-2" ? (THREAD_GOALS[model] ?? 1) : 1;
      return [atLeastTimes(`${model}: ${label} on two threads at least ${wanted}× as fast as on one`, speedup, wanted)];
    }),
  );
}

function weightVerdicts(weights) {
  return Object.entries(weights).flatMap(([model, rows]) =>
    rows
      .filter(({ id, ratio }) => WEIGHT_GOALS[id] !== undefined && ratio !== undefined)
      .map(({ id, label, ratio }) =>
        atLeastTimes(`${model}: 4-bit weights at least ${WEIGHT_GOALS[id]}× as fast as ${label}`, ratio, WEIGHT_GOALS[id]),
      ),
  );
}

function denseVerdicts(dense) {
  return Object.entries(dense).flatMap(([model, found]) => {
    if (found?.layers === undefined) return [];
    const { layers, ofPeak, lowest } = found;
    const goal = `${model}: dense layers with K ≥ 256 at ${percent(LEAST_OF_PEAK)} or more of the measured peak`;
    const measured = `${percent(ofPeak)} (${layers} layers; lowest ${percent(lowest.ofPeak)}, ${lowest.shape})`;
    return [verdict(goal, measured, ofPeak >= LEAST_OF_PEAK)];
  });
}

function startVerdicts(models) {
  const own = (model) => find(models[model], "eqm-int8");
  const cold = Object.entries(COLD_LIMITS_MS).flatMap(([model, limit]) => {
    const ms = own(model)?.coldMs;
    if (ms === undefined) return [];
    return [verdict(`${model}: load to first output at most ${limit} ms, the runtime's import apart`, `${ms.toFixed(1)} ms`, ms <= limit)];
  });
  const peak = Object.entries(PEAK_LIMITS_BYTES).flatMap(([model, limit]) => {
    const bytes = own(model)?.peakBytes;
    if (bytes === undefined) return [];
    return [verdict(`${model}: peak memory over a bare Node at most ${limit / 1e6} MB`, `${(bytes / 1e6).toFixed(1)} MB`, bytes <= limit)];
  });
  return [...cold, ...peak];
}

function decodingVerdicts(decoding) {
  return Object.entries(LEAST_DECODED).flatMap(([model, least]) => {
    const measured = decoding[model]?.bytesPerSecond;
    if (measured === undefined) return [];
    const goal = `${model}: weights decoded in a fresh process at ${least / 1e6} MB/s or more`;
    return [verdict(goal, `${(measured / 1e6).toFixed(0)} MB/s`, measured >= least)];
  });
}

/** What is printed decides: 0.999 is 1.00 of a goal of 1. */
function atLeastTimes(goal, times, atLeast) {
  const measured = times.toFixed(2);
  return verdict(goal, `${measured}×`, Number(measured) >= atLeast);
}

function verdict(goal, measured, met) {
  return { goal, measured, met };
}

function percent(fraction) {
  return `${(100 * fraction).toFixed(0)} %`;
}

function find(rows, wanted) {
  return rows?.find(({ id }) => id === wanted);
}
