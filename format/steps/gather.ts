/**
 * GATHER: rows of an axis by index: DST [OUTER][COUNT][INNER_BYTES] = SRC [OUTER][AXIS][INNER_BYTES] at INDICES[COUNT] (int32 or int64;
 * negative counts from the end). An index outside the axis makes run() return INDEX_OUT_OF_RANGE.
 */

import { elementBytes, INT32, INT64 } from "../dtypes.ts";
import { Extents } from "../extents.ts";

export const SRC = 2;
export const DST = 3;
export const INDICES = 4;
export const INDEX_DTYPE = 5;
export const OUTER = 6;
export const AXIS = 7;
export const COUNT = 8;
export const INNER_BYTES = 9;
export const WORDS = 10;

/** What the step touches. */
export function extents(w: Int32Array, e: Extents): void {
  e.check(w[OUTER]! > 0 && w[AXIS]! > 0 && w[COUNT]! > 0 && w[INNER_BYTES]! > 0, "sizes are positive");
  e.check(w[INDEX_DTYPE]! === INT32 || w[INDEX_DTYPE]! === INT64, "indices are int32 or int64");
  e.read(w[SRC]!, w[OUTER]! * w[AXIS]! * w[INNER_BYTES]!);
  e.read(w[INDICES]!, w[COUNT]! * elementBytes(w[INDEX_DTYPE]!));
  e.write(w[DST]!, w[OUTER]! * w[COUNT]! * w[INNER_BYTES]!);
}
