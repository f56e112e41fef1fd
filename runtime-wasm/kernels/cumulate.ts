/** CUMULATE: one line after the other. */
import { FLOAT32, INT32 } from "../../format/dtypes.ts";
import * as Cumulate from "../../format/steps/cumulate.ts";
import { address, word } from "../words.ts";

export function cumulate(step: usize, data: usize): void {
  switch (word(step, Cumulate.DTYPE)) {
    case FLOAT32: cumulateLines<f32>(step, data); break;
    case INT32: cumulateLines<i32>(step, data); break;
    default: cumulateLines<i64>(step, data);
  }
}

function cumulateLines<T>(step: usize, data: usize): void {
  const count = word(step, Cumulate.COUNT);
  const inner = word(step, Cumulate.INNER);
  const isSum = word(step, Cumulate.OP) == Cumulate.SUM;
  const isExclusive = word(step, Cumulate.EXCLUSIVE) != 0;
  const isReverse = word(step, Cumulate.REVERSE) != 0;
  const stride = inner * <i32>sizeof<T>();
  let src = address(step, Cumulate.SRC, data);
  let dst = address(step, Cumulate.DST, data);
  for (let outer = word(step, Cumulate.OUTER); outer > 0; outer--) {
    for (let i = 0; i < inner; i++) {
      let total = isSum ? <T>0 : <T>1;
      let offset = i * <i32>sizeof<T>() + (isReverse ? (count - 1) * stride : 0);
      for (let left = count; left > 0; left--) {
        const x = load<T>(src + offset);
        const next = isSum ? <T>(total + x) : <T>(total * x);
        store<T>(dst + offset, isExclusive ? total : next);
        total = next;
        offset += isReverse ? -stride : stride;
      }
    }
    src += <usize>(count * stride);
    dst += <usize>(count * stride);
  }
}
