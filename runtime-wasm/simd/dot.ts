/** The integer dot product that every int8 kernel is built from. */

/** accumulator + Σ over adjacent pairs of a·b: int16 in eight lanes to int32 in four. */
// @ts-ignore: decorator
@inline
export function dotAdd(accumulator: v128, a: v128, b: v128): v128 {
  return i32x4.add(accumulator, i32x4.dot_i16x8_s(a, b));
}

/** The low four int16 of a and b, interleaved: a0 b0 a1 b1 a2 b2 a3 b3. */
// @ts-ignore: decorator
@inline
export function interleaveLow(a: v128, b: v128): v128 {
  return v128.shuffle<i16>(a, b, 0, 8, 1, 9, 2, 10, 3, 11);
}

/** The high four int16 of a and b, interleaved: a4 b4 a5 b5 a6 b6 a7 b7. */
// @ts-ignore: decorator
@inline
export function interleaveHigh(a: v128, b: v128): v128 {
  return v128.shuffle<i16>(a, b, 4, 12, 5, 13, 6, 14, 7, 15);
}
