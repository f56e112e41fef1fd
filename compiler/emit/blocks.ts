/** Encodes the bytes of a constant as format/blocks.ts describes. */
import { BLOCK_ROWS, BLOCKS_HEADER_BYTES } from "../../format/blocks.ts";
import { encodeBytes } from "./entropy.ts";

/**
 * The stream that decodes to `bytes`, groups of `outputs` rows of `depth` int8 values. Null where fewer than a tenth of all blocks are zero: then
 * it is no shorter than others.
 */
export function encodeBlocks(bytes: Uint8Array, outputs: number, depth: number): Uint8Array<ArrayBuffer> | null {
  const heads = (bytes.length / (outputs * depth)) * Math.ceil(outputs / BLOCK_ROWS);
  const mask = new Uint8Array(Math.ceil((heads * depth) / 8));
  const values = new Uint8Array(bytes.length);
  let count = 0;
  let kept = 0;
  let block = 0;
  for (let group = 0; group < bytes.length; group += outputs * depth) {
    for (let row = 0; row < outputs; row += BLOCK_ROWS) {
      const first = group + row * depth;
      const end = first + Math.min(BLOCK_ROWS, outputs - row) * depth;
      for (let k = 0; k < depth; k++, block++) {
        let any = 0;
        for (let at = first + k; at < end; at += depth) any |= bytes[at]!;
        if (any === 0) continue;
        kept++;
        mask[block >> 3]! |= 1 << (block & 7);
        for (let at = first + k; at < end; at += depth) values[count++] = bytes[at]!;
      }
    }
  }
  if (kept > 0.9 * block) return null;
  const [codedMask, codedValues] = [shorter(mask), shorter(values.subarray(0, count))];
  const stream = new Uint8Array(BLOCKS_HEADER_BYTES + codedMask.length + codedValues.length);
  const view = new DataView(stream.buffer);
  for (const [i, word] of [bytes.length, depth, outputs, count, codedMask.length].entries()) view.setUint32(4 * i, word, true);
  stream.set(codedMask, BLOCKS_HEADER_BYTES);
  stream.set(codedValues, BLOCKS_HEADER_BYTES + codedMask.length);
  return stream;
}

/** A part entropy coded where that is shorter, else as it is. */
function shorter(part: Uint8Array): Uint8Array {
  if (part.length === 0) return part;
  const coded = encodeBytes(part, 1);
  return coded.length < part.length ? coded : part;
}
