/**
 * Decodes constants of encoding BLOCKS (format/blocks.ts). Whatever the stream says, it reads only the stream, writes only the result and its
 * scratch, and ends: a stream that is not sound gives BAD_STREAM.
 *
 *   scratch: mask | values | memory of the entropy decoder, each from a multiple of 64 on
 */
import { BLOCK_ROWS, BLOCKS_HEADER_BYTES } from "../../format/blocks.ts";
import { BAD_STREAM, OK } from "../../format/status.ts";
import { decode } from "./entropy.ts";

/** Words of the header. */
const DEPTH: usize = 4;
const OUTPUTS: usize = 8;
const VALUES: usize = 12;
const MASK_BYTES: usize = 16;

/**
 * Decodes the `bytes` bytes at `src` to the `count` bytes at `dst`, which do not overlap; `scratch` is of `scratchBytes` bytes, as codingOf
 * (host/coding.ts) says for the stream. Returns OK or BAD_STREAM.
 */
export function decodeBlocks(src: usize, bytes: i32, dst: usize, count: i32, scratch: usize, scratchBytes: i32): i32 {
  if (bytes < BLOCKS_HEADER_BYTES || load<i32>(src) != count || count <= 0) return BAD_STREAM;
  const depth = load<i32>(src, DEPTH);
  const outputs = load<i32>(src, OUTPUTS);
  const values = load<i32>(src, VALUES);
  const coded = load<i32>(src, MASK_BYTES);
  if (depth <= 0 || outputs <= 0 || values < 0 || values > count || coded < 0 || coded > bytes - BLOCKS_HEADER_BYTES) return BAD_STREAM;
  const group = <i64>depth * outputs;
  if (group > <i64>count || count % <i32>group != 0) return BAD_STREAM;
  const groups = count / <i32>group;
  const blocks = groups * ((outputs + BLOCK_ROWS - 1) / BLOCK_ROWS) * depth;
  const maskBytes = (blocks + 7) >> 3;
  const mask = scratch;
  const kept = mask + aligned(maskBytes);
  const own = kept + aligned(values);
  const ownBytes = scratchBytes - <i32>(own - scratch);
  if (ownBytes < 0) return BAD_STREAM;
  const part = src + BLOCKS_HEADER_BYTES;
  if (takePart(part, coded, mask, maskBytes, own, ownBytes) != OK) return BAD_STREAM;
  if (takePart(part + coded, bytes - BLOCKS_HEADER_BYTES - coded, kept, values, own, ownBytes) != OK) return BAD_STREAM;
  if (blocks & 7 && load<u8>(mask + maskBytes - 1) >> (blocks & 7)) return BAD_STREAM;
  return spread(mask, kept, kept + values, dst, count, groups, outputs, depth);
}

// @ts-ignore: decorator
@inline
function aligned(bytes: i32): usize {
  return (<usize>bytes + 63) & -64;
}

/** A part of `count` bytes: as it is where it is as long, else entropy coded. */
function takePart(src: usize, bytes: i32, dst: usize, count: i32, scratch: usize, scratchBytes: i32): i32 {
  if (bytes != count) return decode(src, bytes, dst, count, scratch, scratchBytes);
  memory.copy(dst, src, bytes);
  return OK;
}

/** Puts the values to where the mask has them, and zeros elsewhere. */
function spread(mask: usize, from: usize, end: usize, dst: usize, count: i32, groups: i32, outputs: i32, depth: i32): i32 {
  memory.fill(dst, 0, count);
  let block = 0;
  for (let g = 0; g < groups; g++) {
    for (let row = 0; row < outputs; row += BLOCK_ROWS) {
      const rows = min(BLOCK_ROWS, outputs - row);
      for (let k = 0; k < depth; k++) {
        if ((load<u8>(mask + (block >> 3)) >> (block & 7)) & 1) {
          if (from + rows > end) return BAD_STREAM;
          let at = dst + <usize>k;
          for (let r = 0; r < rows; r++) {
            store<u8>(at, load<u8>(from));
            from++;
            at += depth;
          }
        }
        block++;
      }
      dst += <usize>(rows * depth);
    }
  }
  return from == end ? OK : BAD_STREAM;
}
