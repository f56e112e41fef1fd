/**
 * Streams of int32 words as zigzag LEB128 varints: the PLAN and CONSTANTS_TABLE sections.
 *
 * Canonical: the shortest form only, at most five bytes, nothing above 32 bits.
 */
import { FormatError } from "./errors.ts";
import type { Scanner } from "./scanner.ts";

/** Decodes all words of `bytes`, which start at byte `offset` of the file. Throws FormatError `bad-varint`. */
export function decodeWords(bytes: Uint8Array, offset: number, scanner: Scanner): Int32Array {
  if (bytes.length > 0 && bytes[bytes.length - 1]! >= 0x80) throw badVarint("is cut off", offset + bytes.length - 1);
  const words = scanner.decodeWords(bytes);
  if (typeof words === "number")
    throw badVarint(isTooLong(bytes, words) ? "is longer than 32 bits" : "is not in its shortest form", offset + words);
  return words;
}

/** Whether the number at byte `at` goes on behind 32 bits. */
function isTooLong(bytes: Uint8Array, at: number): boolean {
  for (let i = at; i < at + 4; i++) if (bytes[i]! < 0x80) return false;
  return bytes[at + 4]! > 0x0f;
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
