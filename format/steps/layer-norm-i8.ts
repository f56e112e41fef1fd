/**
 * LAYER_NORM_I8: LAYER_NORM between int8 layers, with what stands around it: of each of ROWS rows of COUNT elements
 *
 *   x = SRC, or f32(SRC − SRC_ZERO)·SRC_SCALE of int8; x = x + ADDEND; SUM takes x
 *   y = the result of LAYER_NORM for x (layer-norm.ts); DST takes y
 *   DST_I8 = saturate(roundHalfEven(y / OUT_SCALE) + OUT_ZERO)
 *
 * each operation as DEQUANTIZE, BINARY ADD without limits, LAYER_NORM and QUANTIZE have it. Scales are one float32 in memory each, zero points one
 * int8, or −1 for 0. SRC is int8 where SRC_SCALE is given, and float32 where it is −1. ADDEND is float32 like x. ADDEND, SUM and DST are −1
 * where there is none, SCALE and BIAS as in LAYER_NORM. The first of DST and SUM that is there may be SRC or ADDEND, where both are float32.
 * SCRATCH holds one row, as scratchBytes says.
 */
import { Extents } from "../extents.ts";

export const SRC = 2;
export const ADDEND = 3;
export const SUM = 4;
export const DST = 5;
export const DST_I8 = 6;
export const SCALE = 7;
export const BIAS = 8;
export const ROWS = 9;
export const COUNT = 10;
export const EPSILON = 11;
export const CENTRED = 12;
export const SRC_SCALE = 13;
export const SRC_ZERO = 14;
export const OUT_SCALE = 15;
export const OUT_ZERO = 16;
export const SCRATCH = 17;
export const WORDS = 18;

/** Bytes of SCRATCH: a row, and what a vector reads behind it. */
export function scratchBytes(count: i32): i32 {
  return count * 4 + 16;
}

/** What the step touches. */
export function extents(w: Int32Array, e: Extents): void {
  e.check(w[ROWS]! > 0 && w[COUNT]! > 0, "sizes are positive");
  const count = w[ROWS]! * w[COUNT]!;
  e.read(w[SRC]!, w[SRC_SCALE]! === -1 ? count * 4 : count);
  if (w[ADDEND]! !== -1) e.read(w[ADDEND]!, count * 4);
  if (w[SCALE]! !== -1) e.read(w[SCALE]!, w[COUNT]! * 4);
  if (w[BIAS]! !== -1) e.read(w[BIAS]!, w[COUNT]! * 4);
  if (w[SRC_SCALE]! !== -1) e.read(w[SRC_SCALE]!, 4);
  if (w[SRC_ZERO]! !== -1) e.read(w[SRC_ZERO]!, 1);
  e.read(w[OUT_SCALE]!, 4);
  if (w[OUT_ZERO]! !== -1) e.read(w[OUT_ZERO]!, 1);
  if (w[DST]! !== -1) e.write(w[DST]!, count * 4);
  if (w[SUM]! !== -1) e.write(w[SUM]!, count * 4);
  e.write(w[DST_I8]!, count);
  e.write(w[SCRATCH]!, scratchBytes(w[COUNT]!));
}
