/**
 * SCATTER: DST [ROWS][INNER], which holds data already, is changed at the rows that INDICES [COUNT] (int32 or int64; negative counts from the
 * end) names, by UPDATES [COUNT][INNER], in their order. An index outside the rows makes run() return INDEX_OUT_OF_RANGE.
 *
 *   SET y = u · ADD y + u · MUL y·u · MAXIMUM · MINIMUM; integers wrap, bool only SET
 */
import { BOOL, elementBytes, INT32, INT64 } from "../dtypes.ts";
import { Extents } from "../extents.ts";

export const DST = 2;
export const UPDATES = 3;
export const INDICES = 4;
export const INDEX_DTYPE = 5;
export const OP = 6;
export const DTYPE = 7;
export const ROWS = 8;
export const COUNT = 9;
export const INNER = 10;
export const WORDS = 11;

export const SET = 1;
export const ADD = 2;
export const MUL = 3;
export const MAXIMUM = 4;
export const MINIMUM = 5;

/** What the step touches. */
export function extents(w: Int32Array, e: Extents): void {
  const bytes = elementBytes(w[DTYPE]!);
  e.check(bytes > 0, "DTYPE is a type");
  e.check(w[OP]! >= SET && w[OP]! <= MINIMUM && (w[OP]! === SET || w[DTYPE]! !== BOOL), "OP is SET to MINIMUM, on bool SET");
  e.check(w[ROWS]! > 0 && w[COUNT]! > 0 && w[INNER]! > 0, "sizes are positive");
  e.check(w[INDEX_DTYPE]! === INT32 || w[INDEX_DTYPE]! === INT64, "indices are int32 or int64");
  e.read(w[UPDATES]!, w[COUNT]! * w[INNER]! * bytes);
  e.read(w[INDICES]!, w[COUNT]! * elementBytes(w[INDEX_DTYPE]!));
  e.read(w[DST]!, w[ROWS]! * w[INNER]! * bytes);
  e.write(w[DST]!, w[ROWS]! * w[INNER]! * bytes);
}
