/** Encodes the bytes of a constant as format/entropy.ts describes. Integers only: the same stream on every engine. */
import { LEAST_STATE, lastBytes, MAX_PRECISION, NARROW, STREAM_HEADER_BYTES, WIDE } from "../../format/entropy.ts";
import { chooseFrequencies, type Frequencies } from "./frequencies.ts";

/** Precision of short planes: tables that are quick to fill. */
const SHORT_PRECISION = 10;
const SHORT_PLANE = 2048;
/** Bytes from which on sixteen lanes are worth the bytes that they take more than eight do. */
const LONG = 16384;

/** The stream that decodes to `bytes`, of at least one byte. Each plane has a table of its own. */
export function encodeBytes(
  bytes: Uint8Array,
  planes: 1 | 4,
  lanes: typeof NARROW | typeof WIDE = bytes.length < LONG ? NARROW : WIDE,
): Uint8Array<ArrayBuffer> {
  const precision = bytes.length / planes < SHORT_PLANE ? SHORT_PRECISION : MAX_PRECISION;
  const coded = bytes.subarray(0, bytes.length - lastBytes(bytes.length, lanes));
  const tables = Array.from({ length: planes }, (_, plane) => chooseFrequencies(countSymbols(coded, plane, planes), precision));
  const { states, words } = encodeSymbols(coded, bytes.subarray(coded.length), lanes, tables, precision);
  const tableBytes = tables.reduce((sum, { table }) => sum + table.length, 0);
  const stream = new Uint8Array(STREAM_HEADER_BYTES + tableBytes + (lanes * 4 + words.length * 2));
  const view = new DataView(stream.buffer);
  view.setUint32(0, bytes.length, true);
  view.setUint8(4, precision + 16 * planes + (lanes === WIDE ? 128 : 0));
  let at = STREAM_HEADER_BYTES;
  for (const { table } of tables) {
    stream.set(table, at);
    at += table.length;
  }
  for (const state of states) {
    view.setUint32(at, state, true);
    at += 4;
  }
  for (const word of words) {
    view.setUint16(at, word, true);
    at += 2;
  }
  return stream;
}

function countSymbols(bytes: Uint8Array, plane: number, planes: number): Uint32Array {
  const counts = new Uint32Array(256);
  for (let i = plane; i < bytes.length; i += planes) counts[bytes[i]! ^ 0x80]!++;
  // A plane without bytes has a table all the same.
  if (bytes.length <= plane) counts[0x80] = 1;
  return counts;
}

/** The lanes' states and the words in the order in which the decoder uses them. Encoding runs backwards, from the last bytes. */
function encodeSymbols(
  bytes: Uint8Array,
  last: Uint8Array,
  lanes: number,
  tables: readonly Frequencies[],
  precision: number,
): { readonly states: readonly number[]; readonly words: Uint16Array } {
  const units = 2 ** precision;
  const states = Array.from({ length: lanes }, (_, lane) => LEAST_STATE + (last[2 * lane] ?? 0) + 256 * (last[2 * lane + 1] ?? 0));
  const words = new Uint16Array(bytes.length);
  let first = words.length;
  for (let i = bytes.length - 1; i >= 0; i--) {
    const { frequencies, starts } = tables[i % tables.length]!;
    const symbol = bytes[i]! ^ 0x80;
    const frequency = frequencies[symbol]!;
    let state = states[i % lanes]!;
    if (state >= frequency * 2 ** (32 - precision)) {
      words[--first] = state & 0xffff;
      state >>>= 16;
    }
    states[i % lanes] = Math.floor(state / frequency) * units + (state % frequency) + starts[symbol]!;
  }
  return { states, words: words.subarray(first) };
}
