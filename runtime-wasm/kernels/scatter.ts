/** SCATTER: every index is checked before anything is written. */
import { FLOAT32, INT32, INT64, INT8 } from "../../format/dtypes.ts";
import * as Scatter from "../../format/steps/scatter.ts";
import { INDEX_OUT_OF_RANGE, OK } from "../../format/status.ts";
import { address, word } from "../words.ts";

/** Returns OK or INDEX_OUT_OF_RANGE. */
export function scatter(step: usize, data: usize): i32 {
  const indices = address(step, Scatter.INDICES, data);
  const isWide = word(step, Scatter.INDEX_DTYPE) == INT64;
  const rows = word(step, Scatter.ROWS);
  for (let i = 0; i < word(step, Scatter.COUNT); i++) {
    const index = indexAt(indices, i, isWide);
    if (index < -(<i64>rows) || index >= <i64>rows) return INDEX_OUT_OF_RANGE;
  }
  switch (word(step, Scatter.DTYPE)) {
    case FLOAT32: change<f32>(step, data, indices, isWide, rows); break;
    case INT32: change<i32>(step, data, indices, isWide, rows); break;
    case INT64: change<i64>(step, data, indices, isWide, rows); break;
    case INT8: change<i8>(step, data, indices, isWide, rows); break;
    default: change<u8>(step, data, indices, isWide, rows);
  }
  return OK;
}

@inline
function indexAt(indices: usize, i: i32, isWide: bool): i64 {
  return isWide ? load<i64>(indices + (<usize>i << 3)) : <i64>load<i32>(indices + (<usize>i << 2));
}

function change<T>(step: usize, data: usize, indices: usize, isWide: bool, rows: i32): void {
  const dst = address(step, Scatter.DST, data);
  const op = word(step, Scatter.OP);
  const inner = word(step, Scatter.INNER);
  let update = address(step, Scatter.UPDATES, data);
  for (let i = 0; i < word(step, Scatter.COUNT); i++) {
    const index = <i32>indexAt(indices, i, isWide);
    let at = dst + <usize>(index < 0 ? index + rows : index) * <usize>inner * sizeof<T>();
    for (let j = inner; j > 0; j--) {
      store<T>(at, combined<T>(op, load<T>(at), load<T>(update)));
      at += sizeof<T>();
      update += sizeof<T>();
    }
  }
}

@inline
function combined<T>(op: i32, y: T, u: T): T {
  switch (op) {
    case Scatter.ADD: return <T>(y + u);
    case Scatter.MUL: return <T>(y * u);
    case Scatter.MAXIMUM: return u > y || u != u ? u : y;
    case Scatter.MINIMUM: return u < y || u != u ? u : y;
    default: return u;
  }
}
