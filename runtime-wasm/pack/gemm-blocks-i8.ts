/**
 * GEMM_BLOCKS_1_I8 and GEMM_BLOCKS_2_I8 (format/packings.ts). Of each eight outputs:
 *
 *   1   Columns that are not zero, ascending. Each goes with the first of the columns that wait which it is pair-safe with; else it waits itself, and
 *       where WAITING_COLUMNS wait already, the first of them goes alone. At the end those that wait go alone, in order.
 *   2   Pairs of columns that are not zero, ascending; one that is not pair-safe goes as two, each with one of its columns.
 *
 * What goes alone goes with zeros. Two such pairs make a quad. compiler/lower/blocks.ts counts by the same rules.
 */
import { BLOCKS_HEAD_BYTES, GEMM_BLOCKS_1_I8, PAIR_LIMIT, WAITING_COLUMNS } from "../../format/packings.ts";
import { OK, OTHER_BLOCKS } from "../../format/status.ts";
import { scratch } from "../constants.ts";
import { bytesLow, HAS_PAIR_DOT, pairOffset } from "../simd/dot.ts";
import { sumOf } from "./sum.ts";

/** Bytes of a column in an A panel: of four rows. */
const COLUMN_BYTES: usize = HAS_PAIR_DOT ? 4 : 8;
/** A column that waits: its values, then its number. */
const WAITING_BYTES: usize = 16;
const NUMBER: usize = 8;

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
  memory.fill(dst, 0, places + <usize>(single ? quads << 4 : quads << 3) - dst);
  for (let g = 0; g < groups; g++) {
    for (let n = 0; n < outputs; n += 8) {
      const rows = min(8, outputs - n);
      const before = room;
      store<i32>(dst, <i32>(weights - dst));
      store<i32>(dst, <i32>(places - dst), 8);
      if (!(single ? packColumns(src, rows, depth) : packPairs(src, rows, depth))) return OTHER_BLOCKS;
      if (room & 1) finishQuad(single);
      store<i32>(dst, (before - room) >> 1, 4);
      if (HAS_PAIR_DOT) {
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
  const values = bytesLow(i64x2.splat(first), i64x2.splat(second));
  if (HAS_PAIR_DOT) {
    // Eight outputs of two values, four bytes apart; the quad's first pair comes first.
    const at = weights + (room & 1 ? 2 : 0);
    v128.store_lane<i16>(at, values, 0);
    v128.store_lane<i16>(at + 4, values, 1);
    v128.store_lane<i16>(at + 8, values, 2);
    v128.store_lane<i16>(at + 12, values, 3);
    v128.store_lane<i16>(at + 16, values, 4);
    v128.store_lane<i16>(at + 20, values, 5);
    v128.store_lane<i16>(at + 24, values, 6);
    v128.store_lane<i16>(at + 28, values, 7);
    if (room & 1) weights += 32;
  } else {
    v128.store(weights, values);
    weights += 16;
  }
  store<u32>(places, <u32>(<usize>k0 * COLUMN_BYTES));
  places += 4;
  if (single) {
    store<u32>(places, <u32>(<usize>k1 * COLUMN_BYTES));
    places += 4;
  }
  room--;
  return true;
}

/** Leaves the second half of a quad zeros. */
function finishQuad(single: bool): void {
  weights += HAS_PAIR_DOT ? 32 : 16;
  places += single ? 8 : 4;
  room--;
}
