/** Detections of the face models, and how well those of two models agree. */
import { overlap, suppress } from "./boxes.mjs";

const LEAST_SCORE = 0.7;
const MOST_OVERLAP = 0.3;
const SAME_FACE = 0.5;

/** Faces that a model's outputs tell: scores and boxes. @returns {{ score: number, box: readonly number[] }[]} */
export function facesOf(outputs) {
  const candidates = outputs.scores === undefined ? yunetFaces(outputs) : ultrafaceFaces(outputs);
  return suppress(
    candidates.filter(({ score }) => score > LEAST_SCORE),
    MOST_OVERLAP,
  );
}

// Pairs (background, face), and decoded corners.
function ultrafaceFaces({ scores, boxes }) {
  return Array.from({ length: scores.length / 2 }, (_, i) => ({ score: scores[2 * i + 1], box: [...boxes.subarray(4 * i, 4 * i + 4)] }));
}

// Class and object scores and boxes from a grid of square cells at three strides, of an input as wide as it is high.
function yunetFaces(outputs) {
  return [8, 16, 32].flatMap((stride) => {
    const [classes, objects, boxes] = ["cls", "obj", "bbox"].map((kind) => outputs[`${kind}_${stride}`]);
    const columns = Math.sqrt(classes.length);
    return Array.from(classes, (score, i) => {
      const [dx, dy, w, h] = boxes.subarray(4 * i, 4 * i + 4);
      const [cx, cy] = [((i % columns) + dx) * stride, (Math.floor(i / columns) + dy) * stride];
      const [halfW, halfH] = [(Math.exp(w) * stride) / 2, (Math.exp(h) * stride) / 2];
      return { score: Math.sqrt(Math.max(0, score * objects[i])), box: [cx - halfW, cy - halfH, cx + halfW, cy + halfH] };
    });
  });
}

/**
 * F1 of `found` against `expected`, lists of faces by image: a face is found by the best box that overlaps it by at least a half and found no
 * other one. 1 where there are none in either.
 */
export function faceF1(expected, found) {
  let right = 0;
  for (const [image, faces] of expected.entries()) {
    const left = new Set(faces);
    for (const { box } of found[image]) {
      const [best] = [...left].sort((a, b) => overlap(b.box, box) - overlap(a.box, box));
      if (best === undefined || overlap(best.box, box) < SAME_FACE) continue;
      left.delete(best);
      right++;
    }
  }
  const all = expected.flat().length + found.flat().length;
  return all === 0 ? 1 : (2 * right) / all;
}
