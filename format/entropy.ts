/**
 * Encoding RANS: the bytes of a constant as range asymmetric numeral systems (J. Duda, arXiv:1311.2540), with static tables of
 * frequencies and eight or sixteen interleaved states over one stream of 16-bit words. Integers only, little endian.
 *
 *   uint32      N: bytes that it decodes to
 *   uint8       n + 16·P + 128·W: precision n in 8 … 12; planes P, 1 or 4; lanes K, 8 where W is 0 and 16 where it is 1
 *   P tables    one after the other
 *   uint32 × K  the state of each lane
 *   uint16 …    words, in the order of their use, to the end of the stream
 *
 * Byte i of the constant is of plane i mod P (so the four bytes of a float32 have tables of their own) and of lane i mod K. A byte b
 * stands for the symbol s = b xor 0x80: symbols ascend with the value of an int8.
 *
 * A table is a list of runs that cover the symbols 0 … 255 in order. A run is a varint v (seven bits a byte, the lowest first, at most
 * two bytes), then, where v is odd, a byte r: the run is of L = r + 2 symbols (of L = 1 where v is even) and F = v >> 1
 * units. Each of its symbols has the frequency ⌊F/L⌋, the first F mod L of them one more. All runs make 2ⁿ units and 256 symbols; no
 * symbol has more than 4095. start[s] is the sum of the frequencies before s.
 *
 * The last T bytes, T = N mod 2K or 2K where that is 0, are not coded. The N − T before them are decoded for i = 0, 1, … with x the
 * state of lane i mod K:
 *
 *   slot = x & (2ⁿ − 1);  s: start[s] ≤ slot < start[s] + frequency[s];  byte i = s xor 0x80
 *   x = frequency[s]·(x >> n) + slot − start[s];  if x < 2¹⁶: x = x·2¹⁶ + the next word
 *
 * Then every word is used and the high half of every state is 1; the low halves are the last T bytes and 2K − T zeros: lane 0 holds the
 * first two, the lower byte first. Any other end is a bad stream.
 */

export const STREAM_HEADER_BYTES = 5;
/** Lanes: more of them are decoded faster, where there is much to decode. */
export const NARROW = 8;
export const WIDE = 16;
export const MIN_PRECISION = 8;
export const MAX_PRECISION = 12;
export const MAX_FREQUENCY = 4095;
/** The least state. Every lane ends with it, plus two bytes. */
export const LEAST_STATE = 65536;

/** Bytes of a decoder's own tables and states behind those of the symbols. */
export const DECODER_BYTES = 512;

/** Bytes of memory that decoding takes beside the stream and its result, a multiple of 64: four for each unit of each table. */
export function decoderBytes(precision: i32, planes: i32): i32 {
  return (planes << (precision + 2)) + DECODER_BYTES;
}

/** Precision, planes and lanes by the byte that says them, whatever it is. */
export function precisionOf(form: i32): i32 {
  return form & 15;
}

export function planesOf(form: i32): i32 {
  return (form >> 4) & 7;
}

export function lanesOf(form: i32): i32 {
  return form >= 128 ? WIDE : NARROW;
}

/** T: how many of `bytes` decoded bytes stand in the last states, 1 to 2K. */
export function lastBytes(bytes: i32, lanes: i32): i32 {
  return ((bytes - 1) & (2 * lanes - 1)) + 1;
}
