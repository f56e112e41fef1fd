/** A product by itself, for the host to time: which form of the pair dot is the faster one on this machine. */
import { INT8 } from "../format/dtypes.ts";
import { gemmFusedPairsI8, gemmPairsI8 } from "./kernels/gemm-pairs-i8.ts";
import { OUTPUT_BYTES, prepareOutput } from "./kernels/output-i8.ts";
import { HAS_PAIR_DOT } from "./simd/dot.ts";

/** On a page that holds nothing else: the output block, starts and scales, a panel of A, one of B, the result. */
const BLOCK: usize = 1024;
const START: usize = BLOCK + OUTPUT_BYTES;
const A: usize = 2048;
const B: usize = A + 32 * 128;
const OUT: usize = B + 8 * 128;

/** Multiplies 32 rows with 8 outputs of depth 128, `times` times: with the fused dot (1) or the one of two steps (0). Needs one page of memory. */
export function tryDots(fused: i32, times: i32): void {
  if (!HAS_PAIR_DOT) return;
  prepareOutput(BLOCK, INT8, 1, 0, -128, 127);
  while (times-- > 0) {
    if (fused) gemmFusedPairsI8(32, 32, A, B, START, START, OUT, 8, 8, BLOCK);
    else gemmPairsI8(32, 32, A, B, START, START, OUT, 8, 8, BLOCK);
  }
}
