/**
 * How many quads sparse weights take as GEMM_BLOCKS_1_I8 or GEMM_BLOCKS_2_I8: counted as runtime-wasm/pack/gemm-blocks-i8.ts packs them, which
 * refuses any other number.
 */
import { PAIR_LIMIT, WAITING_COLUMNS } from "../../format/packings.ts";

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
