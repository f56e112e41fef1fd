/**
 * An order of channels in which few weights are large together that the relaxed build adds up in int16 (runs, format/packings.ts). What a layer computes
 * does not depend on the order of its inputs; what its weights lose by being made run-safe does.
 *
 *   least   Σ over layers, outputs, runs and both signs   max(0, Σ |w| − max |w|·RUN_LIMIT/LEVELS)² / Σ w²      Σ |w| over the weights of that sign in the
 *                                                                                                     run, max of the output, Σ w² of the layer
 *
 * From the order that is given pairs of channels change places for as long as that gains, or so much work is done.
 */
import { RUN_LIMIT } from "../../format/packings.ts";
import { Workspace } from "../quantize/algebra.ts";

/** A layer that reads channels which may change places. */
export interface Reader {
  /** Rows of weights: outputs, times places of the kernel. */
  readonly rows: number;
  /** [channels][rows], in the order that is given. */
  readonly weights: Float32Array;
  /** [rows]: the largest magnitude of the output. */
  readonly largest: Float32Array;
  /** The run that each channel's place belongs to, counted from 0. */
  readonly runs: Int32Array;
  /** What stays where it is: other channels, by their runs; likewise [channels][rows]. */
  readonly fixed: Float32Array;
  readonly fixedRuns: Int32Array;
}

/** Levels of either sign that an output's largest weight has. */
const LEVELS = 127;
/** Times that all channels are gone through, at most, and rows that are looked at in one of them, of all pairs that are tried. */
const MOST_SWEEPS = 8;
const SWEEP_WORK = 3e7;
/** A gain that is more than rounding, as a part of what two runs cost. */
const LEAST_GAIN = 1e-4;

/** Which of so many channels best comes where each was, and what the order costs before and after. */
export async function orderForRuns(
  channels: number,
  readers: readonly Reader[],
  pause: () => Promise<void>,
): Promise<{ readonly order: Int32Array; readonly before: number; readonly after: number }> {
  const workspace = new Workspace();
  workspace.reserve(readers.reduce((total, reader) => total + doublesOf(reader), 0));
  const sums = readers.map((reader) => new RunSums(reader, workspace));
  const costOf = (): number => sums.reduce((total, { cost }) => total + cost, 0);
  const order = Int32Array.from({ length: channels }, (_, i) => i);
  const before = costOf();
  const rows = readers.reduce((total, reader) => total + reader.rows, 0);
  const tried = Math.max(1, Math.min(channels - 1, Math.floor(SWEEP_WORK / (channels * Math.max(1, rows)))));
  for (let sweep = 0; sweep < MOST_SWEEPS && before > 0; sweep++) {
    let isBetter = false;
    for (let a = 0; a < channels; a++) {
      await pause();
      for (let i = 0; i < tried; i++) {
        // Of few partners another part in each sweep.
        const b = (a + 1 + ((i + sweep * tried) % (channels - 1))) % channels;
        const [p, q] = [order[a]!, order[b]!];
        let [now, after] = [0, 0];
        for (const each of sums) now += each.costAt(a, b);
        if (now === 0) continue;
        const most = now * (1 - LEAST_GAIN);
        for (const each of sums) if (after < most) after += each.costAfter(a, b, p, q, most - after);
        if (!(after < most)) continue;
        for (const each of sums) each.exchange(a, b, p, q);
        [order[a], order[b]] = [q, p];
        isBetter = true;
      }
    }
    if (!isBetter) break;
  }
  return { order, before, after: costOf() };
}

/** Vectors of four float32. */
const LANES = 4;

function pitchOf({ rows }: Reader): number {
  return Math.ceil(rows / LANES) * LANES;
}

function runsOf({ runs, fixedRuns }: Reader): number {
  return Math.max(...runs, ...fixedRuns) + 1;
}

function doublesOf(reader: Reader): number {
  return ((2 * runsOf(reader) + reader.runs.length + 1) * pitchOf(reader)) / 2;
}

/** The root of the squares of all weights: of layers the relative noise counts. */
function unitOf({ weights, fixed }: Reader): number {
  let total = 0;
  for (const data of [weights, fixed]) for (const w of data) total += w * w;
  return Math.sqrt(total) || 1;
}

/** What the weights of each run add up to in one layer, those of either sign apart. */
class RunSums {
  private readonly kernels: Workspace["kernels"];
  private readonly runs: Int32Array;
  private readonly costs: Float64Array;
  private readonly pitch: number;
  /** Addresses. */
  private readonly weights: number;
  private readonly sums: number;
  private readonly limits: number;

  constructor(reader: Reader, workspace: Workspace) {
    const { rows, runs } = reader;
    const [pitch, count] = [pitchOf(reader), runsOf(reader)];
    const weights = new Float32Array(runs.length * pitch);
    const sums = new Float32Array(2 * count * pitch);
    const limits = new Float32Array(pitch);
    const unit = unitOf(reader);
    const add = (from: Float32Array, of: Int32Array, into: Float32Array | null): void => {
      of.forEach((run, channel) => {
        for (let r = 0; r < rows; r++) {
          const w = from[channel * rows + r]! / unit;
          const at = (2 * run + (w < 0 ? 1 : 0)) * pitch + r;
          sums[at] = sums[at]! + Math.abs(w);
          if (into) into[channel * pitch + r] = w;
        }
      });
    };
    add(reader.weights, runs, weights);
    add(reader.fixed, reader.fixedRuns, null);
    for (let r = 0; r < rows; r++) limits[r] = ((reader.largest[r]! / unit) * RUN_LIMIT) / LEVELS;
    this.kernels = workspace.kernels;
    this.runs = runs;
    this.pitch = pitch;
    this.weights = workspace.putBytes(weights);
    this.sums = workspace.putBytes(sums);
    this.limits = workspace.putBytes(limits);
    this.costs = Float64Array.from({ length: count }, (_, run) => this.kernels.excess(this.sumsAt(run), this.limits, pitch));
  }

  get cost(): number {
    return this.costs.reduce((total, cost) => total + cost, 0);
  }

  /** What the runs of two places cost; 0 where they are one. */
  costAt(a: number, b: number): number {
    const [x, y] = [this.runs[a]!, this.runs[b]!];
    return x === y ? 0 : this.costs[x]! + this.costs[y]!;
  }

  /** The same once the channels `p` and `q`, which are there, have changed places; infinite where it comes to `most`. */
  costAfter(a: number, b: number, p: number, q: number, most: number): number {
    const [x, y] = [this.runs[a]!, this.runs[b]!];
    if (x === y) return 0;
    return this.kernels.excessAfter(this.sumsAt(x), this.sumsAt(y), this.weightsOf(p), this.weightsOf(q), this.limits, this.pitch, most);
  }

  exchange(a: number, b: number, p: number, q: number): void {
    const [x, y] = [this.runs[a]!, this.runs[b]!];
    if (x === y) return;
    this.kernels.exchange(this.sumsAt(x), this.sumsAt(y), this.weightsOf(p), this.weightsOf(q), this.pitch);
    for (const run of [x, y]) this.costs[run] = this.kernels.excess(this.sumsAt(run), this.limits, this.pitch);
  }

  private sumsAt(run: number): number {
    return this.sums + run * this.pitch * 8;
  }

  private weightsOf(channel: number): number {
    return this.weights + channel * this.pitch * 4;
  }
}
