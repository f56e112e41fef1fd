/**
 * How many multiply-accumulates a second this machine does at most, in WebAssembly, on one thread: the inner loops of the dense kernels,
 * loads included, on operands in the first cache (runtime-wasm/peak.ts).
 */
import { base64 as plain } from "../../../build/peak.ts";
import { base64 as relaxed } from "../../../build/peak-relaxed.ts";
import { decodeBase64 } from "../../../host/base64.ts";
import type { BuildName } from "../../../host/builds.ts";
import { median } from "./median.ts";

/** The limits, by what they multiply. */
export const PEAKS = {
  int8: { loop: "dotI16", instructions: "i32x4.dot_i16x8_s + i32x4.add" },
  "int8 pairs": { loop: "dotPairs", instructions: "i16x8.relaxed_dot_i8x16_i7x16_s + i32x4.dot_i16x8_s + i32x4.add" },
  "int8 runs": {
    loop: "dotRuns",
    instructions: "2 i16x8.relaxed_dot_i8x16_i7x16_s + i16x8.add + i32x4.dot_i16x8_s + i32x4.add",
  },
  float32: { loop: "mulAddF32", instructions: "f32x4.mul + f32x4.add" },
  "fast float32": { loop: "fusedF32", instructions: "f32x4.relaxed_madd" },
} as const;

/** Limits of instructions that only the relaxed build has. */
const RELAXED: ReadonlySet<string> = new Set(["int8 pairs", "int8 runs", "fast float32"]);

/** What a limit multiplies. */
export type PeakName = keyof typeof PEAKS;

/** Limits measured, GMAC/s. */
export type Peaks = Readonly<Partial<Record<PeakName, number>>>;

/** Runs tiles and returns the MACs of one. */
type Loop = (tiles: number) => number;

/** Long enough for V8 to compile the loop with its optimising compiler, which runs beside it. */
const WARM_UP_MS = 50;
const SAMPLE_MS = 0.2;

/** A measurement that goes on. */
export interface PeakMeter {
  /** Takes one more sample of each limit, SAMPLE_MS each. */
  sample(): void;
  /** The median of the samples, GMAC/s; those of RELAXED only in the relaxed build. At least one sample has been taken. */
  result(): Peaks;
}

/** Compiles the loops that `build` can run and runs them until they are fast. */
export async function openPeakMeter(build: BuildName): Promise<PeakMeter> {
  const module = await WebAssembly.compile(decodeBase64(build === "relaxed" ? relaxed : plain));
  const names = (Object.keys(PEAKS) as PeakName[]).filter((name) => !RELAXED.has(name) || build === "relaxed");
  const meters = names.map((name) => ({ name, ...startMeter(module, PEAKS[name].loop, FILLS[name]) }));
  return {
    sample() {
      for (const meter of meters) meter.sample();
    },
    result: () => Object.fromEntries(meters.map(({ name, result }) => [name, result()])),
  };
}

const FILLS: Readonly<Record<PeakName, (buffer: ArrayBuffer) => void>> = {
  int8: (buffer) => fillInts(new Int16Array(buffer), 127),
  "int8 pairs": (buffer) => fillInts(new Int8Array(buffer), 63),
  "int8 runs": (buffer) => fillInts(new Int8Array(buffer), 31),
  // Neither zeros nor subnormal numbers, which some machines treat at another pace.
  float32: (buffer) => void new Float32Array(buffer).fill(0.75),
  "fast float32": (buffer) => void new Float32Array(buffer).fill(0.75),
};

function fillInts(values: Int8Array | Int16Array, limit: number): void {
  for (let i = 0; i < values.length; i++) values[i] = ((i * 37) % (2 * limit + 1)) - limit;
}

function startMeter(
  module: WebAssembly.Module,
  name: string,
  fill: (buffer: ArrayBuffer) => void,
): { readonly sample: () => void; readonly result: () => number } {
  const memory = new WebAssembly.Memory({ initial: 1 });
  fill(memory.buffer);
  const loop = new WebAssembly.Instance(module, { env: { memory } }).exports[name] as Loop;
  const rates: number[] = [];
  // A tile takes a fraction of a microsecond: 16 are enough to be timed and too few to overshoot.
  const macs = loop(1);
  let [tiles, rate] = [16, 0];
  const run = (): void => {
    const start = performance.now();
    loop(tiles);
    rate = (macs * tiles) / Math.max(performance.now() - start, 1e-4);
    tiles = Math.max(16, Math.round((rate * SAMPLE_MS) / macs));
  };
  for (const end = performance.now() + WARM_UP_MS; performance.now() < end; ) run();
  return {
    sample() {
      run();
      rates.push(rate / 1e6);
    },
    result: () => median(rates),
  };
}
