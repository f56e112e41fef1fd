/**
 * GEMM_I4 (format/packings.ts): proves that the values are of four bits, then packs panels of eight outputs. A step of four k is 16 bytes:
 *
 *   for the pair dot   byte 4o + k: weight + 8 of output o in the low half, of output o + 4 in the high half
 *   plain              int16 lane 2o + k, from the lowest four bits on: output o at k; o + 4 at k; o at k + 2; o + 4 at k + 2 (k 0 or 1)
 */
import { gemmDepth, i4PanelBytes, i4RunsOffset, RUN_LIMIT } from "../../format/packings.ts";
import { NOT_FOUR_BITS, OK } from "../../format/status.ts";
import { HAS_PAIR_DOT, pairOffset } from "../simd/dot.ts";

/** Packs `groups` groups of `outputs` rows of `segments` segments of `length` values. Returns OK or NOT_FOUR_BITS. */
export function packGemmI4(src: usize, dst: usize, groups: i32, outputs: i32, segments: i32, length: i32): i32 {
  const depth = gemmDepth(segments, length);
  const pitch = <usize>(segments * length);
  for (let g = 0; g < groups; g++) {
    for (let n = 0; n < outputs; n += 8) {
      if (!packPanel(src, dst, min(8, outputs - n), pitch, segments, length, depth)) return NOT_FOUR_BITS;
      src += <usize>min(8, outputs - n) * pitch;
      dst += i4PanelBytes(depth);
    }
  }
  return OK;
}

/** Packs `rows` outputs, `pitch` bytes apart. Returns whether their values are of four bits. */
function packPanel(src: usize, dst: usize, rows: i32, pitch: usize, segments: i32, length: i32, depth: i32): bool {
  const offsets = dst + (<usize>depth << 2);
  let runs = dst + <usize>i4RunsOffset(depth);
  memory.fill(offsets, 0, i4PanelBytes(depth) - (depth << 2));
  const limit = i16x8.splat(<i16>RUN_LIMIT);
  let outside = i8x16.splat(0);
  let sums0 = outside;
  let sums1 = outside;
  let above0 = outside;
  let above1 = outside;
  let below0 = outside;
  let below1 = outside;
  let run = 0;
  for (let s = 0; s < segments; s++) {
    for (let k = 0; k < length; k += 4) {
      const at = src + <usize>k;
      const inside = i32x4.splat(k + 4 <= length ? -1 : (1 << ((length - k) << 3)) - 1);
      const w0 = v128.and(quads(at, pitch, rows), inside);
      const w1 = rows > 4 ? v128.and(quads(at + 4 * pitch, pitch, rows - 4), inside) : i8x16.splat(0);
      const biased = v128.or(i8x16.add(w0, i8x16.splat(8)), i8x16.add(w1, i8x16.splat(8)));
      outside = v128.or(outside, v128.and(biased, i8x16.splat(-16)));
      const halves = v128.or(v128.and(w0, i8x16.splat(15)), i16x8.shl(v128.and(w1, i8x16.splat(15)), 4));
      if (HAS_PAIR_DOT) {
        v128.store(dst, v128.xor(halves, i8x16.splat(-120)));
        sums0 = i32x4.add(sums0, i32x4.extadd_pairwise_i16x8_s(i16x8.extadd_pairwise_i8x16_s(w0)));
        sums1 = i32x4.add(sums1, i32x4.extadd_pairwise_i16x8_s(i16x8.extadd_pairwise_i8x16_s(w1)));
        const more0 = positives(w0);
        const more1 = positives(w1);
        const less0 = positives(i8x16.neg(w0));
        const less1 = positives(i8x16.neg(w1));
        above0 = i16x8.add(above0, more0);
        above1 = i16x8.add(above1, more1);
        below0 = i16x8.add(below0, less0);
        below1 = i16x8.add(below1, less1);
        const most = i16x8.max_s(i16x8.max_s(above0, above1), i16x8.max_s(below0, below1));
        if (run == 255 || v128.any_true(i16x8.gt_s(most, limit))) {
          store<u8>(runs++, <u8>run);
          run = 0;
          above0 = more0;
          above1 = more1;
          below0 = less0;
          below1 = less1;
        }
        run++;
      } else {
        v128.store(dst, i8x16.shuffle(halves, halves, 0, 2, 1, 3, 4, 6, 5, 7, 8, 10, 9, 11, 12, 14, 13, 15));
      }
      dst += 16;
    }
    src += <usize>length;
  }
  if (HAS_PAIR_DOT) {
    store<u8>(runs, <u8>run);
    v128.store(offsets, i32x4.mul(sums0, i32x4.splat(pairOffset(1))));
    v128.store(offsets, i32x4.mul(sums1, i32x4.splat(pairOffset(1))), 16);
  }
  return !v128.any_true(outside);
}

/** Four values of each of up to four rows, `rows` of them there; reads up to three bytes behind a row. */
function quads(src: usize, pitch: usize, rows: i32): v128 {
  let x = v128.load32_zero(src);
  if (rows > 1) x = v128.load_lane<u32>(src + pitch, x, 1);
  if (rows > 2) x = v128.load_lane<u32>(src + 2 * pitch, x, 2);
  if (rows > 3) x = v128.load_lane<u32>(src + 3 * pitch, x, 3);
  return x;
}

/** The positive of each pair of values, added up. */
// @ts-ignore: decorator
@inline
function positives(w: v128): v128 {
  return i16x8.extadd_pairwise_i8x16_s(i8x16.max_s(w, i8x16.splat(0)));
}
