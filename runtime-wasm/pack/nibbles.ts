/** Decodes constants of encoding NIBBLES (format/nibbles.ts). */
import { NIBBLES_HEADER_BYTES, nibblesBytes } from "../../format/nibbles.ts";
import { BAD_STREAM, OK } from "../../format/status.ts";
import { EIGHTS, LOW_HALVES } from "../constants.ts";

/** Decodes the `bytes` bytes at `src` to the `count` bytes at `dst`, which do not overlap. Returns OK or BAD_STREAM. */
export function decodeNibbles(src: usize, bytes: i32, dst: usize, count: i32): i32 {
  if (bytes < NIBBLES_HEADER_BYTES || count <= 0 || load<i32>(src) != count || bytes != nibblesBytes(count)) return BAD_STREAM;
  if (count & 1 && load<u8>(src + <usize>bytes - 1) > 15) return BAD_STREAM;
  src += NIBBLES_HEADER_BYTES;
  const low = v128.load(LOW_HALVES);
  const eight = v128.load(EIGHTS);
  for (; count >= 16; count -= 16) {
    const halves = v128.load64_zero(src);
    const even = v128.and(halves, low);
    const odd = v128.and(i16x8.shr_u(halves, 4), low);
    const values = i8x16.shuffle(even, odd, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
    v128.store(dst, i8x16.sub(v128.xor(values, eight), eight));
    src += 8;
    dst += 16;
  }
  for (let i = 0; i < count; i++) {
    const half = <i32>load<u8>(src + <usize>(i >> 1)) >> ((i & 1) << 2);
    store<i8>(dst + <usize>i, (half << 28) >> 28);
  }
  return OK;
}
