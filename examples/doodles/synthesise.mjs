/**
 * Synthesises the doodle data set: photographs of hand-drawn things, made of nothing but a seed.
 *
 *     node synthesise.mjs [FOLDER]
 *
 * writes eval_x.npy (uint8 [1200, 32, 32, 3]), eval_y.npy (int32 [1200]) and calib_x.npy (uint8 [240, 32, 32, 3]) into FOLDER
 * (build/doodles unless given). The bytes are the same on every machine; image i of a split depends on the split and i alone.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { photograph, SIZE } from "./camera.mjs";
import { DRAWINGS } from "./drawings.mjs";
import { randomStream } from "./random.mjs";

/** Class names in label order. @type {readonly string[]} */
export const CLASSES = DRAWINGS.map(([name]) => name);

/** Splits never share a random stream, and so no image. Nothing is chosen by looking at `evaluation`. */
export const SPLITS = Object.freeze({ training: 1, validation: 2, calibration: 3, evaluation: 4 });

/** Images in the written files; multiples of the number of classes. */
export const COUNTS = Object.freeze({ evaluation: 1200, calibration: 240 });

/**
 * Images `first` … `first + count − 1` of a split. The classes take turns: label i is i mod 12.
 *
 * @param {keyof typeof SPLITS} split
 * @param {number} first
 * @param {number} count
 * @returns {{ images: Uint8Array, labels: Int32Array }} images: [count, 32, 32, 3] RGB; labels: [count]
 */
export function synthesise(split, first, count) {
  const bytes = SIZE * SIZE * 3;
  const images = new Uint8Array(count * bytes);
  const labels = new Int32Array(count);
  for (let i = 0; i < count; i++) {
    labels[i] = (first + i) % CLASSES.length;
    photograph(randomStream(SPLITS[split], first + i), labels[i], images.subarray(i * bytes, (i + 1) * bytes));
  }
  return { images, labels };
}

/**
 * The bytes of a .npy file, version 1.0, C order.
 *
 * @param {Uint8Array | Int32Array} data
 * @param {readonly number[]} shape
 * @returns {Uint8Array}
 */
function npy(data, shape) {
  const dtype = data instanceof Int32Array ? "<i4" : "|u1";
  const header = `{'descr': '${dtype}', 'fortran_order': False, 'shape': (${shape.join(", ")},), }`;
  const padded = `${header.padEnd(Math.ceil((header.length + 11) / 64) * 64 - 11)}\n`;
  const out = new Uint8Array(10 + padded.length + data.byteLength);
  out.set([0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, 1, 0, padded.length & 255, padded.length >> 8]);
  out.set(new TextEncoder().encode(padded), 10);
  const view = new DataView(out.buffer, 10 + padded.length);
  if (data instanceof Int32Array) data.forEach((value, i) => view.setInt32(4 * i, value, true));
  else out.set(data, 10 + padded.length);
  return out;
}

/**
 * Writes the three files.
 *
 * @param {string} folder made where missing
 */
export function writeFiles(folder) {
  mkdirSync(folder, { recursive: true });
  const evaluation = synthesise("evaluation", 0, COUNTS.evaluation);
  const calibration = synthesise("calibration", 0, COUNTS.calibration);
  writeFileSync(join(folder, "eval_x.npy"), npy(evaluation.images, [COUNTS.evaluation, SIZE, SIZE, 3]));
  writeFileSync(join(folder, "eval_y.npy"), npy(evaluation.labels, [COUNTS.evaluation]));
  writeFileSync(join(folder, "calib_x.npy"), npy(calibration.images, [COUNTS.calibration, SIZE, SIZE, 3]));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const folder = process.argv[2] ?? fileURLToPath(new URL("../../build/doodles", import.meta.url));
  writeFiles(folder);
  console.log(`${COUNTS.evaluation} images to evaluate and ${COUNTS.calibration} to calibrate with: ${folder}`);
}
