/** NON_ZERO: one pass to count, one to write. Every type is looked at as bits; of a float the sign is not. */
import { elementBytes, FLOAT32 } from "../../format/dtypes.ts";
import * as NonZero from "../../format/steps/non-zero.ts";
import { address, word } from "../words.ts";

export function nonZero(step: usize, data: usize): void {
  const src = address(step, NonZero.SRC, data);
  const dst = address(step, NonZero.DST, data);
  const rank = word(step, NonZero.RANK);
  const bytes = elementBytes(word(step, NonZero.DTYPE));
  const isFloat = word(step, NonZero.DTYPE) == FLOAT32;
  let count = 1;
  for (let i = 0; i < 6; i++) count *= word(step, NonZero.DIM0 + i);
  let total = 0;
  for (let i = 0; i < count; i++) total += <i32>isSet(src, i, bytes, isFloat);
  memory.fill(dst, 0, <usize>(count * rank) << 3);
  store<i32>(address(step, NonZero.TOTAL, data), total);
  let at = dst;
  for (let i = 0; i < count; i++) {
    if (!isSet(src, i, bytes, isFloat)) continue;
    let rest = i;
    for (let axis = rank - 1; axis >= 0; axis--) {
      const size = word(step, NonZero.DIM0 + axis);
      store<i64>(at + ((<usize>axis * <usize>total) << 3), <i64>(rest % size));
      rest /= size;
    }
    at += 8;
  }
}

function isSet(src: usize, i: i32, bytes: i32, isFloat: bool): bool {
  if (bytes == 1) return load<u8>(src + <usize>i) != 0;
  if (bytes == 8) return load<u64>(src + (<usize>i << 3)) != 0;
  const bits = load<u32>(src + (<usize>i << 2));
  return (isFloat ? bits << 1 : bits) != 0;
}
