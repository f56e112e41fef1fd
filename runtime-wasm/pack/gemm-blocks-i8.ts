/**
 * GEMM_BLOCKS_1_I8 and GEMM_BLOCKS_2_I8 (format/packings.ts). Of each eight outputs:
 *
 *   1   Columns that are not zero, ascending. Each goes with the first of the columns that wait which it is pair-safe with; else it waits itself, and
 *       where WAITING_COLUMNS wait already, the first of them goes alone. At the end those that wait go alone, in order.
 *   2   Pairs of columns that are not zero, ascending; one that is not pair-safe goes as two, each with one of its columns.
 *
 * What goes alone goes with zeros. Two such pairs make a quad. compiler/lower/blocks.ts counts by the same rules.
 *
 * With the pair dot, the pairs of each eight outputs are then put in another order: first come quads that are run-safe two by two.
 */
import { BLOCKS_HEAD_BYTES, GEMM_BLOCKS_1_I8, PAIR_LIMIT, RUN_LIMIT, WAITING_COLUMNS } from "../../format/packings.ts";
import { OK, OTHER_BLOCKS } from "../../format/status.ts";
import { scratch } from "../constants.ts";
import { bytesLow, HAS_PAIR_DOT, interleaveHigh, interleaveLow, pairOffset } from "../simd/dot.ts";
import { sumOf } from "./sum.ts";

/** Bytes of a column in an A panel: of four rows. */
const COLUMN_BYTES: usize = HAS_PAIR_DOT ? 4 : 8;
/** A column that waits: its values, then its number. */
const WAITING_BYTES: usize = 16;
const NUMBER: usize = 8;

/** Pairs among which a mate is looked for. */
const SEARCHED_PAIRS: i32 = 16;

/** Where the next pair goes. */
let weights: usize = 0;
let places: usize = 0;
/** Pairs that there is still room for. */
let room: i32 = 0;

/** Packs `groups` groups of `outputs` rows of `depth` values to `quads` quads. Returns OK or OTHER_BLOCKS. */
export function packGemmBlocksI8(packing: i32, src: usize, dst: usize, groups: i32, outputs: i32, depth: i32, quads: i32): i32 {
  const single = packing == GEMM_BLOCKS_1_I8;
  const heads = groups * ((outputs + 7) >> 3);
  weights = dst + <usize>(heads * BLOCKS_HEAD_BYTES);
  places = weights + <usize>(quads << 5);
  room = quads << 1;
  memory.fill(dst, 0, <usize>(heads * BLOCKS_HEAD_BYTES));
  for (let g = 0; g < groups; g++) {
    for (let n = 0; n < outputs; n += 8) {
      const rows = min(8, outputs - n);
      const ownWeights = weights;
      const ownPlaces = places;
      store<i32>(dst, <i32>(ownWeights - dst));
      store<i32>(dst, <i32>(ownPlaces - dst), 8);
      if (!(single ? packColumns(src, rows, depth) : packPairs(src, rows, depth))) return OTHER_BLOCKS;
      if (room & 1) emit(0, 0, 0, 0, single);
      const pairs = <i32>((weights - ownWeights) >> 4);
      store<i32>(dst, pairs >> 1, 4);
      if (HAS_PAIR_DOT) {
        store<i32>(dst, single ? arrange<u64>(ownWeights, ownPlaces, pairs) : arrange<u32>(ownWeights, ownPlaces, pairs), 12);
        interleaveQuads(ownWeights, weights);
        for (let r = 0; r < rows; r++) store<i32>(dst + (<usize>r << 2), pairOffset(sumOf(src + <usize>(r * depth), depth)), 16);
      }
      src += <usize>(rows * depth);
      dst += BLOCKS_HEAD_BYTES;
    }
  }
  return room == 0 ? OK : OTHER_BLOCKS;
}

function packColumns(src: usize, rows: i32, depth: i32): bool {
  const queue = scratch();
  let waiting = 0;
  for (let k = 0; k < depth; k++) {
    const column = columnAt(src + <usize>k, rows, depth);
    if (column == 0) continue;
    let i = 0;
    while (i < waiting && !isPairSafe(load<u64>(queue + <usize>i * WAITING_BYTES), column)) i++;
    if (i < waiting) {
      const other = queue + <usize>i * WAITING_BYTES;
      if (!emit(load<u64>(other), column, load<i32>(other, NUMBER), k, true)) return false;
      leave(other, --waiting - i);
    } else {
      if (waiting == WAITING_COLUMNS) {
        if (!emit(load<u64>(queue), 0, load<i32>(queue, NUMBER), load<i32>(queue, NUMBER), true)) return false;
        leave(queue, --waiting);
      }
      const last = queue + <usize>waiting * WAITING_BYTES;
      store<u64>(last, column);
      store<i32>(last, k, NUMBER);
      waiting++;
    }
  }
  for (let i = 0; i < waiting; i++) {
    const one = queue + <usize>i * WAITING_BYTES;
    if (!emit(load<u64>(one), 0, load<i32>(one, NUMBER), load<i32>(one, NUMBER), true)) return false;
  }
  return true;
}

