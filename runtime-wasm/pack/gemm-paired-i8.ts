/**
 * GEMM_PAIR_SAFE_I8 and GEMM_RUN_SAFE_I8 (format/packings.ts): proves the pairs or runs, then packs as GEMM_I8, or for the pair dot as
 *
 *   [⌈N/8⌉][K/4][8 outputs][4 k] int8 for each group, then [G][⌈N/8⌉·8] int32: what each output's accumulator starts with
 */
import { GEMM_RUN_SAFE_I8, gemmDepth, PAIR_LIMIT, RUN_LIMIT } from "../../format/packings.ts";
import { NOT_PAIR_SAFE, NOT_RUN_SAFE, OK } from "../../format/status.ts";
import { HAS_PAIR_DOT, pairOffset } from "../simd/dot.ts";
import { packGemmI8 } from "./gemm-i8.ts";
import { sumOf } from "./sum.ts";

/** Packs `groups` groups of `outputs` rows of `segments` segments of `length` values. Returns OK, NOT_PAIR_SAFE or NOT_RUN_SAFE. */
export function packGemmPairedI8(packing: i32, src: usize, dst: usize, groups: i32, outputs: i32, segments: i32, length: i32): i32 {
  const rows = groups * outputs * segments;
  if (packing == GEMM_RUN_SAFE_I8) {
    for (let i = 0; i < rows; i++) if (!isRunSafe(src + <usize>(i * length), length)) return NOT_RUN_SAFE;
  } else {
    for (let i = 0; i < rows; i++) if (!isPairSafe(src + <usize>(i * length), length)) return NOT_PAIR_SAFE;
  }
  const depth = gemmDepth(segments, length);
  const padded = (outputs + 7) & ~7;
  const packed = <usize>(padded * depth);
  let offsets = dst + <usize>groups * packed;
  for (let g = 0; g < groups; g++) {
    if (HAS_PAIR_DOT) {
      packQuads(src, dst, offsets, outputs, segments, length, depth);
      offsets += <usize>padded << 2;
    } else {
      packGemmI8(src, dst, outputs, segments, length);
    }
    src += <usize>(outputs * segments * length);
    dst += packed;
  }
  return OK;
}

/** Whether each pair of a segment is within the limit. */
function isPairSafe(p: usize, length: i32): bool {
  let largest = i16x8.splat(0);
  for (; length >= 32; length -= 32) {
    const first = i16x8.extadd_pairwise_i8x16_u(i8x16.abs(v128.load(p)));
    const second = i16x8.extadd_pairwise_i8x16_u(i8x16.abs(v128.load(p, 16)));
    largest = i16x8.max_u(largest, i16x8.max_u(first, second));
    p += 32;
  }
  for (; length >= 16; length -= 16) {
    largest = i16x8.max_u(largest, i16x8.extadd_pairwise_i8x16_u(i8x16.abs(v128.load(p))));
    p += 16;
  }
  if (v128.any_true(i16x8.gt_u(largest, i16x8.splat(<i16>PAIR_LIMIT)))) return false;
  for (; length > 1; length -= 2) {
    if (abs(<i32>load<i8>(p)) + abs(<i32>load<i8>(p, 1)) > PAIR_LIMIT) return false;
    p += 2;
  }
  return true;
}

/** Whether each run of a segment that starts at a multiple of 8 of the packed depth is within the limit. */
function isRunSafe(p: usize, length: i32): bool {
  let largest = i16x8.splat(0);
  for (; length >= 16; length -= 16) {
    largest = i16x8.max_s(largest, sumsOfRuns(v128.load(p)));
    p += 16;
  }
  if (v128.any_true(i16x8.gt_s(largest, i16x8.splat(<i16>RUN_LIMIT)))) return false;
  for (; length > 0; length -= 8) {
    if (!isRunWithin(p, length) || !isRunWithin(p + 2, length - 2)) return false;
    p += 8;
  }
  return true;
}

/** Whether the run that begins at `p` is within the limit, of `length` values that are left of the segment. */
function isRunWithin(p: usize, length: i32): bool {
  let more = 0;
  let less = 0;
  for (let k = 0; k < min(length, 6); k++) {
    if (k == 2 || k == 3) continue;
    const w = <i32>load<i8>(p + <usize>k);
    if (w > 0) more += w;
    else less -= w;
  }
  return more <= RUN_LIMIT && less <= RUN_LIMIT;
}

/** The larger of what the positive and the negative values of the run that each pair of sixteen belongs to add up to. */
// @ts-ignore: decorator
@inline
function sumsOfRuns(w: v128): v128 {
  const zero = i8x16.splat(0);
  // As uint8, so that −128 is right.
  const more = i16x8.extadd_pairwise_i8x16_u(i8x16.max_s(w, zero));
  const less = i16x8.extadd_pairwise_i8x16_u(i8x16.sub(zero, i8x16.min_s(w, zero)));
  return i16x8.max_s(
    i16x8.add(more, v128.shuffle<i32>(more, more, 1, 0, 3, 2)),
    i16x8.add(less, v128.shuffle<i32>(less, less, 1, 0, 3, 2)),
  );
}

function packQuads(src: usize, dst: usize, offsets: usize, outputs: i32, segments: i32, length: i32, depth: i32): void {
  const paddedLength = segments == 1 ? depth : (length + 1) & ~1;
  memory.fill(dst, 0, <usize>(((outputs + 7) & ~7) * depth));
  memory.fill(offsets, 0, <usize>((outputs + 7) & ~7) << 2);
  for (let n = 0; n < outputs; n++) {
    let out = dst + <usize>((n >> 3) * 8 * depth + (n & 7) * 4);
    store<i32>(offsets + (<usize>n << 2), pairOffset(sumOf(src, segments * length)));
    for (let s = 0; s < segments; s++) {
      packSegment(src, out, length);
      src += <usize>length;
      out += <usize>paddedLength << 3;
    }
  }
}

/** `length` adjacent values to every eighth four bytes. */
function packSegment(src: usize, out: usize, length: i32): void {
  for (; length >= 16; length -= 16) {
    const values = v128.load(src);
    v128.store_lane<i32>(out, values, 0);
    v128.store_lane<i32>(out, values, 1, 32);
    v128.store_lane<i32>(out, values, 2, 64);
    v128.store_lane<i32>(out, values, 3, 96);
    src += 16;
    out += 128;
  }
  for (; length >= 4; length -= 4) {
    store<i32>(out, load<i32>(src));
    src += 4;
    out += 32;
  }
  for (; length > 0; length--) {
    store<i8>(out, load<i8>(src));
    src++;
    out++;
  }
}
