/**
 * Streams of int32 words as zigzag LEB128 varints: the PLAN and CONSTANTS_TABLE sections.
 *
 * Canonical: the shortest form only, at most five bytes, nothing above 32 bits.
 */
import { FormatError } from "./errors.ts";

/** Decodes all words of `bytes`, which start at byte `offset` of the file. Throws FormatError `bad-varint`. */
export function decodeWords(bytes: Uint8Array, offset: number): Int32Array {
  const end = bytes.length;
  if (end > 0 && bytes[end - 1]! >= 0x80) throw badVarint("is cut off", offset + end - 1);
  const words = new Int32Array(end);
  let count = 0;
  let at = 0;
  while (at < end) {
    const start = at;
    let byte = bytes[at++]!;
    let value = byte;
    if (byte >= 0x80) {
      value &= 0x7f;
      let shift = 7;
      do {
        byte = bytes[at++]!;
        if (shift === 28 && byte > 0x0f) throw badVarint("is longer than 32 bits", offset + start);
        value |= (byte & 0x7f) << shift;
        shift += 7;
      } while (byte >= 0x80);
      if (byte === 0) throw badVarint("is not in its shortest form", offset + start);
    }
    words[count++] = (value >>> 1) ^ -(value & 1);
  }
  return words.slice(0, count);
}

/** Encodes words; the inverse of `decodeWords`. */
export function encodeWords(words: ArrayLike<number>): Uint8Array {
  const bytes: number[] = [];
  for (let i = 0; i < words.length; i++) {
    const word = words[i]! | 0;
    let value = ((word << 1) ^ (word >> 31)) >>> 0;
    while (value >= 0x80) {
      bytes.push((value & 0x7f) | 0x80);
      value >>>= 7;
    }
    bytes.push(value);
  }
  return Uint8Array.from(bytes);
}

/** Byte offset of word `index` within `bytes`: where an error about a decoded word points. */
export function wordOffset(bytes: Uint8Array, index: number): number {
  let at = 0;
  for (let i = 0; i < index && at < bytes.length; at++) if (bytes[at]! < 0x80) i++;
  return at;
}

function badVarint(problem: string, offset: number): FormatError {
  return new FormatError("bad-varint", `A number ${problem}.`, offset);
}
