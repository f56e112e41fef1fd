/**
 * SUPPRESS: NonMaxSuppression. BOXES [BATCH][COUNT][4], SCORES [BATCH][CLASSES][COUNT], float32; for each image and class the boxes in order of
 * their scores (equal ones by place) that overlap none chosen before by more than IOU, at most LIMIT of them, with scores above SCORE. IOU and SCORE
 * name a float32 each, or are −1: 0, and no bound.
 *
 *   TOTAL, an int32, becomes the number n of the chosen; DST, int64 [BATCH·CLASSES·LIMIT][3], the image, class and box of each, and zeros behind.
 *   CENTRED 0: a box is two opposite corners y, x, y, x; 1: centre x, y, width, height.
 */
import { Extents } from "../extents.ts";

export const BOXES = 2;
export const SCORES = 3;
export const IOU = 4;
export const SCORE = 5;
export const DST = 6;
export const TOTAL = 7;
export const SCRATCH = 8;
export const BATCH = 9;
export const CLASSES = 10;
export const COUNT = 11;
export const LIMIT = 12;
export const CENTRED = 13;
export const WORDS = 14;

/** Bytes of scratch: the places in order. */
export function scratchBytes(count: i32): i32 {
  return count * 4;
}

/** What the step touches. */
export function extents(w: Int32Array, e: Extents): void {
  const batch = w[BATCH]!;
  const classes = w[CLASSES]!;
  const count = w[COUNT]!;
  const limit = w[LIMIT]!;
  e.check(batch > 0 && classes > 0 && count > 0 && limit > 0 && limit <= count, "sizes are positive, LIMIT is at most COUNT");
  e.read(w[BOXES]!, batch * count * 16);
  e.read(w[SCORES]!, batch * classes * count * 4);
  if (w[IOU]! >= 0) e.read(w[IOU]!, 4);
  if (w[SCORE]! >= 0) e.read(w[SCORE]!, 4);
  e.write(w[DST]!, batch * classes * limit * 24);
  e.write(w[TOTAL]!, 4);
  e.write(w[SCRATCH]!, count * 4);
}
