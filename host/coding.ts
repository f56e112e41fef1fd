/** What the head of a coded constant says (format/entropy.ts), before any of it is decoded. */
import { decoderBytes, MAX_PRECISION, MIN_PRECISION, STREAM_HEADER_BYTES } from "../format/entropy.ts";

/** How the bytes of a constant are coded. */
export interface Coding {
  /** Canonical bytes that they decode to, more than they are. */
  readonly decodedBytes: number;
  /** Memory that decoding takes beside them and the result. */
  readonly decoderBytes: number;
  /** Where they begin in the file, if they come from one. */
  readonly fileOffset?: number;
}

/** Reads the head of a stream. Undefined where it cannot be one, or is no shorter than what it stands for. */
export function codingOf(stream: Uint8Array): Coding | undefined {
  if (stream.length < STREAM_HEADER_BYTES) return undefined;
  const decodedBytes = new DataView(stream.buffer, stream.byteOffset).getUint32(0, true);
  const precision = stream[4]! & 15;
  const planes = stream[4]! >> 4;
  if (precision < MIN_PRECISION || precision > MAX_PRECISION || (planes !== 1 && planes !== 4)) return undefined;
  if (decodedBytes <= stream.length || decodedBytes > 0x7fffffff) return undefined;
  return { decodedBytes, decoderBytes: decoderBytes(precision, planes) };
}
