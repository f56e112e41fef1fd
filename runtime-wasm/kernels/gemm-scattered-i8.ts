/**
 * The int8 GEMM of scattered weights (GEMM_SCATTERED_I8, format/packings.ts): of each output only those that are not zero, two at a time, times
 * sixteen rows of A.
 *
 *   A panel   int16 in units of one column (panel-i8.ts, planes-i8.ts): tiles of four rows
 *   table     uint32 for each column: where it stands in a tile
 *
 * What eight outputs have summed up stands in the kernel scratch, [tile][8 outputs][4 rows] int32, until it is turned round.
 */
import { scratch } from "../constants.ts";
import { dotAdd, interleaveLow } from "../simd/dot.ts";
import { word } from "../words.ts";
import { finishTile } from "./output-i8.ts";

/** Bytes of a tile's sums. */
const SUMS_BYTES: usize = 128;
/** Of a pair of weights: int16 values, then uint16 columns. */
const PAIR_BYTES: usize = 8;

/**
 * `rows` rows by `channels` (1 to 8) outputs, whose heads are at `heads`; `pairs` is where all pairs begin. Tiles lie `tileBytes` apart, output rows
 * `pitchBytes`.
 */
export function gemmScatteredI8(rows: i32, a: usize, tileBytes: i32, heads: usize, pairs: usize, table: usize, bias: usize, scale: usize, out: usize, pitchBytes: i32, channels: i32, block: usize): void {
  while (rows > 0) {
    let tiles = 4;
    if (rows > 12) {
      sumFour(channels, a, tileBytes, heads, pairs, table, bias);
    } else {
      tiles = 1;
      sumOne(channels, a, heads, pairs, table, bias);
    }
    a += tiles * tileBytes;
    for (let sums = scratch(); tiles > 0; tiles--) {
      finish(sums, rows, channels, scale, out, pitchBytes, block);
      sums += SUMS_BYTES;
      out += 4 * pitchBytes;
      rows -= 4;
    }
  }
}

/** Two columns of four rows. */
// @ts-ignore: decorator
@inline
function columns(a: usize, place0: usize, place1: usize): v128 {
  return interleaveLow(v128.load64_zero(a + place0), v128.load64_zero(a + place1));
}

/** Where the column whose number stands at `p` is in a tile. */
// @ts-ignore: decorator
@inline
function placeOf(p: usize, table: usize): usize {
  return load<u32>(table + (<usize>load<u16>(p) << 2));
}

function sumFour(channels: i32, a: usize, tileBytes: i32, heads: usize, pairs: usize, table: usize, bias: usize): void {
  const a1 = a + tileBytes;
  const a2 = a1 + tileBytes;
  const a3 = a2 + tileBytes;
  const sums = scratch();
  for (let o = 0; o < channels; o++) {
    let p = pairs + <usize>word(heads, 2 * o) * PAIR_BYTES;
    let c0 = v128.load32_splat(bias + (<usize>o << 2));
    let c1 = c0;
    let c2 = c0;
    let c3 = c0;
    for (let n = word(heads, 2 * o + 1); n > 0; n--) {
      const w = v128.load32_splat(p);
      const place0 = placeOf(p + 4, table);
      const place1 = placeOf(p + 6, table);
      c0 = dotAdd(c0, columns(a, place0, place1), w);
      c1 = dotAdd(c1, columns(a1, place0, place1), w);
      c2 = dotAdd(c2, columns(a2, place0, place1), w);
      c3 = dotAdd(c3, columns(a3, place0, place1), w);
      p += PAIR_BYTES;
    }
    const own = sums + (<usize>o << 4);
    v128.store(own, c0);
    v128.store(own, c1, 128);
    v128.store(own, c2, 256);
    v128.store(own, c3, 384);
  }
}

function sumOne(channels: i32, a: usize, heads: usize, pairs: usize, table: usize, bias: usize): void {
  const sums = scratch();
  for (let o = 0; o < channels; o++) {
    let p = pairs + <usize>word(heads, 2 * o) * PAIR_BYTES;
    let c = v128.load32_splat(bias + (<usize>o << 2));
    for (let n = word(heads, 2 * o + 1); n > 0; n--) {
      c = dotAdd(c, columns(a, placeOf(p + 4, table), placeOf(p + 6, table)), v128.load32_splat(p));
      p += PAIR_BYTES;
    }
    v128.store(sums + (<usize>o << 4), c);
  }
}

/** Turns a tile's sums round, to rows of eight outputs, and stores them. */
function finish(sums: usize, rows: i32, channels: i32, scale: usize, out: usize, pitchBytes: i32, block: usize): void {
  let low01 = v128.shuffle<i32>(v128.load(sums), v128.load(sums, 16), 0, 4, 1, 5);
  let high01 = v128.shuffle<i32>(v128.load(sums), v128.load(sums, 16), 2, 6, 3, 7);
  let low23 = v128.shuffle<i32>(v128.load(sums, 32), v128.load(sums, 48), 0, 4, 1, 5);
  let high23 = v128.shuffle<i32>(v128.load(sums, 32), v128.load(sums, 48), 2, 6, 3, 7);
  const c00 = v128.shuffle<i64>(low01, low23, 0, 2);
  const c10 = v128.shuffle<i64>(low01, low23, 1, 3);
  const c20 = v128.shuffle<i64>(high01, high23, 0, 2);
  const c30 = v128.shuffle<i64>(high01, high23, 1, 3);
  low01 = v128.shuffle<i32>(v128.load(sums, 64), v128.load(sums, 80), 0, 4, 1, 5);
  high01 = v128.shuffle<i32>(v128.load(sums, 64), v128.load(sums, 80), 2, 6, 3, 7);
  low23 = v128.shuffle<i32>(v128.load(sums, 96), v128.load(sums, 112), 0, 4, 1, 5);
  high23 = v128.shuffle<i32>(v128.load(sums, 96), v128.load(sums, 112), 2, 6, 3, 7);
  finishTile(
    block,
    rows,
    channels,
    scale,
    out,
    pitchBytes,
    c00,
    v128.shuffle<i64>(low01, low23, 0, 2),
    c10,
    v128.shuffle<i64>(low01, low23, 1, 3),
    c20,
    v128.shuffle<i64>(high01, high23, 0, 2),
    c30,
    v128.shuffle<i64>(high01, high23, 1, 3),
  );
}
