/**
 * The table of frequencies that codes a plane in the fewest bytes, table included (format/entropy.ts): the histogram is cut into runs of
 * symbols that share one frequency, by dynamic programming over all cuts between unlike counts. Integers only, so that the table is the same on every engine.
 *
 *   cost of a run of L symbols that occur C times = bits of its entry + C·(log₂ L − log₂ C), up to a constant
 */
import { MAX_FREQUENCY } from "../../format/entropy.ts";

/** A table and what follows from it. */
export interface Frequencies {
  /** The table as it stands in the stream. */
  readonly table: Uint8Array;
  /** Units of each symbol, 0 for one that cannot be coded. */
  readonly frequencies: Uint16Array;
  /** Units before each symbol. */
  readonly starts: Uint16Array;
}

const SYMBOLS = 256;

/** Fractional bits of logarithms. */
const LOG_BITS = 12;

interface Run {
  readonly length: number;
  readonly count: number;
}

/** The best table of 2^`precision` units for symbols that occur `counts[symbol]` times, at least one of them once. */
export function chooseFrequencies(counts: Uint32Array, precision: number): Frequencies {
  const runs = cutRuns(counts, precision);
  const units = shareUnits(runs, 1 << precision);
  const table: number[] = [];
  const frequencies = new Uint16Array(SYMBOLS);
  let symbol = 0;
  for (const [i, { length }] of runs.entries()) {
    const value = units[i]! * 2 + (length > 1 ? 1 : 0);
    if (value < 128) table.push(value);
    else table.push((value & 127) | 128, value >> 7);
    if (length > 1) table.push(length - 2);
    for (let k = 0; k < length; k++) frequencies[symbol++] = Math.floor(units[i]! / length) + (k < units[i]! % length ? 1 : 0);
  }
  const starts = new Uint16Array(SYMBOLS);
  for (let s = 1; s < SYMBOLS; s++) starts[s] = starts[s - 1]! + frequencies[s - 1]!;
  return { table: Uint8Array.from(table), frequencies, starts };
}

/** Runs over all symbols, of the least cost in 2^-LOG_BITS bits. */
function cutRuns(counts: Uint32Array, precision: number): readonly Run[] {
  const sums = new Float64Array(SYMBOLS + 1);
  for (let s = 0; s < SYMBOLS; s++) sums[s + 1] = sums[s]! + counts[s]!;
  const total = sums[SYMBOLS]!;
  const cost = new Float64Array(SYMBOLS + 1);
  const from = new Uint16Array(SYMBOLS + 1);
  // A frequency of fewer units than this takes one byte.
  const short = (64 * total) / 2 ** precision;
  const cuts = [0];
  for (let s = 1; s < SYMBOLS; s++) if (counts[s] !== counts[s - 1]) cuts.push(s);
  for (const end of [...cuts.slice(1), SYMBOLS]) {
    let best = Number.POSITIVE_INFINITY;
    for (const start of cuts) {
      if (start >= end) break;
      const count = sums[end]! - sums[start]!;
      const length = end - start;
      const entry = ((count < short ? 8 : 16) + (length > 1 ? 8 : 0)) * 2 ** LOG_BITS;
      const own = cost[start]! + entry + (count === 0 ? 0 : count * (log2(length) - log2(count)));
      if (own < best) {
        best = own;
        from[end] = start;
      }
    }
    cost[end] = best;
  }
  const runs: Run[] = [];
  for (let end = SYMBOLS; end > 0; end = from[end]!) runs.unshift({ length: end - from[end]!, count: sums[end]! - sums[from[end]!]! });
  return runs;
}

/** Shares `all` units in proportion to the counts; every symbol of a run that occurs gets one at least, and none more than the decoder takes. */
function shareUnits(runs: readonly Run[], all: number): readonly number[] {
  const total = runs.reduce((sum, { count }) => sum + count, 0);
  const units = runs.map(({ length, count }) => (count === 0 ? 0 : Math.max(length, Math.floor((count * all) / total))));
  let left = all - units.reduce((sum, own) => sum + own, 0);
  /** How many units too few a run has, times `total`. */
  const lack = (i: number): number => runs[i]!.count * all - units[i]! * total;
  const best = (value: (i: number) => number): number => {
    let found = -1;
    let most = Number.NEGATIVE_INFINITY;
    for (let i = 0; i < runs.length; i++) {
      const own = value(i);
      if (own > most) {
        most = own;
        found = i;
      }
    }
    if (found < 0) throw new Error("unreachable: no run can take or give a unit");
    return found;
  };
  for (; left > 0; left--) {
    const i = best((k) => (runs[k]!.count > 0 ? lack(k) : Number.NEGATIVE_INFINITY));
    units[i]!++;
  }
  for (; left < 0; left++) {
    const i = best((k) => (units[k]! > runs[k]!.length ? -lack(k) : Number.NEGATIVE_INFINITY));
    units[i]!--;
  }
  // One symbol alone would take all units, one more than there may be.
  const alone = runs.findIndex(({ length }, i) => length === 1 && units[i]! > MAX_FREQUENCY);
  if (alone >= 0) {
    units[alone]!--;
    units[alone === 0 ? 1 : 0]!++;
  }
  return units;
}

const LOGS = new Float64Array(1 << 12);

/** ⌊log₂ x⌋ and LOG_BITS bits behind the point, as an integer, of a positive integer below 2³². */
function log2(x: number): number {
  const known = x < LOGS.length ? LOGS[x]! : 0;
  if (known > 0) return known;
  const whole = 31 - Math.clz32(x);
  let mantissa = whole > 15 ? x >>> (whole - 15) : x << (15 - whole);
  let log = whole;
  for (let bit = 0; bit < LOG_BITS; bit++) {
    mantissa = (mantissa * mantissa) / 2 ** 15;
    const above = mantissa >= 2 ** 16;
    if (above) mantissa /= 2;
    mantissa = Math.floor(mantissa);
    log = log * 2 + (above ? 1 : 0);
  }
  if (x < LOGS.length) LOGS[x] = log;
  return log;
}
