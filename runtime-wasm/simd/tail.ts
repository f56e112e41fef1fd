/** Stores of fewer bytes than a vector has, for the last channels of a pixel or the last elements of a run. */

/** Stores the low `count` bytes (0 to 7) of `bits`. */
export function storeTail(out: usize, bits: u64, count: i32): void {
  if (count & 4) {
    store<u32>(out, <u32>bits);
    bits >>= 32;
    out += 4;
  }
  if (count & 2) {
    store<u16>(out, <u16>bits);
    bits >>= 16;
    out += 2;
  }
  if (count & 1) store<u8>(out, <u8>bits);
}

/** Stores `count` bytes (1 to 8) of the low half of `bytes`. */
// @ts-ignore: decorator
@inline
export function storeUpTo8(out: usize, bytes: v128, count: i32): void {
  if (count >= 8) v128.store_lane<i64>(out, bytes, 0);
  else storeTail(out, i64x2.extract_lane(bytes, 0), count);
}

/** Stores the first `count` (1 to 4, or more for 4) float32 lanes. */
// @ts-ignore: decorator
@inline
export function storeFloats(out: usize, x: v128, count: i32): void {
  if (count >= 4) {
    v128.store(out, x);
  } else {
    v128.store_lane<i32>(out, x, 0);
    if (count > 1) v128.store_lane<i32>(out, x, 1, 4);
    if (count > 2) v128.store_lane<i32>(out, x, 2, 8);
  }
}
