/** What the head of a coded constant says (format/entropy.ts, format/nibbles.ts), before any of it is decoded. */
import { decoderBytes, MAX_PRECISION, MIN_PRECISION, STREAM_HEADER_BYTES } from "../format/entropy.ts";
import { NIBBLES_HEADER_BYTES, nibblesBytes } from "../format/nibbles.ts";
import { NIBBLES, RANS } from "../format/packings.ts";

/** How the bytes of a constant are coded. */
export interface Coding {
  /** RANS or NIBBLES. */
  readonly encoding: number;
  /** Canonical bytes that they decode to, more than they are. */
  readonly decodedBytes: number;
  /** Memory that decoding takes beside them and the result. */
  readonly decoderBytes: number;
  /** Where they begin in the file, if they come from one. */
  readonly fileOffset?: number;
}

/** Reads the head of a stream. Undefined where it cannot be one of `encoding`, or is no shorter than what it stands for. */
export function codingOf(stream: Uint8Array, encoding: number = RANS): Coding | undefined {
  if (stream.length < NIBBLES_HEADER_BYTES) return undefined;
  const decodedBytes = new DataView(stream.buffer, stream.byteOffset).getUint32(0, true);
  if (decodedBytes <= stream.length || decodedBytes > 0x7fffffff) return undefined;
  if (encoding === NIBBLES) return nibblesBytes(decodedBytes) === stream.length ? { encoding, decodedBytes, decoderBytes: 0 } : undefined;
  if (encoding !== RANS || stream.length < STREAM_HEADER_BYTES) return undefined;
  const precision = stream[4]! & 15;
  const planes = stream[4]! >> 4;
  if (precision < MIN_PRECISION || precision > MAX_PRECISION || (planes !== 1 && planes !== 4)) return undefined;
  return { encoding, decodedBytes, decoderBytes: decoderBytes(precision, planes) };
}
