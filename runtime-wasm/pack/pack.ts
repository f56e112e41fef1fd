/** Packs constants from their canonical order into the layout that this build's kernels read (format/packings.ts). */
import * as Packing from "../../format/packings.ts";
import { OK, UNKNOWN_PACKING } from "../../format/status.ts";
import * as Pack from "../../format/steps/pack.ts";
import { address, word } from "../words.ts";

/** Packs `bytes` canonical bytes at `src` to `dst`. Returns OK or UNKNOWN_PACKING. */
export function pack(packing: i32, src: usize, dst: usize, bytes: i32, p0: i32, p1: i32, p2: i32): i32 {
  if (packing == Packing.COPY) {
    memory.copy(dst, src, bytes);
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
