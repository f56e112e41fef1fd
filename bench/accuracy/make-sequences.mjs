/**
 * Samples of models that carry a state from run to run: generated sound, and text. Each sample holds the state that the float model is in
 * when it gets there.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ASSETS } from "./models.mjs";
import { generator, normal } from "./random.mjs";
import { sources } from "./sources.mjs";

/** Generated voices: [split, samples, seed]. */
const SOUND = [
  ["calib", 512, 3],
  ["eval", 512, 4],
];
/** Another voice begins after so many frames. */
const FRAMES_OF_A_VOICE = 4;
const DTLN_STATE = [1, 2, 128, 2];

/** Frames for DTLN's second stage: [1, 1, 512], a quarter of a frame further each. */
export function frames(folder, { openFloat }) {
  return streamed(folder, openFloat, { length: 512, hop: 128, shape: [1, 1, 512], stateShape: DTLN_STATE, input: (frame) => frame });
}

/** Magnitudes of the same frames' spectra for DTLN's first stage: [1, 1, 257]. */
export function magnitudes(folder, { openFloat }) {
  return streamed(folder, openFloat, { length: 512, hop: 128, shape: [1, 1, 257], stateShape: DTLN_STATE, input: magnitudesOf });
}

/** Windows for Silero's voice activity detection: 512 samples behind the last 64 of those before. */
export function windows(folder, { openFloat }) {
  return streamed(folder, openFloat, { length: 576, hop: 512, shape: [1, 576], stateShape: [2, 1, 128], input: (frame) => frame });
}

// The inputs are a frame and a state, the outputs what the model says and the next state.
async function streamed(folder, openFloat, { length, hop, shape, stateShape, input }) {
  const { model, run, inputs, outputs } = await openFloat();
  const [size, stateSize] = [shape, stateShape].map((dims) => dims.reduce((a, b) => a * b));
  for (const [split, count, seed] of SOUND) {
    const random = generator(seed);
    const data = new Float32Array(count * size);
    const states = new Float32Array(count * stateSize);
    let state = new Float32Array(stateSize);
    let [pitch, loudness, phase] = [0.02, 0.1, 0];
    for (let n = 0; n < count; n++) {
      if (n % FRAMES_OF_A_VOICE === 0) [pitch, loudness] = [0.01 + 0.03 * random(), 0.3 * random() ** 2];
      const x = data.subarray(n * size, (n + 1) * size);
      x.set(input(voice(random, length, pitch, loudness, phase)));
      phase += pitch * hop;
      states.set(state, n * stateSize);
      state = Float32Array.from(run({ [inputs[0]]: x, [inputs[1]]: state })[outputs[1]]);
    }
    const archive = sources.encodeNpz([
      { name: inputs[0], type: "f4", shape: [count, ...shape], data },
      { name: inputs[1], type: "f4", shape: [count, ...stateShape], data: states },
    ]);
    writeFileSync(join(folder, `${split}.npz`), archive);
  }
  model.dispose();
}

// The first eight harmonics, and breath.
function voice(random, length, pitch, loudness, phase) {
  return Float32Array.from({ length }, (_, i) => {
    let value = 0.05 * normal(random);
    for (let k = 1; k <= 8; k++) value += Math.sin(2 * Math.PI * k * (phase + pitch * i)) / k;
    return Math.max(-1, Math.min(1, loudness * value));
  });
}

function magnitudesOf(frame) {
  return Float32Array.from({ length: frame.length / 2 + 1 }, (_, k) => {
    let [re, im] = [0, 0];
    for (let i = 0; i < frame.length; i++) {
      const angle = (2 * Math.PI * ((k * i) % frame.length)) / frame.length;
      re += frame[i] * Math.cos(angle);
      im += frame[i] * Math.sin(angle);
    }
    return Math.hypot(re, im);
  });
}

const STATES = ["h0", "c0", "h1", "c1"];

/** Sequences of tokens: rows of times, columns of sequences. */
export function tokensOf(name) {
  const { shape, data } = sources.decodeNpy(readFileSync(join(ASSETS, `data/text_charlotte_bronte/${name}.npy`)), name);
  return { times: shape[0], sequences: shape[1], data };
}

/** What a run of the language model says, with its next states among the inputs of the next one. */
export function nextStates(outputs) {
  return Object.fromEntries(STATES.map((state) => [state, Float32Array.from(outputs[`${state}_out`])]));
}

/** States at the beginning of a sequence. */
export function firstStates() {
  return Object.fromEntries(STATES.map((state) => [state, new Float32Array(128)]));
}

/** Tokens of the language model, one a sample, with the four states. */
export async function tokens(folder, { openFloat }) {
  const { model, run } = await openFloat();
  for (const [split, every] of [
    ["calib", 8],
    ["eval", 40],
  ]) {
    const { times, sequences, data } = tokensOf(`${split}_tokens`);
    const rows = [];
    for (let n = 0; n < sequences; n++) {
      let states = firstStates();
      for (let t = 0; t < times; t++) {
        const token = data[t * sequences + n];
        // Not always at the same times of a sequence.
        if ((t + n) % every === 0) rows.push({ token, states });
        states = nextStates(run({ tokens: BigInt64Array.of(token), ...states }));
      }
    }
    const arrays = STATES.map((state) => {
      const values = new Float32Array(rows.length * 128);
      for (const [i, row] of rows.entries()) values.set(row.states[state], i * 128);
      return { name: state, type: "f4", shape: [rows.length, 1, 1, 128], data: values };
    });
    const first = { name: "tokens", type: "i8", shape: [rows.length, 1, 1], data: BigInt64Array.from(rows, ({ token }) => token) };
    writeFileSync(join(folder, `${split}.npz`), sources.encodeNpz([first, ...arrays]));
  }
  model.dispose();
}
