/** Encodes the bytes of a constant as format/groups.ts describes. */
import { FACTOR_OFFSET, GROUPED_HEADER_BYTES, MOST_FACTOR } from "../../format/groups.ts";
import { NIBBLES, RANS, RAW } from "../../format/packings.ts";
import { encodeBytes } from "./entropy.ts";
import { encodeNibbles, isOfFourBits } from "./nibbles.ts";

/**
 * The stream that decodes to `bytes`, rows of `depth` int8 values in groups of `columns`, 1 to 65535, with the factors that the values show. Null where
 * all of them are 1: then it is no shorter than others. With "none" nothing in it is entropy coded.
 */
export function encodeGroups(
  bytes: Uint8Array,
  depth: number,
  columns: number,
  compression: "rans" | "none" = "rans",
): Uint8Array<ArrayBuffer> | null {
  const values = new Int8Array(bytes.buffer, bytes.byteOffset, bytes.length);
  const factors: number[] = [];
  const codes = new Int8Array(values.length);
  for (let row = 0; row < values.length; row += depth) {
    for (let first = row; first < row + depth; first += columns) {
      const end = Math.min(first + columns, row + depth);
      // Of zeros any would do: the same again takes fewest bits.
      const factor = factorOf(values.subarray(first, end)) ?? factors.at(-1) ?? 1;
      factors.push(factor);
      for (let at = first; at < end; at++) codes[at] = values[at]! / factor;
    }
  }
  if (factors.every((factor) => factor === 1)) return null;
  const parts = [Uint8Array.from(factors, (factor) => factor - FACTOR_OFFSET), new Uint8Array(codes.buffer)] as const;
  const [ofFactors, ofCodes] = [shortest(parts[0], compression), shortest(parts[1], compression)];
  const stream = new Uint8Array(GROUPED_HEADER_BYTES + ofFactors.bytes.length + ofCodes.bytes.length);
  const view = new DataView(stream.buffer);
  for (const [i, word] of [bytes.length, depth, ofFactors.bytes.length].entries()) view.setUint32(4 * i, word, true);
  view.setUint16(12, columns, true);
  view.setUint8(14, ofFactors.encoding);
  view.setUint8(15, ofCodes.encoding);
  stream.set(ofFactors.bytes, GROUPED_HEADER_BYTES);
  stream.set(ofCodes.bytes, GROUPED_HEADER_BYTES + ofFactors.bytes.length);
  return stream;
}

/** The largest factor that all of `values` are multiples of; undefined where all are 0. */
function factorOf(values: Int8Array): number | undefined {
  let common = 0;
  for (const value of values) {
    let rest = Math.abs(value);
    while (rest !== 0) [common, rest] = [rest, common % rest];
  }
  if (common === 0) return undefined;
  let factor = Math.min(common, MOST_FACTOR);
  while (common % factor !== 0) factor--;
  return factor;
}

/** A part in the encoding that is shortest. */
function shortest(part: Uint8Array, compression: "rans" | "none"): { readonly encoding: number; readonly bytes: Uint8Array } {
  const forms = [{ encoding: RAW, bytes: part }];
  if (isOfFourBits(part)) forms.push({ encoding: NIBBLES, bytes: encodeNibbles(part) });
  if (compression === "rans") forms.push({ encoding: RANS, bytes: encodeBytes(part, 1) });
  return forms.reduce((best, form) => (form.bytes.length < best.bytes.length ? form : best));
}
