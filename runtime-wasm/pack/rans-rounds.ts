/**
 * The inner loops of decoding rANS (format/entropy.ts): rounds of sixteen symbols, with eight lanes or sixteen. What a lane does waits for what it did
 * before: sixteen keep the processor busy where eight leave it waiting half of the time.
 */

/** In the scratch behind the tables: shuffles, states, and rounds that are left (entropy.ts). */
export const SPREAD: usize = 0;
export const STATES: usize = 256;
export const LEFT: usize = 352;

/** Words that one round may read, in bytes. */
export const ROUND_BYTES: usize = 32;

/**
 * Decodes the rounds that LEFT counts, 16 bytes each to `dst`, as long as the words begin at or before `limit`; reads up to
 * ROUND_BYTES behind it. Returns where the words go on.
 */
export function decodeNarrow(p: usize, limit: usize, dst: usize, slots: usize, own: usize, precision: i32, planes: i32): usize {
  return decodeRounds(false, p, limit, dst, slots, own, precision, planes);
}

/** The same with sixteen lanes. */
export function decodeWide(p: usize, limit: usize, dst: usize, slots: usize, own: usize, precision: i32, planes: i32): usize {
  return decodeRounds(true, p, limit, dst, slots, own, precision, planes);
}

// @ts-ignore: decorator
@inline
function decodeRounds(wide: bool, p: usize, limit: usize, dst: usize, slots: usize, own: usize, precision: i32, planes: i32): usize {
  const mask = i32x4.splat(((1 << precision) - 1) << 2);
  const table = planes == 1 ? 0 : 4 << precision;
  const tables = i32x4.add(i32x4.splat(<i32>slots), i32x4.mul(i32x4.splat(table), i32x4(0, 1, 2, 3)));
  let x0 = v128.load(own + STATES);
  let x1 = v128.load(own + STATES, 16);
  let x2 = v128.load(own + STATES, 32);
  let x3 = v128.load(own + STATES, 48);
  let left = load<i32>(own + LEFT);
  while (left > 0 && p <= limit) {
    for (let half = 0; half < 2; half++) {
      const e0 = entriesOf(x0, mask, tables);
      const e1 = entriesOf(x1, mask, tables);
      x0 = advance(x0, e0, precision);
      x1 = advance(x1, e1, precision);
      let low = i32x4.eq(i32x4.shr_u(x0, 16), i32x4.splat(0));
      let lanes = i32x4.bitmask(low);
      x0 = refill(x0, low, lanes, p, own);
      p += <usize>popcnt<i32>(lanes) << 1;
      low = i32x4.eq(i32x4.shr_u(x1, 16), i32x4.splat(0));
      lanes = i32x4.bitmask(low);
      x1 = refill(x1, low, lanes, p, own);
      p += <usize>popcnt<i32>(lanes) << 1;
      v128.store_lane<u64>(dst, i8x16.shuffle(e0, e1, 0, 4, 8, 12, 16, 20, 24, 28, 0, 0, 0, 0, 0, 0, 0, 0), 0);
      dst += 8;
      if (wide) {
        // The other eight lanes are next.
        const y0 = x0;
        const y1 = x1;
        x0 = x2;
        x1 = x3;
        x2 = y0;
        x3 = y1;
      }
    }
    left--;
  }
  v128.store(own + STATES, x0);
  v128.store(own + STATES, x1, 16);
  if (wide) {
    v128.store(own + STATES, x2, 32);
    v128.store(own + STATES, x3, 48);
  }
  store<i32>(own + LEFT, left);
  return p;
}

/** The slots of four states. */
// @ts-ignore: decorator
@inline
function entriesOf(x: v128, mask: v128, tables: v128): v128 {
  const at = i32x4.add(v128.and(i32x4.shl(x, 2), mask), tables);
  let entries = v128.load_zero<u32>(<usize>i32x4.extract_lane(at, 0));
  entries = v128.load_lane<u32>(<usize>i32x4.extract_lane(at, 1), entries, 1);
  entries = v128.load_lane<u32>(<usize>i32x4.extract_lane(at, 2), entries, 2);
  return v128.load_lane<u32>(<usize>i32x4.extract_lane(at, 3), entries, 3);
}

/** x = frequency·(x >> n) + slot − start. */
// @ts-ignore: decorator
@inline
function advance(x: v128, entries: v128, precision: i32): v128 {
  const offset = v128.and(i32x4.shr_u(entries, 8), i32x4.splat(0xfff));
  return i32x4.add(i32x4.mul(i32x4.shr_u(entries, 20), i32x4.shr_u(x, precision)), offset);
}

/** Takes a word from `p` into each state that is `low`, in the order of the lanes. */
// @ts-ignore: decorator
@inline
function refill(x: v128, low: v128, lanes: i32, p: usize, own: usize): v128 {
  const words = i8x16.swizzle(v128.load_zero<u64>(p), v128.load(own + SPREAD + (<usize>lanes << 4)));
  return v128.or(v128.bitselect(i32x4.shl(x, 16), x, low), words);
}
