/**
 * CAST between float32, int8, uint8, int32, int64 and bool: floats truncate toward zero (saturating; NaN gives 0), integers wrap, bool is x ≠ 0.
 */

import { elementBytes } from "../dtypes.ts";
import { Extents } from "../extents.ts";

export const SRC = 2;
export const DST = 3;
export const SRC_DTYPE = 4;
export const DST_DTYPE = 5;
export const COUNT = 6;
export const WORDS = 7;

/** What the step touches. */
export function extents(w: Int32Array, e: Extents): void {
  e.check(w[COUNT]! > 0, "COUNT is positive");
  e.check(elementBytes(w[SRC_DTYPE]!) > 0 && elementBytes(w[DST_DTYPE]!) > 0, "the types are known");
  e.read(w[SRC]!, w[COUNT]! * elementBytes(w[SRC_DTYPE]!));
  e.write(w[DST]!, w[COUNT]! * elementBytes(w[DST_DTYPE]!));
}
