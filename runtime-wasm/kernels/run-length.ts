/**
 * Elements that an elementwise kernel handles in one call of its inner function. Engines switch to optimised code at a call: one call
 * over a whole image would spend the first inference in baseline code.
 */
export const RUN: i32 = 8192;
