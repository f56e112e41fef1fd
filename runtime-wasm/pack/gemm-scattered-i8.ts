/** GEMM_SCATTERED_I8 (format/packings.ts): the weights of each output that are not zero, in pairs; the last of an odd number with a zero. */
import { SCATTERED_HEAD_BYTES } from "../../format/packings.ts";
import { OK, OTHER_BLOCKS } from "../../format/status.ts";

/** Packs `outputs` rows (of all groups) of `depth` values to `pairs` pairs. Returns OK or OTHER_BLOCKS. */
export function packGemmScatteredI8(src: usize, dst: usize, outputs: i32, depth: i32, pairs: i32): i32 {
  const first = dst + <usize>outputs * SCATTERED_HEAD_BYTES;
  const end = first + (<usize>pairs << 3);
  let at = first;
  for (let o = 0; o < outputs; o++) {
    store<i32>(dst, <i32>((at - first) >> 3));
    let half = false;
    for (let k = 0; k < depth; k++) {
      const w = <i16>load<i8>(src + <usize>k);
      if (w == 0) continue;
      if (half) {
        store<i16>(at - 8, w, 2);
        store<u16>(at - 8, <u16>k, 6);
      } else {
        if (at == end) return OTHER_BLOCKS;
        store<i16>(at, w);
        store<i16>(at, 0, 2);
        store<u16>(at, <u16>k, 4);
        store<u16>(at, <u16>k, 6);
        at += 8;
      }
      half = !half;
    }
    store<i32>(dst, <i32>((at - first) >> 3) - load<i32>(dst), 4);
    src += <usize>depth;
    dst += SCATTERED_HEAD_BYTES;
  }
  return at == end ? OK : OTHER_BLOCKS;
}
