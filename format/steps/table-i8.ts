/**
 * TABLE_I8: any function of one int8, as a table of 256: y = TABLE[x + 128], for ROWS rows of COLUMNS elements.
 *
 * Rows start SRC_PITCH and DST_PITCH bytes apart. DST may be SRC where the pitches are equal.
 */
import { Extents } from "../extents.ts";

export const SRC = 2;
export const DST = 3;
export const TABLE = 4;
export const ROWS = 5;
export const COLUMNS = 6;
export const SRC_PITCH = 7;
export const DST_PITCH = 8;
export const WORDS = 9;

/** What the step touches. */
export function extents(w: Int32Array, e: Extents): void {
  e.check(w[ROWS]! > 0 && w[COLUMNS]! > 0, "sizes are positive");
  e.check(w[SRC_PITCH]! >= w[COLUMNS]! && w[DST_PITCH]! >= w[COLUMNS]!, "pitches hold the columns");
  e.read(w[SRC]!, (w[ROWS]! - 1) * w[SRC_PITCH]! + w[COLUMNS]!);
  e.read(w[TABLE]!, 256);
  e.write(w[DST]!, (w[ROWS]! - 1) * w[DST_PITCH]! + w[COLUMNS]!);
}
