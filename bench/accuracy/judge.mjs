/** What a measured model is held against. */

/** max|Δ| / max|reference| of each output, against onnxruntime. */
const FLOAT_TOLERANCE = 1e-4;

/** Where an SQNR is wanted, so much of the work is in int8. */
const LEAST_INT8_MACS = 0.8;

/**
 * @param {import("./models.mjs").AccuracyModel} model
 * @param {object} row as measureModel gives it
 * @param {Record<string, number>} published the float model's figures in MANIFEST.json
 * @returns {{ claim: string, measured: string, met: boolean }[]} `claim` is one of: float, int8, faces, SQNR, floor, agreement
 */
export function judge(model, row, published) {
  const { bar, mostLoss, lessIsBetter, labels, taskKey, taskTolerance, leastF1, leastSqnrDb } = model;
  const { metric, belowFloor, calibrationSqnrDb, agreement, faceF1, outputs, int8MacsShare } = row;
  const verdicts = [];
  if (labels !== undefined) {
    const difference = Math.round(Math.abs(metric.float32 - published.top1) * metric.samples);
    verdicts.push({ claim: "float", measured: `${difference} samples from ${published.top1}`, met: difference <= 1 });
  } else if (taskKey !== undefined) {
    const difference = Math.abs(metric.float32 - published[taskKey]);
    verdicts.push({ claim: "float", measured: `${metric.float32}, ${published[taskKey]} published`, met: difference <= taskTolerance });
  }
  if (bar !== undefined) verdicts.push({ claim: "int8", measured: `${metric.int8}, at least ${bar} wanted`, met: metric.int8 >= bar });
  if (mostLoss !== undefined) {
    const loss = (metric.float32 - metric.int8) * (lessIsBetter ? -1 : 1);
    verdicts.push({ claim: "int8", measured: `${loss.toPrecision(3)} lost, at most ${mostLoss} wanted`, met: loss <= mostLoss });
  }
  if (leastF1 !== undefined)
    verdicts.push({ claim: "faces", measured: `F1 ${faceF1.toFixed(3)}, at least ${leastF1} wanted`, met: faceF1 >= leastF1 });
  if (leastSqnrDb !== undefined) {
    const worst = Math.min(...outputs.map(({ sqnrDb }) => sqnrDb));
    const measured = `${worst.toFixed(1)} dB with ${(100 * int8MacsShare).toFixed(1)} % of the MACs in int8`;
    verdicts.push({ claim: "SQNR", measured, met: worst >= leastSqnrDb && int8MacsShare >= LEAST_INT8_MACS });
  }
  verdicts.push({ claim: "floor", measured: `${calibrationSqnrDb.toFixed(1)} dB on calibration samples`, met: !belowFloor });
  if (agreement !== undefined) {
    const far = Object.entries(agreement.outputs).filter(([, difference]) => !(difference <= FLOAT_TOLERANCE));
    const measured = Object.entries(agreement.outputs).map(([name, difference]) => `${name} ${difference.toExponential(1)}`);
    verdicts.push({ claim: "agreement", measured: measured.join(", "), met: far.length === 0 });
  }
  return verdicts;
}
