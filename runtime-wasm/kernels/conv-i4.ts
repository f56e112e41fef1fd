/**
 * CONV_I8 (format/steps/conv-i8.ts) of four-bit weights, one group: kernels/conv-i8.ts with panels that are unpacked once for each block
 * of rows.
 *
 *   scratch: output block | A panel | one unpacked B panel, up to [K/2][8][2] int16 | gathered patches
 */
import { i4PanelBytes, i4RunsOffset } from "../../format/packings.ts";
import * as Conv from "../../format/steps/conv-i8.ts";
import { DOT_IS_FUSED } from "../constants.ts";
import { HAS_PAIR_DOT } from "../simd/dot.ts";
import { word } from "../words.ts";
import { biasOfRow, gemmI4, gemvI4, gemvWideI4, unpackI4, widenI4 } from "./gemm-i4.ts";
import { gemmI8 } from "./gemm-i8.ts";
import { gemmFusedPairsI8 } from "./gemm-pairs-i8.ts";
import { OUTPUT_BYTES } from "./output-i8.ts";
import { PAIRS, QUADS } from "./panel-i8.ts";
import { isPointwise, packPixels } from "./patches-i8.ts";

/** `src` and `dst` are the first channel of the group, `weights` its panels, `bias` and `scale` those of its first output. */
export function convGroupI4(step: usize, src: usize, dst: usize, weights: usize, bias: usize, scale: usize, outC: i32, outBytes: i32, depth: i32, block: usize): void {
  const pixels = word(step, Conv.BATCH) * word(step, Conv.OUT_H) * word(step, Conv.OUT_W);
  const rowBlock = word(step, Conv.ROW_BLOCK);
  const srcPitch = word(step, Conv.SRC_PITCH);
  const length = word(step, Conv.IN_C) / word(step, Conv.GROUPS);
  const pitchBytes = word(step, Conv.DST_PITCH) * outBytes;
  const panel = block + OUTPUT_BYTES;
  const unpacked = panel + rowBlock * depth * 2;
  const gathered = unpacked + depth * 16;
  const pointwise = isPointwise(step);
  const steps = depth >> 2;
  // One instruction for four k is as fast as one for two: then int16 sums gain nothing.
  const fused = HAS_PAIR_DOT && load<i32>(DOT_IS_FUSED);
  for (let m = 0; m < pixels; m += rowBlock) {
    const rows = min(rowBlock, pixels - m);
    if (HAS_PAIR_DOT) packPixels<i8>(QUADS, pointwise, step, src, srcPitch, m, rows, length, depth, panel, gathered);
    else packPixels<i16>(PAIRS, pointwise, step, src, srcPitch, m, rows, length, depth, panel, gathered);
    // A row that is left over goes by itself, in place of a tile of four.
    const single = (rows & 3) == 1;
    const tiled = single ? rows - 1 : rows;
    const last = panel + <usize>(tiled * depth) * (HAS_PAIR_DOT ? 1 : 2);
    const lastBias = HAS_PAIR_DOT && single ? biasOfRow(last, steps) : i64x2.splat(0);
    let out = dst + <usize>(m * pitchBytes);
    let b = weights;
    for (let n = 0; n < outC; n += 8) {
      const channels = min(8, outC - n);
      const at = <usize>(n << 2);
      if (HAS_PAIR_DOT) {
        // What accumulators start with goes behind the unpacked weights, which take half of their room.
        const start = unpacked + (depth << 3);
        const offsets = b + (depth << 2);
        const start0 = i32x4.add(v128.load(bias + at), v128.load(offsets));
        const start1 = i32x4.add(v128.load(bias + at, 16), v128.load(offsets, 16));
        if (tiled > 0) {
          v128.store(start, start0);
          v128.store(start, start1, 16);
          unpackI4(b, steps, unpacked);
          if (fused) gemmFusedPairsI8(tiled, steps, panel, unpacked, start, scale + at, out, pitchBytes, channels, block);
          else gemmI4(tiled, steps, panel, unpacked, b + i4RunsOffset(depth), start, scale + at, out, pitchBytes, channels, block);
        }
        if (single) {
          v128.store(start, i32x4.add(start0, lastBias));
          v128.store(start, i32x4.add(start1, lastBias), 16);
          gemvI4(steps, last, b, start, scale + at, out + <usize>(tiled * pitchBytes), channels, block);
        }
      } else {
        if (tiled > 0) {
          widenI4(b, steps, unpacked);
          gemmI8<i16>(tiled, depth >> 1, panel, unpacked, bias + at, scale + at, out, pitchBytes, channels, block);
        }
        if (single) gemvWideI4(steps, last, b, bias + at, scale + at, out + <usize>(tiled * pitchBytes), channels, block);
      }
      b += i4PanelBytes(depth);
      out += 8 * outBytes;
    }
  }
}
