/**
 * How many multiply-accumulates a second this machine does at most, in WebAssembly, on one thread: the inner loops of the dense kernels,
 * loads included, on operands in the first cache (runtime-wasm/peak.ts).
 */
import { base64 } from "../../../build/peak.ts";
import { decodeBase64 } from "../../../host/base64.ts";
import { median } from "./median.ts";

/** The limits, by what they multiply. */
export const PEAKS = {
  int8: { loop: "dotI16", instructions: "i32x4.dot_i16x8_s + i32x4.add" },
  float32: { loop: "mulAddF32", instructions: "f32x4.mul + f32x4.add" },
} as const;

/** What a limit multiplies. */
export type PeakName = keyof typeof PEAKS;

/** Runs tiles and returns the MACs of one. */
type Loop = (tiles: number) => number;

/** Long enough for V8 to compile the loop with its optimising compiler, which runs beside it. */
const WARM_UP_MS = 50;
const SAMPLE_MS = 0.2;

/** A measurement that goes on. */
export interface PeakMeter {
  /** Takes one more sample of each limit, SAMPLE_MS each. */
  sample(): void;
  /** The median of the samples, GMAC/s. At least one has been taken. */
  result(): Readonly<Record<PeakName, number>>;
}

/** Compiles the loops and runs them until they are fast. */
export async function openPeakMeter(): Promise<PeakMeter> {
  const module = await WebAssembly.compile(decodeBase64(base64));
  const int8 = startMeter(module, PEAKS.int8.loop, (buffer) => {
    const values = new Int16Array(buffer);
    for (let i = 0; i < values.length; i++) values[i] = ((i * 37) % 255) - 127;
  });
  // Neither zeros nor subnormal numbers, which some machines treat at another pace.
  const float32 = startMeter(module, PEAKS.float32.loop, (buffer) => new Float32Array(buffer).fill(0.75));
  return {
    sample() {
      int8.sample();
      float32.sample();
    },
    result: () => ({ int8: int8.result(), float32: float32.result() }),
  };
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
