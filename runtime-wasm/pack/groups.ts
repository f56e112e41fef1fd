/**
 * Decodes constants of encoding GROUPED (format/groups.ts). Whatever the stream says, it reads only the stream, writes only the result and its
 * scratch, and ends: a stream that is not sound gives BAD_STREAM.
 *
 *   scratch: factors | memory of the entropy decoder, from a multiple of 64 on
 */
import { FACTOR_OFFSET, GROUPED_HEADER_BYTES, MOST_FACTOR } from "../../format/groups.ts";
import { NIBBLES, RANS, RAW } from "../../format/packings.ts";
import { BAD_STREAM, OK } from "../../format/status.ts";
import { decode } from "./entropy.ts";
import { decodeNibbles } from "./nibbles.ts";

/** Where the header's fields stand. */
const DEPTH: usize = 4;
const FACTOR_BYTES: usize = 8;
const COLUMNS: usize = 12;
const OF_FACTORS: usize = 14;
const OF_CODES: usize = 15;

/**
 * Decodes the `bytes` bytes at `src` to the `count` bytes at `dst`, which do not overlap; `scratch` is of `scratchBytes` bytes, as codingOf
 * (host/coding.ts) says for the stream. Returns OK or BAD_STREAM.
 */
export function decodeGroups(src: usize, bytes: i32, dst: usize, count: i32, scratch: usize, scratchBytes: i32): i32 {
  if (bytes < GROUPED_HEADER_BYTES || load<i32>(src) != count || count <= 0) return BAD_STREAM;
  const depth = load<i32>(src, DEPTH);
  const coded = load<i32>(src, FACTOR_BYTES);
  const columns = <i32>load<u16>(src, COLUMNS);
  if (depth <= 0 || count % depth != 0 || columns == 0 || coded < 0 || coded > bytes - GROUPED_HEADER_BYTES) return BAD_STREAM;
  const rows = count / depth;
  const factors = rows * ((depth - 1) / columns + 1);
  const ownBytes = scratchBytes - ((factors + 63) & -64);
  if (ownBytes < 0) return BAD_STREAM;
  const own = scratch + <usize>(scratchBytes - ownBytes);
  const part = src + GROUPED_HEADER_BYTES;
  if (takePart(load<u8>(src, OF_FACTORS), part, coded, scratch, factors, own, ownBytes) != OK) return BAD_STREAM;
  const left = bytes - GROUPED_HEADER_BYTES - coded;
  if (takePart(load<u8>(src, OF_CODES), part + <usize>coded, left, dst, count, own, ownBytes) != OK) return BAD_STREAM;
  return multiply(dst, rows, depth, columns, scratch);
}

/** A part of `count` bytes, in whichever encoding it is. */
function takePart(encoding: i32, src: usize, bytes: i32, dst: usize, count: i32, scratch: usize, scratchBytes: i32): i32 {
  if (encoding == RANS) return decode(src, bytes, dst, count, scratch, scratchBytes);
  if (encoding == NIBBLES) return decodeNibbles(src, bytes, dst, count);
  if (encoding != RAW || bytes != count) return BAD_STREAM;
  memory.copy(dst, src, count);
  return OK;
}

/** Multiplies the codes at `at`, [rows][depth], with the factors of their groups, in place. */
function multiply(at: usize, rows: i32, depth: i32, columns: i32, factors: usize): i32 {
  // Not 0 where a product was no int8.
  let beyond = i16x8.splat(0);
  for (let row = 0; row < rows; row++) {
    for (let first = 0; first < depth; first += columns) {
      const factor = <i32>load<i8>(factors++) + FACTOR_OFFSET;
      if (factor < 1 || factor > MOST_FACTOR) return BAD_STREAM;
      const length = min(columns, depth - first);
      const end = at + <usize>length;
      const splat = i8x16.splat(<i8>factor);
      for (; at + 16 <= end; at += 16) {
        const codes = v128.load(at);
        const low = i16x8.extmul_low_i8x16_s(codes, splat);
        const high = i16x8.extmul_high_i8x16_s(codes, splat);
        const products = i8x16.narrow_i16x8_s(low, high);
        const lost = v128.or(v128.xor(low, i16x8.extend_low_i8x16_s(products)), v128.xor(high, i16x8.extend_high_i8x16_s(products)));
        beyond = v128.or(beyond, lost);
        v128.store(at, products);
      }
      for (; at < end; at++) {
        const product = <i32>load<i8>(at) * factor;
        if (product != <i32>(<i8>product)) return BAD_STREAM;
        store<i8>(at, <i8>product);
      }
    }
  }
  return v128.any_true(beyond) ? BAD_STREAM : OK;
}
