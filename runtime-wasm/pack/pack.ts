/** Packs constants from their canonical order into the layout that this build's kernels read (format/packings.ts). */
import * as Packing from "../../format/packings.ts";
import { OK, UNKNOWN_PACKING } from "../../format/status.ts";
import * as Pack from "../../format/steps/pack.ts";
import { address, word } from "../words.ts";
import { packChannels32, packDepthwiseF32, packGemmF32 } from "./pack-f32.ts";
import { packDepthwise3x3I8, packDepthwiseI8 } from "./depthwise.ts";
import { packGemmBlocksI8 } from "./gemm-blocks-i8.ts";
import { packGemmI4 } from "./gemm-i4.ts";
import { packGemmI8 } from "./gemm-i8.ts";
import { packGemmScatteredI8 } from "./gemm-scattered-i8.ts";
import { packGemmPairedI8 } from "./gemm-paired-i8.ts";

/** Packs `bytes` canonical bytes at `src` to `dst`. Returns OK, UNKNOWN_PACKING, NOT_PAIR_SAFE, NOT_RUN_SAFE, NOT_FOUR_BITS or OTHER_BLOCKS. */
export function pack(packing: i32, src: usize, dst: usize, bytes: i32, p0: i32, p1: i32, p2: i32): i32 {
  if (packing == Packing.COPY) {
    memory.copy(dst, src, bytes);
    return OK;
  }
  if (packing == Packing.GEMM_I8) {
    let groups = Packing.packedGroups(packing, bytes, p0, p1, p2);
    const packed = <usize>(((p0 + 7) & ~7) * Packing.gemmDepth(p1, p2));
    while (groups-- > 0) {
      packGemmI8(src, dst, p0, p1, p2);
      src += <usize>(p0 * p1 * p2);
      dst += packed;
    }
    return OK;
  }
  if (Packing.isPaired(packing)) return packGemmPairedI8(packing, src, dst, Packing.packedGroups(packing, bytes, p0, p1, p2), p0, p1, p2);
  if (packing == Packing.GEMM_I4) return packGemmI4(src, dst, Packing.packedGroups(packing, bytes, p0, p1, p2), p0, p1, p2);
  if (packing == Packing.GEMM_SCATTERED_I8) return packGemmScatteredI8(src, dst, bytes / p1, p1, p2);
  if (Packing.isSparse(packing)) return packGemmBlocksI8(packing, src, dst, Packing.packedGroups(packing, bytes, p0, p1, p2), p0, p1, p2);
  if (packing == Packing.GEMM_F32) {
    let groups = Packing.packedGroups(packing, bytes, p0, p1, p2);
    const packed = <usize>(((p0 + 7) & ~7) * p1 * 4);
    while (groups-- > 0) {
      packGemmF32(src, dst, p0, p1);
      src += <usize>(p0 * p1 * 4);
      dst += packed;
    }
    return OK;
  }
  if (packing == Packing.DEPTHWISE_I8) {
    packDepthwiseI8(src, dst, p0, p1);
    return OK;
  }
  if (packing == Packing.DEPTHWISE_3X3_I8) {
    packDepthwise3x3I8(src, dst, p0);
    return OK;
  }
  if (packing == Packing.DEPTHWISE_F32) {
    packDepthwiseF32(src, dst, p0, p1);
    return OK;
  }
  if (packing == Packing.CHANNELS_32) {
    packChannels32(src, dst, p0);
    return OK;
  }
  return UNKNOWN_PACKING;
}

/** The PACK step. */
export function packStep(step: usize, data: usize): void {
  pack(
    word(step, Pack.PACKING),
    address(step, Pack.SRC, data),
    address(step, Pack.DST, data),
    word(step, Pack.SRC_BYTES),
    word(step, Pack.P0),
    word(step, Pack.P1),
    word(step, Pack.P2),
  );
}
