/** What the measurements are held against, and the verdict on each. A goal that is missed stays in the results with its figure. */
import { medianRatio } from "./statistics.mjs";

const SPEED_MODELS = ["mobilenetv2_100_deq", "vww_mobilenetv1_025"];
const SPEED_GOALS = [
  { ours: "eqm-int8", peer: "ort-web-int8", atLeast: 4 },
  { ours: "eqm-int8", peer: "ort-web-float32", atLeast: 3 },
  { ours: "eqm-float32", peer: "ort-web-float32", atLeast: 1 },
];
/** How many times as fast as LiteRT.js int8, in one page. */
const PAGE_GOALS = { mobilenetv2_100_deq: 1.8, vww_mobilenetv1_025: 1.8, resnet8_cifar10: 1.8, kws_dscnn: 2.2 };
const COLD_LIMIT_MS = 100;
const RUNTIME_LIMIT_BYTES = 60_000;
const FLOAT_TOLERANCE = 1e-4;

/**
 * @param {Record<string, object[]>} models rows by model name, as measureModel gives them
 * @param {Record<string, { modules: { name: string, gzipBytes: number }[] }>} downloads by runtime, as measureDownloads gives them
 * @param {Record<string, { engine: string, rows: object[] }[]>} engines by model name, as measureEngines gives them
 * @returns {{ goal: string, measured: string, met: boolean }[]} one entry per goal that could be judged
 */
export function judge(models, downloads, engines = {}) {
  const verdicts = [];
  for (const name of SPEED_MODELS) {
    const rows = models[name];
    if (rows === undefined) continue;
    for (const { ours, peer, atLeast } of SPEED_GOALS) {
      const [own, other] = [find(rows, ours), find(rows, peer)];
      if (own?.medianMs === undefined || other?.medianMs === undefined) continue;
      const times = medianRatio(other.turnsMs, own.turnsMs);
      verdicts.push({
        goal: `${name}: ${own.label} at least ${atLeast}× as fast as ${other.label}`,
        measured: `${times.toFixed(2)}×`,
        met: times >= atLeast,
      });
    }
  }
  for (const [name, atLeast] of Object.entries(PAGE_GOALS)) {
    const rows = engines[name]?.find(({ engine }) => engine === "chromium")?.rows ?? [];
    const times = find(rows, "litert-int8")?.ratio;
    if (times === undefined) continue;
    verdicts.push({
      goal: `${name}: eqm int8 at least ${atLeast}× as fast as LiteRT.js int8 in one Chromium page`,
      measured: `${times.toFixed(2)}×`,
      met: times >= atLeast,
    });
  }
  const cold = find(models.mobilenetv2_100_deq ?? [], "eqm-int8");
  if (cold?.coldMs !== undefined) {
    verdicts.push({
      goal: `mobilenetv2_100_deq: load to first output under ${COLD_LIMIT_MS} ms`,
      measured: `${cold.coldMs.toFixed(1)} ms`,
      met: cold.coldMs < COLD_LIMIT_MS,
    });
  }
  for (const [name, rows] of Object.entries(models)) {
    const error = find(rows, "eqm-float32")?.agreement?.maxRelativeError;
    if (error === undefined) continue;
    verdicts.push({
      goal: `${name}: eqm float within ${FLOAT_TOLERANCE} · max of onnxruntime's output`,
      measured: error.toExponential(1),
      met: error <= FLOAT_TOLERANCE,
    });
  }
  for (const { name, gzipBytes } of downloads.eqm?.modules ?? []) {
    verdicts.push({
      goal: `runtime ${name} at most ${RUNTIME_LIMIT_BYTES / 1000} KB gzip`,
      measured: `${(gzipBytes / 1000).toFixed(1)} KB`,
      met: gzipBytes <= RUNTIME_LIMIT_BYTES,
    });
  }
  return verdicts;
}

function find(rows, wanted) {
  return rows.find(({ id }) => id === wanted);
}
