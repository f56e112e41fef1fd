/** What a measured model is held against. */

/** max|Δ| / max|reference| of each output, against onnxruntime. */
const FLOAT_TOLERANCE = 1e-4;

/**
 * @param {import("./models.mjs").AccuracyModel} model
 * @param {object} row as measureModel gives it
 * @param {Record<string, number>} published the float model's figures in MANIFEST.json
 * @returns {{ claim: string, measured: string, met: boolean }[]} `claim` is one of: float, int8, floor, agreement
 */
export function judge({ bar, labels, taskKey, taskTolerance }, { metric, belowFloor, calibrationSqnrDb, agreement }, published) {
  const verdicts = [];
  if (labels !== undefined) {
    const difference = Math.round(Math.abs(metric.float32 - published.top1) * metric.samples);
    verdicts.push({ claim: "float", measured: `${difference} samples from ${published.top1}`, met: difference <= 1 });
  } else if (taskKey !== undefined) {
    const difference = Math.abs(metric.float32 - published[taskKey]);
    verdicts.push({ claim: "float", measured: `${metric.float32}, ${published[taskKey]} published`, met: difference <= taskTolerance });
  }
  if (bar !== undefined) verdicts.push({ claim: "int8", measured: `${metric.int8}, at least ${bar} wanted`, met: metric.int8 >= bar });
  verdicts.push({ claim: "floor", measured: `${calibrationSqnrDb.toFixed(1)} dB on calibration samples`, met: !belowFloor });
  if (agreement !== undefined) {
    const far = Object.entries(agreement.outputs).filter(([, difference]) => !(difference <= FLOAT_TOLERANCE));
    const measured = Object.entries(agreement.outputs).map(([name, difference]) => `${name} ${difference.toExponential(1)}`);
    verdicts.push({ claim: "agreement", measured: measured.join(", "), met: far.length === 0 });
  }
  return verdicts;
}
