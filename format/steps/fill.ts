/**
 * FILL: COUNT elements of ELEMENT_BYTES (1, 4 or 8) set to one value, given as its low and high 32 bits.
 */
import { Extents } from "../extents.ts";

export const DST = 2;
export const ELEMENT_BYTES = 3;
export const COUNT = 4;
export const VALUE_LOW = 5;
export const VALUE_HIGH = 6;
export const WORDS = 7;

/** What the step touches. */
export function extents(w: Int32Array, e: Extents): void {
  const bytes = w[ELEMENT_BYTES]!;
  e.check(bytes === 1 || bytes === 4 || bytes === 8, "ELEMENT_BYTES is 1, 4 or 8");
  e.check(w[COUNT]! > 0, "COUNT is positive");
  e.write(w[DST]!, w[COUNT]! * bytes);
}
