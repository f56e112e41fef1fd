/**
 * Element types of tensors in a .eqm: the code stands in step words and tensor descriptors.
 *
 * float32, int8, uint8, int32, int64 and bool exist in memory while a model runs; every other ONNX type is converted or
 * refused at import. bool is one byte, 0 or 1. int64 is eight bytes, little endian.
 */

export const FLOAT32 = 1;
export const INT8 = 2;
export const UINT8 = 3;
export const INT32 = 4;
export const INT64 = 5;
export const BOOL = 6;

/** Bytes of one element of `dtype`, or 0 for a code that is none. */
export function elementBytes(dtype: i32): i32 {
  if (dtype == FLOAT32 || dtype == INT32) return 4;
  if (dtype == INT8 || dtype == UINT8 || dtype == BOOL) return 1;
  if (dtype == INT64) return 8;
  return 0;
}
