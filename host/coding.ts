/** What the head of a coded constant says (format/entropy.ts, nibbles.ts, blocks.ts, groups.ts), before any of it is decoded. */
import { BLOCK_ROWS, BLOCKS_HEADER_BYTES } from "../format/blocks.ts";
import { decoderBytes, MAX_PRECISION, MIN_PRECISION, planesOf, precisionOf, STREAM_HEADER_BYTES } from "../format/entropy.ts";
import { GROUPED_HEADER_BYTES } from "../format/groups.ts";
import { NIBBLES_HEADER_BYTES, nibblesBytes } from "../format/nibbles.ts";
import { BLOCKS, GROUPED, NIBBLES, RANS, RAW } from "../format/packings.ts";

/** How the bytes of a constant are coded. */
export interface Coding {
  /** RANS, NIBBLES, BLOCKS or GROUPED. */
  readonly encoding: number;
  /** Canonical bytes that they decode to, more than they are. */
  readonly decodedBytes: number;
  /** Memory that decoding takes beside them and the result. */
  readonly decoderBytes: number;
  /** Where they begin in the file, if they come from one. */
  readonly fileOffset?: number;
}

/** Whether it is an encoding, other than RAW, that this version knows. */
export function isCoding(encoding: number): boolean {
  return encoding === RANS || encoding === NIBBLES || encoding === BLOCKS || encoding === GROUPED;
}

/** Reads the head of a stream. Undefined where it cannot be one of `encoding`, or is no shorter than what it stands for. */
export function codingOf(stream: Uint8Array, encoding: number = RANS): Coding | undefined {
  if (stream.length < NIBBLES_HEADER_BYTES) return undefined;
  const decodedBytes = uint32At(stream, 0);
  if (decodedBytes <= stream.length || decodedBytes > 0x7fffffff) return undefined;
  if (encoding === NIBBLES) return nibblesBytes(decodedBytes) === stream.length ? { encoding, decodedBytes, decoderBytes: 0 } : undefined;
  if (encoding === BLOCKS) return blocksCodingOf(stream, decodedBytes);
  if (encoding === GROUPED) return groupsCodingOf(stream, decodedBytes);
  if (encoding !== RANS || stream.length < STREAM_HEADER_BYTES) return undefined;
  const precision = precisionOf(stream[4]!);
  const planes = planesOf(stream[4]!);
  if (precision < MIN_PRECISION || precision > MAX_PRECISION || (planes !== 1 && planes !== 4)) return undefined;
  return { encoding, decodedBytes, decoderBytes: decoderBytes(precision, planes) };
}

function blocksCodingOf(stream: Uint8Array, decodedBytes: number): Coding | undefined {
  if (stream.length < BLOCKS_HEADER_BYTES) return undefined;
  const depth = uint32At(stream, 4);
  const outputs = uint32At(stream, 8);
  const values = uint32At(stream, 12);
  const coded = uint32At(stream, 16);
  const groups = decodedBytes / (depth * outputs);
  if (!(Number.isInteger(groups) && values <= decodedBytes && BLOCKS_HEADER_BYTES + coded <= stream.length)) return undefined;
  const maskBytes = Math.ceil((groups * Math.ceil(outputs / BLOCK_ROWS) * depth) / 8);
  const parts = [
    { bytes: stream.subarray(BLOCKS_HEADER_BYTES, BLOCKS_HEADER_BYTES + coded), of: maskBytes },
    { bytes: stream.subarray(BLOCKS_HEADER_BYTES + coded), of: values },
  ];
  let own = 0;
  for (const { bytes, of } of parts) {
    if (bytes.length === of) continue;
    const coding = codingOf(bytes, RANS);
    if (coding?.decodedBytes !== of) return undefined;
    own = Math.max(own, coding.decoderBytes);
  }
  return { encoding: BLOCKS, decodedBytes, decoderBytes: align(maskBytes) + align(values) + own };
}

function groupsCodingOf(stream: Uint8Array, decodedBytes: number): Coding | undefined {
  if (stream.length < GROUPED_HEADER_BYTES) return undefined;
  const depth = uint32At(stream, 4);
  const coded = uint32At(stream, 8);
  const rows = decodedBytes / depth;
  const factors = rows * Math.ceil(depth / (stream[12]! | (stream[13]! << 8)));
  // A group of no columns makes the factors too many.
  if (!(Number.isInteger(rows) && factors <= decodedBytes && GROUPED_HEADER_BYTES + coded <= stream.length)) return undefined;
  const own = [
    partBytes(stream[14]!, stream.subarray(GROUPED_HEADER_BYTES, GROUPED_HEADER_BYTES + coded), factors),
    partBytes(stream[15]!, stream.subarray(GROUPED_HEADER_BYTES + coded), decodedBytes),
  ];
  const decoderBytes = align(factors) + Math.max(...own);
  return Number.isFinite(decoderBytes) ? { encoding: GROUPED, decodedBytes, decoderBytes } : undefined;
}

/** Memory that decoding a part of `of` bytes takes; infinite where it is not sound. */
function partBytes(encoding: number, part: Uint8Array, of: number): number {
  if (encoding === RAW) return part.length === of ? 0 : Number.POSITIVE_INFINITY;
  if (encoding === NIBBLES) return part.length === nibblesBytes(of) && uint32At(part, 0) === of ? 0 : Number.POSITIVE_INFINITY;
  const coding = encoding === RANS ? codingOf(part, RANS) : undefined;
  return coding?.decodedBytes === of ? coding.decoderBytes : Number.POSITIVE_INFINITY;
}

/** Little-endian, without a view: a file has a stream for each constant. */
function uint32At(stream: Uint8Array, at: number): number {
  return (stream[at]! | (stream[at + 1]! << 8) | (stream[at + 2]! << 16) | (stream[at + 3]! << 24)) >>> 0;
}

/** Up to a multiple of 64. */
function align(bytes: number): number {
  return Math.ceil(bytes / 64) * 64;
}
