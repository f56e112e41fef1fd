/**
 * Decodes constants of encoding RANS (format/entropy.ts). Whatever the stream says, it reads only the stream, writes only the result and
 * its scratch, and ends: a stream that is not sound gives BAD_STREAM.
 *
 *   scratch   planes × 2ⁿ slots of 4 bytes: frequency << 20 | (slot − start) << 8 | byte
 *   + SPREAD  16 shuffles: for each set of lanes, next words to the low halves of those lanes, zero elsewhere
 *   + STATES  8 or 16 states
 *   + LAST    the last 16 or 32 bytes
 *   + LEFT    rounds that are left
 *   + TAIL    the last words of the stream, then zeros
 */
import * as Entropy from "../../format/entropy.ts";
import { BAD_STREAM, OK } from "../../format/status.ts";
import { decodeNarrow, decodeWide, LEFT, ROUND_BYTES, SPREAD, STATES } from "./rans-rounds.ts";

const LAST: usize = 320;
const TAIL: usize = 384;

/** Words that are decoded in one call, in bytes: engines go over to optimised code at the next one. */
const PIECE_BYTES: usize = 16384;

/**
 * Decodes the `bytes` bytes at `src` to the `count` bytes at `dst`, which do not overlap; `scratch` is of `scratchBytes` bytes, as decoderBytes
 * says for the stream. Returns OK or BAD_STREAM.
 */
export function decode(src: usize, bytes: i32, dst: usize, count: i32, scratch: usize, scratchBytes: i32): i32 {
  if (bytes < Entropy.STREAM_HEADER_BYTES || load<i32>(src) != count || count <= 0) return BAD_STREAM;
  const form = <i32>load<u8>(src, 4);
  const precision = Entropy.precisionOf(form);
  const planes = Entropy.planesOf(form);
  const lanes = Entropy.lanesOf(form);
  if (precision < Entropy.MIN_PRECISION || precision > Entropy.MAX_PRECISION || (planes != 1 && planes != 4)) return BAD_STREAM;
  if (scratchBytes < Entropy.decoderBytes(precision, planes)) return BAD_STREAM;

  const end = src + <usize>bytes;
  const own = scratch + (<usize>planes << (precision + 2));
  let p = src + Entropy.STREAM_HEADER_BYTES;
  for (let plane = 0; plane < planes; plane++) {
    p = readTable(p, end, scratch + (<usize>plane << (precision + 2)), precision);
    if (p == 0) return BAD_STREAM;
  }
  const stateBytes = <usize>(lanes << 2);
  if (end - p < stateBytes) return BAD_STREAM;
  memory.copy(own + STATES, p, stateBytes);
  p += stateBytes;
  makeSpread(own + SPREAD);

  const last = Entropy.lastBytes(count, lanes);
  const rounds = (count - last) >> 4;
  store<i32>(own + LEFT, rounds);
  while (end - p > ROUND_BYTES && load<i32>(own + LEFT) > 0) {
    p = decodeRounds(p, min(p + PIECE_BYTES, end - ROUND_BYTES), next(dst, rounds, own), scratch, own, precision, planes, lanes);
  }
  // What is left of the words is decoded from a copy with zeros behind it, so that nothing behind the stream is read.
  const tailBytes = end - p;
  if (tailBytes > ROUND_BYTES) return BAD_STREAM;
  memory.fill(own + TAIL, 0, 2 * ROUND_BYTES);
  memory.copy(own + TAIL, p, tailBytes);
  p = own + TAIL;
  p = decodeRounds(p, own + TAIL + tailBytes, next(dst, rounds, own), scratch, own, precision, planes, lanes);
  if (load<i32>(own + LEFT) != 0 || p != own + TAIL + tailBytes) return BAD_STREAM;
  return takeLast(dst + (<usize>rounds << 4), last, lanes, own);
}

function decodeRounds(
  p: usize,
  limit: usize,
  dst: usize,
  slots: usize,
  own: usize,
  precision: i32,
  planes: i32,
  lanes: i32,
): usize {
  return lanes == Entropy.WIDE
    ? decodeWide(p, limit, dst, slots, own, precision, planes)
    : decodeNarrow(p, limit, dst, slots, own, precision, planes);
}

/** Where in the result of `rounds` rounds those that are left begin. */
function next(dst: usize, rounds: i32, own: usize): usize {
  return dst + (<usize>(rounds - load<i32>(own + LEFT)) << 4);
}

/** Writes the `count` bytes that the final states hold. */
function takeLast(dst: usize, count: i32, lanes: i32, own: usize): i32 {
  for (let lane = 0; lane < lanes; lane++) {
    const state = load<u32>(own + STATES + (<usize>lane << 2));
    if (state >> 16 != 1) return BAD_STREAM;
    store<u16>(own + LAST + (<usize>lane << 1), <u16>state);
  }
  memory.copy(dst, own + LAST, count);
  for (let i = count; i < 2 * lanes; i++) if (load<u8>(own + LAST + <usize>i) != 0) return BAD_STREAM;
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
