/** UTF-8 without TextEncoder and TextDecoder, which an AudioWorklet lacks. */

/** Encodes a text; a lone surrogate throws a RangeError. */
export function encodeUtf8(text: string): Uint8Array {
  const bytes: number[] = [];
  for (const character of text) {
    const c = character.codePointAt(0)!;
    if (c < 0x80) bytes.push(c);
    else if (c < 0x800) bytes.push(0xc0 | (c >> 6), 0x80 | (c & 63));
    else if (c >= 0xd800 && c < 0xe000) throw new RangeError("the text holds a lone surrogate");
    else if (c < 0x10000) bytes.push(0xe0 | (c >> 12), 0x80 | ((c >> 6) & 63), 0x80 | (c & 63));
    else bytes.push(0xf0 | (c >> 18), 0x80 | ((c >> 12) & 63), 0x80 | ((c >> 6) & 63), 0x80 | (c & 63));
  }
  return Uint8Array.from(bytes);
}

/** Smallest code point that needs 0, 1, 2, 3 bytes behind the first. */
const SMALLEST = [0, 0x80, 0x800, 0x10000];

/** Codes that are made a text of at once. */
const CHUNK = 4096;

/** Decodes bytes, or returns the offset of the first byte that is no UTF-8 (overlong forms and surrogates included). */
export function decodeUtf8(bytes: Uint8Array): string | number {
  const parts: string[] = [];
  let codes: number[] = [];
  let i = 0;
  // ASCII in the engine's own code: this runs once in a process as a rule, before any of it is compiled. Spreading would take the iterator, byte by byte.
  for (; i < bytes.length; i += CHUNK) {
    const text: string = String.fromCharCode.apply(null, bytes.subarray(i, i + CHUNK) as unknown as number[]);
    if (/[^\0-\x7f]/.test(text)) break;
    parts.push(text);
  }
  while (i < bytes.length) {
    const first = bytes[i]!;
    const more = first < 0x80 ? 0 : first < 0xc2 ? -1 : first < 0xe0 ? 1 : first < 0xf0 ? 2 : first < 0xf5 ? 3 : -1;
    if (more < 0 || i + more >= bytes.length) return i;
    let c = more === 0 ? first : first & (0x3f >> more);
    for (let k = 1; k <= more; k++) {
      const next = bytes[i + k]!;
      if ((next & 0xc0) !== 0x80) return i;
      c = (c << 6) | (next & 63);
    }
    if (c < SMALLEST[more]! || (c >= 0xd800 && c < 0xe000) || c > 0x10ffff) return i;
    codes.push(c);
    if (codes.length === CHUNK) {
      parts.push(String.fromCodePoint(...codes));
      codes = [];
    }
    i += more + 1;
  }
  return parts.join("") + String.fromCodePoint(...codes);
}
