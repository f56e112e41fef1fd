/** Writes what the shared data lack: inputs that need more than a preprocessing specification, and generated ones. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { resizeBicubic } from "./bicubic.mjs";
import { ASSETS } from "./models.mjs";
import { generator, normal } from "./random.mjs";
import { sources } from "./sources.mjs";

const LUMA = { size: 222, offset: 16, reduced: 74 };

/** Evaluation images of the super-resolution: as in tools/measure/measure.py, every eighth. */
export async function* lumaCrops(split) {
  const data = sources.openDataset(join(ASSETS, `data/imagenet/${split}.csv`));
  for (let index = 0; index < data.length; index += split === "eval" ? 8 : 1) {
    const sample = await data.sample(index);
    yield cropLuma(sample.get(""));
  }
}

function cropLuma({ data, width, channels }) {
  const { size, offset } = LUMA;
  const luma = new Uint8Array(size * size);
  for (let y = 0; y < size; y++) {
    for (let x = 0; x < size; x++) {
      const at = ((y + offset) * width + x + offset) * channels;
      const [r, g, b] = channels === 1 ? [data[at], data[at], data[at]] : data.subarray(at, at + 3);
      luma[y * size + x] = Math.round(0.299 * r + 0.587 * g + 0.114 * b);
    }
  }
  return luma;
}

/** Luma of the images' crops, reduced to a third: [n, 1, 74, 74] in 0..1. */
export async function superResolution(folder) {
  const { size, reduced } = LUMA;
  for (const split of ["calib", "eval"]) {
    const rows = [];
    for await (const luma of lumaCrops(split)) rows.push(resizeBicubic(luma, size, size, reduced, reduced));
    const values = Float32Array.from(
      rows.flatMap((row) => [...row]),
      (v) => v / 255,
    );
    writeFileSync(join(folder, `${split}.npy`), sources.encodeNpy("f4", [rows.length, 1, reduced, reduced], values));
  }
}

/** SINet's preprocessing as measure.py has it: BGR, (x − mean) / std / 255. */
export function portraitSpec(folder) {
  const mean = [102.890434, 111.25247, 126.91212].map((v) => v / 255);
  const std = [62.93292, 62.82138, 66.355705];
  const spec = { channels: "BGR", layout: "NCHW", resize: [320, 320], scale: 1 / 255, mean, std };
  writeFileSync(join(folder, "preprocess.json"), JSON.stringify(spec));
}

const MELS = 128;
const FRAMES = 5;

/** Five frames of a log-mel spectrum in dB within −85..15, the range of the peer's int8 model: a falling spectrum, humming and noise. */
export function spectra(folder) {
  for (const [split, count, seed] of [
    ["calib", 256, 1],
    ["eval", 512, 2],
  ]) {
    const random = generator(seed);
    const values = new Float32Array(count * FRAMES * MELS);
    for (let n = 0; n < count; n++) {
      const [level, slope, tone, strength] = [-20 + 25 * random(), 20 + 30 * random(), random() * MELS, 15 * random()];
      for (let frame = 0; frame < FRAMES; frame++) {
        for (let mel = 0; mel < MELS; mel++) {
          const peak = strength * Math.exp(-(((mel - tone) / 3) ** 2));
          const value = level - (slope * mel) / MELS + peak + 5 * normal(random);
          values[(n * FRAMES + frame) * MELS + mel] = Math.max(-84, Math.min(14, value));
        }
      }
    }
    writeFileSync(join(folder, `${split}.npy`), sources.encodeNpy("f4", [count, FRAMES * MELS], values));
  }
}
