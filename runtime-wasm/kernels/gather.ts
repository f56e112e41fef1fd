/** GATHER: every index is checked before anything is written. */
import { INT64 } from "../../format/dtypes.ts";
import * as Gather from "../../format/steps/gather.ts";
import { INDEX_OUT_OF_RANGE, OK } from "../../format/status.ts";
import { address, word } from "../words.ts";
import { copyRun } from "./copy.ts";

/** Returns OK or INDEX_OUT_OF_RANGE. */
export function gather(step: usize, data: usize): i32 {
  const isWide = word(step, Gather.INDEX_DTYPE) == INT64;
  const indices = address(step, Gather.INDICES, data);
  const count = word(step, Gather.COUNT);
  const axis = word(step, Gather.AXIS);
  const bytes = word(step, Gather.INNER_BYTES);
  for (let i = 0; i < count; i++) {
    const index = indexAt(indices, i, isWide);
    if (index < -(<i64>axis) || index >= <i64>axis) return INDEX_OUT_OF_RANGE;
  }
  let src = address(step, Gather.SRC, data);
  let dst = address(step, Gather.DST, data);
  for (let outer = word(step, Gather.OUTER); outer > 0; outer--) {
    for (let i = 0; i < count; i++) {
      const index = <i32>indexAt(indices, i, isWide);
      copyRun(dst, src + <usize>(index < 0 ? index + axis : index) * <usize>bytes, bytes);
      dst += bytes;
    }
    src += <usize>axis * <usize>bytes;
  }
  return OK;
}

@inline
function indexAt(indices: usize, i: i32, isWide: bool): i64 {
  return isWide ? load<i64>(indices + (<usize>i << 3)) : <i64>load<i32>(indices + (<usize>i << 2));
}
