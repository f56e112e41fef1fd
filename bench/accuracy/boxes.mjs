/** COCO's average precision over a handful of images, as the shared assets' tools/measure/detect_ap.py computes it. */

/** @typedef {readonly [number, number, number, number]} Box x1, y1, x2, y2 */
/** @typedef {{ category: number, score: number, box: Box }} Detection */

/** Intersection over union. @param {Box} a @param {Box} b */
export function overlap(a, b) {
  const width = Math.max(0, Math.min(a[2], b[2]) - Math.max(a[0], b[0]));
  const height = Math.max(0, Math.min(a[3], b[3]) - Math.max(a[1], b[1]));
  const area = (box) => (box[2] - box[0]) * (box[3] - box[1]);
  return (width * height) / (area(a) + area(b) - width * height + 1e-9);
}

/** The detections that no better one overlaps by more than `limit`. @param {readonly Detection[]} detections of one category */
export function suppress(detections, limit) {
  const kept = [];
  for (const detection of [...detections].sort((a, b) => b.score - a.score)) {
    if (kept.every(({ box }) => overlap(box, detection.box) <= limit)) kept.push(detection);
  }
  return kept;
}

const THRESHOLDS = Array.from({ length: 10 }, (_, i) => 0.5 + 0.05 * i);

/**
 * Mean over categories and over the overlaps 0.5, 0.55 … 0.95.
 *
 * @param {readonly { detections: readonly Detection[], truth: readonly { category: number, box: Box }[] }[]} images
 */
export function meanAveragePrecision(images) {
  const categories = new Set(images.flatMap(({ truth }) => truth.map(({ category }) => category)));
  const values = [...categories].flatMap((category) => THRESHOLDS.map((threshold) => averagePrecision(images, category, threshold)));
  return values.reduce((a, b) => a + b, 0) / values.length;
}

function averagePrecision(images, category, threshold) {
  const truth = images.map(({ truth }) => truth.filter((object) => object.category === category).map(({ box }) => ({ box, used: false })));
  const total = truth.reduce((sum, { length }) => sum + length, 0);
  const rows = images
    .flatMap(({ detections }, image) => detections.filter((d) => d.category === category).map(({ score, box }) => ({ score, box, image })))
    .sort((a, b) => b.score - a.score);
  let right = 0;
  const curve = rows.map(({ box, image }, i) => {
    const best = truth[image]
      .filter(({ used }) => !used)
      .map((object) => ({ object, shared: overlap(box, object.box) }))
      .reduce((a, b) => (b.shared > a.shared ? b : a), { shared: Number.NEGATIVE_INFINITY });
    if (best.shared >= threshold) {
      best.object.used = true;
      right++;
    }
    return { recall: right / total, precision: right / (i + 1) };
  });
  for (let i = curve.length - 2; i >= 0; i--) curve[i].precision = Math.max(curve[i].precision, curve[i + 1].precision);
  let sum = 0;
  for (let i = 0; i <= 100; i++) sum += curve.find(({ recall }) => recall >= i / 100)?.precision ?? 0;
  return sum / 101;
}
