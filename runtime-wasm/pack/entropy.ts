/**
 * Decodes constants of encoding RANS (format/entropy.ts). Whatever the stream says, it reads only the stream, writes only the result and
 * its scratch, and ends: a stream that is not sound gives BAD_STREAM.
 *
 *   scratch   planes × 2ⁿ slots of 4 bytes: frequency << 20 | (slot − start) << 8 | byte
 *   + SPREAD  16 shuffles: for each set of lanes, next words to the low halves of those lanes, zero elsewhere
 *   + STATES  8 states
 *   + LAST    the last 16 bytes
 *   + LEFT    rounds that are left
 *   + TAIL    the last words of the stream, then zeros
 */
import * as Entropy from "../../format/entropy.ts";
import { BAD_STREAM, OK } from "../../format/status.ts";

const SPREAD: usize = 0;
const STATES: usize = 256;
const LAST: usize = 288;
const LEFT: usize = 304;
const TAIL: usize = 320;

/** Words that one round may read, in bytes. */
const ROUND_BYTES: usize = 32;
/** Words that are decoded in one call, in bytes: engines go over to optimised code at the next one. */
const PIECE_BYTES: usize = 16384;

/**
 * Decodes the `bytes` bytes at `src` to the `count` bytes at `dst`, which do not overlap; `scratch` is of `scratchBytes` bytes, as decoderBytes
 * says for the stream. Returns OK or BAD_STREAM.
 */
export function decode(src: usize, bytes: i32, dst: usize, count: i32, scratch: usize, scratchBytes: i32): i32 {
  if (bytes < Entropy.STREAM_HEADER_BYTES || load<i32>(src) != count || count <= 0) return BAD_STREAM;
  const precision = <i32>load<u8>(src, 4) & 15;
  const planes = <i32>load<u8>(src, 4) >> 4;
  if (precision < Entropy.MIN_PRECISION || precision > Entropy.MAX_PRECISION || (planes != 1 && planes != 4)) return BAD_STREAM;
  if (scratchBytes < Entropy.decoderBytes(precision, planes)) return BAD_STREAM;

  const end = src + <usize>bytes;
  const own = scratch + (<usize>planes << (precision + 2));
  let p = src + Entropy.STREAM_HEADER_BYTES;
  for (let plane = 0; plane < planes; plane++) {
    p = readTable(p, end, scratch + (<usize>plane << (precision + 2)), precision);
    if (p == 0) return BAD_STREAM;
  }
  if (end - p < 32) return BAD_STREAM;
  v128.store(own + STATES, v128.load(p));
  v128.store(own + STATES, v128.load(p, 16), 16);
  p += 32;
  makeSpread(own + SPREAD);

  const last = Entropy.lastBytes(count);
  const rounds = (count - last) >> 4;
  store<i32>(own + LEFT, rounds);
  while (end - p > ROUND_BYTES && load<i32>(own + LEFT) > 0) {
    p = decodeRounds(p, min(p + PIECE_BYTES, end - ROUND_BYTES), next(dst, rounds, own), scratch, own, precision, planes);
  }
  // What is left of the words is decoded from a copy with zeros behind it, so that nothing behind the stream is read.
  const tailBytes = end - p;
  if (tailBytes > ROUND_BYTES) return BAD_STREAM;
  memory.fill(own + TAIL, 0, 2 * ROUND_BYTES);
  memory.copy(own + TAIL, p, tailBytes);
  p = own + TAIL;
  p = decodeRounds(p, own + TAIL + tailBytes, next(dst, rounds, own), scratch, own, precision, planes);
  if (load<i32>(own + LEFT) != 0 || p != own + TAIL + tailBytes) return BAD_STREAM;
  return takeLast(dst + (<usize>rounds << 4), last, own);
}

/** Where in the result of `rounds` rounds those that are left begin. */
function next(dst: usize, rounds: i32, own: usize): usize {
  return dst + (<usize>(rounds - load<i32>(own + LEFT)) << 4);
}

/** Writes the `count` bytes that the final states hold. */
function takeLast(dst: usize, count: i32, own: usize): i32 {
  const x0 = v128.load(own + STATES);
  const x1 = v128.load(own + STATES, 16);
  const one = i32x4.splat(1);
  const wrong = v128.or(v128.xor(i32x4.shr_u(x0, 16), one), v128.xor(i32x4.shr_u(x1, 16), one));
  if (v128.any_true(wrong)) return BAD_STREAM;
  v128.store(own + LAST, i8x16.shuffle(x0, x1, 0, 1, 4, 5, 8, 9, 12, 13, 16, 17, 20, 21, 24, 25, 28, 29));
  memory.copy(dst, own + LAST, count);
  for (let i = count; i < Entropy.ROUND; i++) if (load<u8>(own + LAST + <usize>i) != 0) return BAD_STREAM;
  return OK;
}

