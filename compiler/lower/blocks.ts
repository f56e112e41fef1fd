/**
 * Whether the zeros among a layer's weights are worth leaving out: how many quads are left in blocks (GEMM_BLOCKS_1_I8, GEMM_BLOCKS_2_I8), and
 * below how many they are multiplied faster than all. Counted as runtime-wasm/pack/gemm-blocks-i8.ts packs them, which refuses any other
 * number.
 */
import { gemmDepth, PAIR_LIMIT, WAITING_COLUMNS } from "../../format/packings.ts";

/** Sparse weights in blocks of eight outputs by `unit` columns. */
export interface Blocks {
  readonly unit: 1 | 2;
  /** Quads of all eight outputs together. */
  readonly quads: number;
}

/**
 * The part of all quads up to which blocks are faster than the dense kernel, by blocks of 1 and 2 columns: in both builds, on every shape that
 * `npm run bench:sparse` times, with something to spare for machines whose dense kernel gains more from its instructions.
 */
const BREAK_EVEN = [0.65, 0.8] as const;
/** The same where there is one row of inputs only, so that a dense kernel has little to do but to read the weights. */
const BREAK_EVEN_OF_ROW = [0.35, 0.45] as const;

/** Four-bit weights are multiplied faster than others where all are there: by this much, at most. */
const FOUR_BITS_FASTER = 1.3;

/**
 * The blocks that weights, rows of `segments` segments of `length` values of which `outputs` are a group, are multiplied in with one row of inputs
 * or more; null where all of them are multiplied faster.
 */
export function blocksOf(
  values: Int8Array,
  outputs: number,
  segments: number,
  length: number,
  isOneRow: boolean,
  isFourBits: boolean,
): Blocks | null {
  const depth = segments * length;
  const all = ((values.length / depth / outputs) * Math.ceil(outputs / 8) * gemmDepth(segments, length)) / 4;
  const gain = isFourBits ? FOUR_BITS_FASTER : 1;
  let best: Blocks | null = null;
  let least = 1;
  if (zerosOf(values) < 0.2 * values.length) return null;
  for (const unit of [2, 1] as const) {
    const quads = countQuads(values, outputs, depth, unit);
    const cost = (quads * gain) / (all * (isOneRow ? BREAK_EVEN_OF_ROW : BREAK_EVEN)[unit - 1]!);
    if (cost >= least) continue;
    best = { unit, quads };
    least = cost;
  }
  return best;
}

function zerosOf(values: Int8Array): number {
  let zeros = 0;
  for (let i = 0; i < values.length; i++) if (values[i] === 0) zeros++;
  return zeros;
}

/** Quads of rows of `depth` values, `outputs` of them in a group, in blocks of `unit` (1 or 2) columns of eight outputs. */
export function countQuads(values: Int8Array, outputs: number, depth: number, unit: 1 | 2): number {
  let quads = 0;
  const groups = values.length / (outputs * depth);
  for (let g = 0; g < groups; g++) {
    for (let n = 0; n < outputs; n += 8) {
      const first = (g * outputs + n) * depth;
      const rows = values.subarray(first, first + Math.min(8, outputs - n) * depth);
      quads += Math.ceil((unit === 1 ? countColumnPairs(rows, depth) : countUnitPairs(rows, depth)) / 2);
    }
  }
  return quads;
}

/** Pairs of columns, each with one that it is pair-safe with or alone. */
function countColumnPairs(rows: Int8Array, depth: number): number {
  const waiting: number[] = [];
  let pairs = 0;
  for (let k = 0; k < depth; k++) {
    if (isZero(rows, depth, k)) continue;
    const mate = waiting.findIndex((other) => isPairSafe(rows, depth, other, k));
    if (mate >= 0) {
      waiting.splice(mate, 1);
      pairs++;
      continue;
    }
    if (waiting.length === WAITING_COLUMNS) {
      waiting.shift();
      pairs++;
    }
    waiting.push(k);
  }
  return pairs + waiting.length;
}

/** Pairs of adjacent columns; two of one that is not pair-safe. */
function countUnitPairs(rows: Int8Array, depth: number): number {
  let pairs = 0;
  for (let k = 0; k < depth; k += 2) {
    const isLast = k + 1 === depth;
    if (isZero(rows, depth, k) && (isLast || isZero(rows, depth, k + 1))) continue;
    pairs += isLast || isPairSafe(rows, depth, k, k + 1) ? 1 : 2;
  }
  return pairs;
}

function isZero(rows: Int8Array, depth: number, k: number): boolean {
  for (let at = k; at < rows.length; at += depth) if (rows[at] !== 0) return false;
  return true;
}

function isPairSafe(rows: Int8Array, depth: number, a: number, b: number): boolean {
  for (let at = 0; at < rows.length; at += depth) if (Math.abs(rows[at + a]!) + Math.abs(rows[at + b]!) > PAIR_LIMIT) return false;
  return true;
}
