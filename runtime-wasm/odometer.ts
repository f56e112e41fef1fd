/** Counts through the outer five of a step's six dimensions, row by row. The digits stand in scratch(). */
import { scratch } from "./constants.ts";
import { word } from "./words.ts";

const OUTER: i32 = 5;

/** Sets all digits to 0. */
export function clearOdometer(): void {
  memory.fill(scratch(), 0, OUTER * 4);
}

/** Elements from the start of an operand to the current row; `strides` is the index of its first stride word. */
export function odometerOffset(step: usize, strides: i32): i32 {
  let offset = 0;
  for (let i = 0; i < OUTER; i++) offset += load<i32>(scratch() + (<usize>i << 2)) * word(step, strides + i);
  return offset;
}

/** Advances to the next row; false after the last. `dims` is the index of the first dimension's word. */
export function turnOdometer(step: usize, dims: i32): bool {
  for (let i = OUTER - 1; i >= 0; i--) {
    const digit = scratch() + (<usize>i << 2);
    const next = load<i32>(digit) + 1;
    if (next < word(step, dims + i)) {
      store<i32>(digit, next);
      return true;
    }
    store<i32>(digit, 0);
  }
  return false;
}