/** Reads one table and fills its slots. Returns what follows it, or 0 where it is not sound. Writes up to 12 bytes behind the slots. */
function readTable(p: usize, end: usize, slots: usize, precision: i32): usize {
  let left = 1 << precision;
  let symbol = 0;
  while (symbol < 256) {
    if (p >= end) return 0;
    let value = <i32>load<u8>(p++);
    if (value > 127) {
      if (p >= end) return 0;
      value = (value & 127) | (<i32>load<u8>(p++) << 7);
      if (value > 16383) return 0;
    }
    const units = value >> 1;
    let length = 1;
    if (value & 1) {
      if (p >= end) return 0;
      length = <i32>load<u8>(p++) + 2;
    }
    if (length > 256 - symbol || units > left) return 0;
    if (units == 0) {
      symbol += length;
      continue;
    }
    left -= units;
    const frequency = units / length;
    let more = units % length;
    if (frequency + <i32>(more > 0) > Entropy.MAX_FREQUENCY) return 0;
    while (length-- > 0) {
      const own = frequency + <i32>(more-- > 0);
      if (own > 0) fillSlots(slots, (own << 20) | (symbol ^ 0x80), own);
      slots += <usize>own << 2;
      symbol++;
    }
  }
  return left == 0 ? p : 0;
}

/** `count` slots from `entry` on, each one further from its symbol's start. */
function fillSlots(at: usize, entry: i32, count: i32): void {
  let entries = i32x4.add(i32x4.splat(entry), i32x4(0, 256, 512, 768));
  const step = i32x4.splat(1024);
  for (let i = 0; i < count; i += 4) {
    v128.store(at, entries);
    entries = i32x4.add(entries, step);
    at += 16;
  }
}

function makeSpread(at: usize): void {
  for (let lanes = 0; lanes < 16; lanes++) {
    let word = 0x0100;
    for (let lane = 0; lane < 4; lane++) {
      const taken = (lanes >> lane) & 1;
      store<i32>(at, taken ? word | 0x80800000 : 0x80808080);
      word += taken ? 0x0202 : 0;
      at += 4;
    }
  }
}

/**
 * Decodes the rounds that LEFT counts, 16 bytes each to `dst`, as long as the words begin at or before `limit`; reads up to
 * ROUND_BYTES behind it. Returns where the words go on.
 */
function decodeRounds(p: usize, limit: usize, dst: usize, slots: usize, own: usize, precision: i32, planes: i32): usize {
  const mask = i32x4.splat(((1 << precision) - 1) << 2);
  const table = planes == 1 ? 0 : 4 << precision;
  const tables = i32x4.add(i32x4.splat(<i32>slots), i32x4.mul(i32x4.splat(table), i32x4(0, 1, 2, 3)));
  let x0 = v128.load(own + STATES);
  let x1 = v128.load(own + STATES, 16);
  let left = load<i32>(own + LEFT);
  while (left > 0 && p <= limit) {
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

    const e2 = entriesOf(x0, mask, tables);
    const e3 = entriesOf(x1, mask, tables);
    x0 = advance(x0, e2, precision);
    x1 = advance(x1, e3, precision);
    low = i32x4.eq(i32x4.shr_u(x0, 16), i32x4.splat(0));
    lanes = i32x4.bitmask(low);
    x0 = refill(x0, low, lanes, p, own);
    p += <usize>popcnt<i32>(lanes) << 1;
    low = i32x4.eq(i32x4.shr_u(x1, 16), i32x4.splat(0));
    lanes = i32x4.bitmask(low);
    x1 = refill(x1, low, lanes, p, own);
    p += <usize>popcnt<i32>(lanes) << 1;

    const b0 = i8x16.shuffle(e0, e1, 0, 4, 8, 12, 16, 20, 24, 28, 0, 0, 0, 0, 0, 0, 0, 0);
    const b1 = i8x16.shuffle(e2, e3, 0, 4, 8, 12, 16, 20, 24, 28, 0, 0, 0, 0, 0, 0, 0, 0);
    v128.store(dst, v128.shuffle<i64>(b0, b1, 0, 2));
    dst += 16;
    left--;
  }
  v128.store(own + STATES, x0);
  v128.store(own + STATES, x1, 16);
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
