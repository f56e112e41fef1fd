/** Encodes the bytes of a constant as format/nibbles.ts describes. */
import { NIBBLES_HEADER_BYTES, nibblesBytes } from "../../format/nibbles.ts";

/** Whether every byte is an int8 in −8 … 7. */
export function isOfFourBits(bytes: Uint8Array): boolean {
  return bytes.every((byte) => byte <= 7 || byte >= 248);
}

/** The stream that decodes to `bytes`, which are of four bits. */
export function encodeNibbles(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const stream = new Uint8Array(nibblesBytes(bytes.length));
  new DataView(stream.buffer).setUint32(0, bytes.length, true);
  for (const [i, byte] of bytes.entries()) stream[NIBBLES_HEADER_BYTES + (i >> 1)]! |= (byte & 15) << ((i & 1) * 4);
  return stream;
}
