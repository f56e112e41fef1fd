/**
 * What `warmup` does before the first run that matters: it measures which form of the relaxed build's dot is the faster one here, and runs the
 * model until the engine has compiled the kernels well (engines compile WebAssembly hastily first, and that code is several times slower).
 */
import { now } from "./clock.ts";
import { InputError } from "./errors.ts";
import type { Instance } from "./instance.ts";
import { instantiate } from "./runtime.ts";
import type { TypedArray } from "./tensor.ts";

/** Options of a warm-up. */
export interface WarmupOptions {
  /** How long to run the model at least, in ms; 100 unless said. At most it takes as long and one run. */
  readonly ms?: number;
}

/** What a warm-up did. */
export interface Warmup {
  readonly runs: number;
  readonly ms: number;
  /** Whether the fused form of the dot was taken: on this machine it is exact and was faster. */
  readonly fusedDot: boolean;
}

const DEFAULT_MS = 100;
/** Engines compile in the background: the event loop gets its turn after so long. */
const SLICE_MS = 10;

/** Warms up on inputs of 0, which as an index is always there; `inputs` are those of each plan, which take turns. Throws InputError `bad-option`, RunError as `run`. */
export async function warmUp(
  instance: Instance,
  module: WebAssembly.Module,
  inputs: readonly (readonly TypedArray[])[],
  { ms = DEFAULT_MS }: WarmupOptions = {},
): Promise<Warmup> {
  if (!(ms >= 0 && ms <= 60_000)) throw new InputError("bad-option", `ms is ${ms}, not a time from 0 to 60000.`, { option: "ms", got: ms });
  const fusedDot = instance.useFusedDot(fusedIsFaster(module));
  const start = now();
  let runs = 0;
  let slice = start;
  do {
    // Before every run: a plan reuses the memory of its inputs.
    const plan = runs % inputs.length;
    for (const input of inputs[plan]!) new Uint8Array(input.buffer, input.byteOffset, input.byteLength).fill(0);
    instance.run(plan);
    runs++;
    if (now() - slice > SLICE_MS) {
      await pause();
      slice = now();
    }
  } while (now() - start < ms || runs < inputs.length);
  return { runs, ms: now() - start, fusedDot };
}

const measured = new WeakMap<WebAssembly.Module, boolean>();

const ROUNDS = 9;
const ROUND_MS = 0.15;
/** The fused form has to win by this factor: a tie stays with what every machine has. */
const MARGIN = 1.05;

/** Whether the fused dot beats the one of two steps, exact or not; measured once for a module. */
function fusedIsFaster(module: WebAssembly.Module): boolean {
  let faster = measured.get(module);
  if (faster === undefined) {
    const runtime = instantiate(module, new WebAssembly.Memory({ initial: 1, maximum: 1 }));
    faster = runtime.useFusedDot(1) === 1 && isFaster(runtime.tryDots);
    measured.set(module, faster);
  }
  return faster;
}

function isFaster(tryDots: (fused: number, times: number) => void): boolean {
  const times = [0, 1].map((fused) => timesFor((count) => tryDots(fused, count)));
  const rates = [[], []] as readonly [number[], number[]];
  for (let round = 0; round < ROUNDS; round++) {
    for (const fused of [0, 1] as const) {
      const count = times[fused] as number;
      const start = now();
      tryDots(fused, count);
      rates[fused].push((now() - start) / count);
    }
  }
  return middle(rates[1]) * MARGIN < middle(rates[0]);
}

/** How many repetitions take a round, once the engine has compiled the loop well. */
function timesFor(run: (count: number) => void): number {
  let count = 16;
  for (let round = 0; round < 40; round++) {
    const start = now();
    run(count);
    const ms = now() - start;
    // A coarse clock, as of pages that are not isolated, may show nothing of a round.
    count = Math.min(1 << 20, Math.max(16, ms > 0 ? Math.round((count * ROUND_MS) / ms) : 2 * count));
  }
  return count;
}

function middle(values: number[]): number {
  return values.sort((a, b) => a - b)[values.length >> 1] as number;
}

/** A turn of the event loop, where there are timers. */
function pause(): Promise<void> {
  return new Promise((resolve) => (globalThis.setTimeout === undefined ? resolve() : setTimeout(resolve, 0)));
}
