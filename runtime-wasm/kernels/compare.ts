/** COMPARE: element by element; an odometer over the outer five dimensions, a plain loop over the innermost. */
import { BOOL, FLOAT32, INT32, INT64, INT8, UINT8 } from "../../format/dtypes.ts";
import * as Compare from "../../format/steps/compare.ts";
import { clearOdometer, odometerOffset, turnOdometer } from "../odometer.ts";
import { address, word } from "../words.ts";

export function compare(step: usize, data: usize): void {
  switch (word(step, Compare.DTYPE)) {
    case FLOAT32: compareRows<f32>(step, data); break;
    case INT32: compareRows<i32>(step, data); break;
    case INT64: compareRows<i64>(step, data); break;
    case INT8: compareRows<i8>(step, data); break;
    case UINT8:
    case BOOL: compareRows<u8>(step, data); break;
    default: unreachable();
  }
}

function compareRows<T>(step: usize, data: usize): void {
  const op = word(step, Compare.OP);
  const a = address(step, Compare.A, data);
  const b = address(step, Compare.B, data);
  let dst = address(step, Compare.DST, data);
  const count = word(step, Compare.DIM5);
  const strideA = <usize>(word(step, Compare.A_STRIDE5) * <i32>sizeof<T>());
  const strideB = <usize>(word(step, Compare.B_STRIDE5) * <i32>sizeof<T>());
  clearOdometer();
  do {
    let p = a + <usize>(odometerOffset(step, Compare.A_STRIDE0) * <i32>sizeof<T>());
    let q = b + <usize>(odometerOffset(step, Compare.B_STRIDE0) * <i32>sizeof<T>());
    for (let i = 0; i < count; i++) {
      store<u8>(dst + i, <u8>holds<T>(op, load<T>(p), load<T>(q)));
      p += strideA;
      q += strideB;
    }
    dst += count;
  } while (turnOdometer(step, Compare.DIM0));
}

function holds<T>(op: i32, a: T, b: T): bool {
  switch (op) {
    case Compare.EQUAL: return a == b;
    case Compare.LESS: return a < b;
    case Compare.GREATER: return a > b;
    case Compare.LESS_OR_EQUAL: return a <= b;
    case Compare.GREATER_OR_EQUAL: return a >= b;
    default: return a != b;
  }
}