/** Takes a column out of the queue, behind which `more` wait. */
function leave(column: usize, more: i32): void {
  memory.copy(column, column + WAITING_BYTES, <usize>more * WAITING_BYTES);
}

function packPairs(src: usize, rows: i32, depth: i32): bool {
  for (let k = 0; k < depth; k += 2) {
    const first = columnAt(src + <usize>k, rows, depth);
    const second = k + 1 < depth ? columnAt(src + <usize>(k + 1), rows, depth) : 0;
    if ((first | second) == 0) continue;
    if (isPairSafe(first, second)) {
      if (!emit(first, second, k, k, false)) return false;
    } else if (!emit(first, 0, k, k, false) || !emit(0, second, k, k, false)) return false;
  }
  return true;
}

/** The values of a column, of row r in byte r. */
function columnAt(src: usize, rows: i32, depth: i32): u64 {
  let column: u64 = 0;
  for (let r = 0; r < rows; r++) column |= <u64>load<u8>(src + <usize>(r * depth)) << (r << 3);
  return column;
}

function isPairSafe(a: u64, b: u64): bool {
  const sums = i8x16.add_sat_u(i8x16.abs(i64x2.splat(a)), i8x16.abs(i64x2.splat(b)));
  return !v128.any_true(i8x16.gt_u(sums, i8x16.splat(<i8>PAIR_LIMIT)));
}

/** Appends a pair of columns that stand at `k0` and `k1`; of pairs of columns there is one place, `k0`. Returns whether there was room. */
function emit(first: u64, second: u64, k0: i32, k1: i32, single: bool): bool {
  if (room == 0) return false;
  v128.store(weights, bytesLow(i64x2.splat(first), i64x2.splat(second)));
  weights += 16;
  store<u32>(places, <u32>(<usize>k0 * COLUMN_BYTES));
  places += 4;
  if (single) {
    store<u32>(places, <u32>(<usize>k1 * COLUMN_BYTES));
    places += 4;
  }
  room--;
  return true;
}

/**
 * Arranges the `pairs` (even) pairs of a head so that many quads at its front are run-safe two by two. Returns how many, an even number. T is as wide as a
 * pair's places. A pair without a mate goes to the end.
 */
function arrange<T>(values: usize, placesOfPairs: usize, pairs: i32): i32 {
  let front = 0;
  let end = pairs;
  while (end - front >= 4) {
    // Pairs 0 and 2 of four are the first halves of their quads, 1 and 3 the second ones.
    const mate = findMate(values, front, front + 1, end);
    if (mate < 0) {
      swap<T>(values, placesOfPairs, front, --end);
      continue;
    }
    swap<T>(values, placesOfPairs, front + 2, mate);
    let other = -1;
    while (end - front >= 4) {
      other = findMate(values, front + 1, front + 3, end);
      if (other >= 0) break;
      swap<T>(values, placesOfPairs, front + 1, --end);
    }
    if (other < 0) break;
    swap<T>(values, placesOfPairs, front + 3, other);
    front += 4;
  }
  return front >> 1;
}

/** The first pair from `first` on, of SEARCHED_PAIRS and before `end`, that is run-safe together with `pair`; -1 where none is. */
function findMate(values: usize, pair: i32, first: i32, end: i32): i32 {
  const own = sumsOf(values + (<usize>pair << 4));
  const limit = i8x16.splat(<i8>RUN_LIMIT);
  const last = min(end, first + SEARCHED_PAIRS);
  for (let i = first; i < last; i++) {
    const sums = i8x16.add_sat_u(own, sumsOf(values + (<usize>i << 4)));
    if (!v128.any_true(i8x16.gt_u(sums, limit))) return i;
  }
  return -1;
}

/** Of a pair, uint8: what the positive weights of each of eight outputs add up to, and the magnitudes of the negative ones. */
// @ts-ignore: decorator
@inline
function sumsOf(pair: usize): v128 {
  const values = v128.load(pair);
  const zero = i8x16.splat(0);
  const above = i16x8.extadd_pairwise_i8x16_u(i8x16.max_s(values, zero));
  const below = i16x8.extadd_pairwise_i8x16_u(i8x16.neg(i8x16.min_s(values, zero)));
  return i8x16.narrow_i16x8_u(above, below);
}

function swap<T>(values: usize, placesOfPairs: usize, i: i32, j: i32): void {
  const a = values + (<usize>i << 4);
  const b = values + (<usize>j << 4);
  const pair = v128.load(a);
  v128.store(a, v128.load(b));
  v128.store(b, pair);
  const p = placesOfPairs + <usize>i * sizeof<T>();
  const q = placesOfPairs + <usize>j * sizeof<T>();
  const place = load<T>(p);
  store<T>(p, load<T>(q));
  store<T>(q, place);
}

/** Makes two pairs of eight outputs eight outputs of four columns, of each quad. */
function interleaveQuads(quad: usize, end: usize): void {
  for (; quad < end; quad += 32) {
    const first = v128.load(quad);
    const second = v128.load(quad, 16);
    v128.store(quad, interleaveLow(first, second));
    v128.store(quad, interleaveHigh(first, second), 16);
  }
}
