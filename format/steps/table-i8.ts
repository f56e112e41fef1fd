/**
 * TABLE_I8: any function of one int8, as a table of 256: y = TABLE[x + 128]. DST may be SRC.
 */
import { Extents } from "../extents.ts";

export const SRC = 2;
export const DST = 3;
export const TABLE = 4;
export const COUNT = 5;
export const WORDS = 6;

/** What the step touches. */
export function extents(w: Int32Array, e: Extents): void {
  e.check(w[COUNT]! > 0, "COUNT is positive");
  e.read(w[SRC]!, w[COUNT]!);
  e.read(w[TABLE]!, 256);
  e.write(w[DST]!, w[COUNT]!);
}
