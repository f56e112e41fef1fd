/**
 * TOP_K: the K first of each row in order: SRC [OUTER][COUNT][INNER] → VALUES and PLACES (int64) [OUTER][K][INNER], either −1 where it is not asked
 * for. Float32, int8, uint8, int32 or int64.
 *
 *   a comes before b where it is greater (LARGEST 1) or smaller (0); of equal ones the one of the lower place, or of the higher (LAST 1).
 *   A NaN counts as greater than every number.
 */
import { BOOL, elementBytes } from "../dtypes.ts";
import { Extents } from "../extents.ts";

export const SRC = 2;
export const VALUES = 3;
export const PLACES = 4;
export const SCRATCH = 5;
export const DTYPE = 6;
export const OUTER = 7;
export const COUNT = 8;
export const INNER = 9;
export const K = 10;
export const LARGEST = 11;
export const LAST = 12;
export const WORDS = 13;

/** Bytes of scratch: the heap of places. */
export function scratchBytes(k: i32): i32 {
  return k * 4;
}

/** What the step touches. */
export function extents(w: Int32Array, e: Extents): void {
  const bytes = elementBytes(w[DTYPE]!);
  const results = w[OUTER]! * w[K]! * w[INNER]!;
  e.check(bytes > 0 && w[DTYPE]! !== BOOL, "the type is a number's");
  e.check(w[OUTER]! > 0 && w[COUNT]! > 0 && w[INNER]! > 0 && w[K]! > 0 && w[K]! <= w[COUNT]!, "sizes are positive, K is at most COUNT");
  e.check(w[VALUES]! >= 0 || w[PLACES]! >= 0, "values or places are asked for");
  e.read(w[SRC]!, w[OUTER]! * w[COUNT]! * w[INNER]! * bytes);
  if (w[VALUES]! >= 0) e.write(w[VALUES]!, results * bytes);
  if (w[PLACES]! >= 0) e.write(w[PLACES]!, results * 8);
  e.write(w[SCRATCH]!, w[K]! * 4);
}
