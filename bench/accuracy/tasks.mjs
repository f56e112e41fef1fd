/**
 * Figures of merit beside top-1, as the shared assets' tools/measure has them: super-resolution's PSNR, images in which a face is
 * found, average precision of boxes, overlap with people's masks, bits of a token; and the float model's faces found again.
 */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { meanAveragePrecision, suppress } from "./boxes.mjs";
import { faceF1, facesOf } from "./faces.mjs";
import { lumaCrops } from "./make-data.mjs";
import { firstStates, nextStates, tokensOf } from "./make-sequences.mjs";
import { ASSETS } from "./models.mjs";
import { sources } from "./sources.mjs";

/**
 * By name: `create(files, float)` gives `add(index, outputs)` to call for every evaluation sample, and `value()`; `float` is the float model's meter
 * where another model is measured. Or `evaluate(run)` measures a model by itself.
 *
 * @type {Record<string, { label: string, create?(files: readonly string[], float?: Meter): Meter | Promise<Meter>, evaluate?(run: (feeds: object) => object): number }>}
 * @typedef {{ add(index: number, outputs: Record<string, Float32Array>): void, value(): number }} Meter
 */
export const TASKS = {
  psnr: { label: "PSNR dB", create: createPsnr },
  facesFound: { label: "images with a face", create: createFaces },
  averagePrecision: { label: "AP", create: createPrecision },
  faceAgreement: { label: "F1 to float", create: createAgreement },
  personOverlap: { label: "person IoU", create: createOverlap },
  bitsPerToken: { label: "bits a token", evaluate: bitsPerToken },
};

async function createPsnr() {
  const [size, border] = [222, 6];
  const originals = [];
  for await (const luma of lumaCrops("eval")) originals.push(luma);
  const values = [];
  return {
    add(index, { output }) {
      let squares = 0;
      for (let y = border; y < size - border; y++) {
        for (let x = border; x < size - border; x++) {
          const at = y * size + x;
          squares += (Math.round(Math.max(0, Math.min(255, output[at] * 255))) - originals[index][at]) ** 2;
        }
      }
      values.push(10 * Math.log10((255 ** 2 * (size - 2 * border) ** 2) / squares));
    },
    value: () => values.reduce((a, b) => a + b) / values.length,
  };
}

function createAgreement(_, float) {
  const images = [];
  return {
    images,
    add(index, outputs) {
      images[index] = facesOf(outputs);
    },
    value: () => faceF1(float?.images ?? images, images),
  };
}

const PORTRAIT = 320;
/** Only images of which people cover more than this count. */
const LEAST_PEOPLE = 0.1;

async function createOverlap(files) {
  const masks = [];
  for (const file of files) masks.push(await personMask(file));
  const values = [];
  return {
    add(index, outputs) {
      const mask = masks[index];
      if (mask === null) return;
      const [scores] = Object.values(outputs);
      let [both, either] = [0, 0];
      for (const [i, isPerson] of mask.entries()) {
        const found = scores[mask.length + i] > scores[i];
        if (isPerson && found) both++;
        if (isPerson || found) either++;
      }
      values.push(both / either);
    },
    value: () => values.reduce((a, b) => a + b) / values.length,
  };
}

// The image's mask of people at the model's size; null where there is none, or next to no people.
async function personMask(file) {
  const path = join(ASSETS, "data/coco", `person_${file.replace(/\.jpg$/, ".png")}`);
  if (!existsSync(path)) return null;
  const { data, width, height, channels } = await sources.decodeImage(readFileSync(path), path);
  const mask = Array.from({ length: PORTRAIT * PORTRAIT }, (_, i) => {
    const [x, y] = [i % PORTRAIT, Math.floor(i / PORTRAIT)].map((at, axis) =>
      Math.floor(((at + 0.5) * (axis === 0 ? width : height)) / PORTRAIT),
    );
    return data[(y * width + x) * channels] > 0;
  });
  return mask.filter(Boolean).length > LEAST_PEOPLE * mask.length ? mask : null;
}

/** Tokens of a sequence that do not count: the model has seen too little. */
const SKIPPED = 50;

function bitsPerToken(run) {
  const { times, sequences, data } = tokensOf("eval_tokens");
  const next = tokensOf("eval_next").data;
  let [sum, count] = [0, 0];
  for (let n = 0; n < sequences; n++) {
    let states = firstStates();
    for (let t = 0; t < times; t++) {
      const outputs = run({ tokens: BigInt64Array.of(data[t * sequences + n]), ...states });
      states = nextStates(outputs);
      if (t < SKIPPED) continue;
      const { logits } = outputs;
      const largest = logits.reduce((a, b) => Math.max(a, b));
      const all = logits.reduce((total, logit) => total + Math.exp(logit - largest), 0);
      sum += Math.log(all) + largest - logits[Number(next[t * sequences + n])];
      count++;
    }
  }
  return sum / count / Math.LN2;
}

const FACE_SCORE = 0.7;

function createFaces() {
  let found = 0;
  return {
    add(_, outputs) {
      if (faceScores(outputs).some((score) => score > FACE_SCORE)) found++;
    },
    value: () => found,
  };
}

// Ultraface: pairs (background, face). YuNet: class and object scores at three strides.
function faceScores(outputs) {
  if (outputs.scores !== undefined) return [...outputs.scores].filter((_, i) => i % 2 === 1);
  return [8, 16, 32].flatMap((stride) => [...outputs[`cls_${stride}`]].map((score, i) => Math.sqrt(score * outputs[`obj_${stride}`][i])));
}

const SIDE = 416;
const STRIDES = [8, 16, 32];
const CLASSES = 80;
const LEAST_SCORE = 0.01;
const OVERLAP = 0.65;
const DETECTIONS = 100;

function createPrecision(files) {
  const truth = readBoxes();
  const cells = STRIDES.flatMap((stride) => {
    const n = SIDE / stride;
    return Array.from({ length: n * n }, (_, i) => [i % n, Math.floor(i / n), stride]);
  });
  const images = [];
  return {
    add(index, { output }) {
      images[index] = { detections: decode(output, cells), truth: truth.get(files[index]) ?? [] };
    },
    value: () => meanAveragePrecision(images),
  };
}

// Rows of [dx, dy, log w, log h, object, 80 classes], one for each cell.
function decode(output, cells) {
  const rows = 5 + CLASSES;
  const boxes = cells.map(([x, y, stride], i) => {
    const [dx, dy, w, h] = output.subarray(i * rows, i * rows + 4);
    const [cx, cy, halfW, halfH] = [(dx + x) * stride, (dy + y) * stride, (Math.exp(w) * stride) / 2, (Math.exp(h) * stride) / 2];
    return [cx - halfW, cy - halfH, cx + halfW, cy + halfH];
  });
  const detections = [];
  for (let c = 0; c < CLASSES; c++) {
    const candidates = boxes
      .map((box, i) => ({ category: c, score: output[i * rows + 4] * output[i * rows + 5 + c], box }))
      .filter(({ score }) => score > LEAST_SCORE);
    detections.push(...suppress(candidates, OVERLAP));
  }
  return detections.sort((a, b) => b.score - a.score).slice(0, DETECTIONS);
}

function readBoxes() {
  const boxes = new Map();
  const [, ...lines] = readFileSync(join(ASSETS, "data/coco/boxes.csv"), "utf8").trim().split("\n");
  for (const line of lines) {
    const [file, category, ...box] = line.split(",");
    if (!boxes.has(file)) boxes.set(file, []);
    boxes.get(file).push({ category: Number(category), box: box.map(Number) });
  }
  return boxes;
}
