/**
 * CUMULATE: running sums or products along an axis, [OUTER][COUNT][INNER] of float32, int32 or int64: y[i] = x[0] ∘ … ∘ x[i], in this order.
 *
 *   EXCLUSIVE 1 leaves out x[i] itself; REVERSE 1 runs from the end. Integers wrap.
 */
import { elementBytes, FLOAT32, INT32, INT64 } from "../dtypes.ts";
import { Extents } from "../extents.ts";

export const SRC = 2;
export const DST = 3;
export const OP = 4;
export const DTYPE = 5;
export const OUTER = 6;
export const COUNT = 7;
export const INNER = 8;
export const EXCLUSIVE = 9;
export const REVERSE = 10;
export const WORDS = 11;

export const SUM = 1;
export const PRODUCT = 2;

/** What the step touches. */
export function extents(w: Int32Array, e: Extents): void {
  const dtype = w[DTYPE]!;
  const bytes = w[OUTER]! * w[COUNT]! * w[INNER]! * elementBytes(dtype);
  e.check(dtype === FLOAT32 || dtype === INT32 || dtype === INT64, "the type is float32, int32 or int64");
  e.check(w[OP]! === SUM || w[OP]! === PRODUCT, "OP is SUM or PRODUCT");
  e.check(w[OUTER]! > 0 && w[COUNT]! > 0 && w[INNER]! > 0, "sizes are positive");
  e.read(w[SRC]!, bytes);
  e.write(w[DST]!, bytes);
}
