/** Writes what the shared data lack: inputs that need more than a preprocessing specification, and generated ones. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { resizeBicubic } from "./bicubic.mjs";
import { ASSETS } from "./models.mjs";
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

const FRAME = 512;
const STATE = [1, 2, 128, 2];

/** Frames of generated sound for DTLN's second stage, each with the state that the float model is in when it gets there. */
export async function frames(folder, { openFloat }) {
  const { model, run, inputs, outputs } = await openFloat();
  const stateCount = STATE.reduce((a, b) => a * b);
  for (const [split, count, seed] of [
    ["calib", 256, 3],
    ["eval", 512, 4],
  ]) {
    const random = generator(seed);
    const sound = new Float32Array(count * FRAME);
    const states = new Float32Array(count * stateCount);
    let state = new Float32Array(stateCount);
    let [pitch, loudness, phase] = [0.02, 0.1, 0];
    for (let n = 0; n < count; n++) {
      if (n % 16 === 0) [pitch, loudness] = [0.01 + 0.03 * random(), 0.3 * random() ** 2];
      const frame = sound.subarray(n * FRAME, (n + 1) * FRAME);
      for (let i = 0; i < FRAME; i++) {
        // A voice: the first eight harmonics, and breath.
        let value = 0.05 * normal(random);
        for (let k = 1; k <= 8; k++) value += Math.sin(2 * Math.PI * k * (phase + pitch * i)) / k;
        frame[i] = Math.max(-1, Math.min(1, loudness * value));
      }
      // Frames overlap by three quarters.
      phase += pitch * (FRAME / 4);
      states.set(state, n * stateCount);
      const results = run({ [inputs[0]]: frame, [inputs[1]]: state });
      state = Float32Array.from(results[outputs[1]]);
    }
    const archive = sources.encodeNpz([
      { name: inputs[0], type: "f4", shape: [count, 1, 1, FRAME], data: sound },
      { name: inputs[1], type: "f4", shape: [count, ...STATE], data: states },
    ]);
    writeFileSync(join(folder, `${split}.npz`), archive);
  }
  model.dispose();
}

function generator(seed) {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

// Twelve uniform numbers: close enough to a normal one.
function normal(random) {
  let sum = -6;
  for (let i = 0; i < 12; i++) sum += random();
  return sum;
}
