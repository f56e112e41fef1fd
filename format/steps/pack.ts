/**
 * PACK: packs weights that are computed while the model runs, as the loader packs constants (packings.ts).
 */
import { Extents } from "../extents.ts";
import { GEMM_I4, isPaired, isSparse, packedBytes, packingHolds } from "../packings.ts";

export const SRC = 2;
export const DST = 3;
export const PACKING = 4;
export const SRC_BYTES = 5;
export const P0 = 6;
export const P1 = 7;
export const P2 = 8;
export const WORDS = 9;

/** What the step touches. */
export function extents(w: Int32Array, e: Extents): void {
  e.check(packingHolds(w[PACKING]!, w[SRC_BYTES]!, w[P0]!, w[P1]!, w[P2]!), "the packing holds its parameters");
  e.check(!isPaired(w[PACKING]!), "computed weights are not pair-safe");
  e.check(w[PACKING]! !== GEMM_I4, "computed weights are not of four bits");
  e.check(!isSparse(w[PACKING]!), "computed weights are not sparse");
  const bytes = packedBytes(w[PACKING]!, w[SRC_BYTES]!, w[P0]!, w[P1]!, w[P2]!);
  e.read(w[SRC]!, w[SRC_BYTES]!);
  e.write(w[DST]!, bytes);
}
