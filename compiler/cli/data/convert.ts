/** Numbers of one type as those of another, refused where the value would change by more than rounding to float32. */
import { type DType, newArray, type TypedArray } from "../../../host/tensor.ts";
import { badData } from "../errors.ts";
import type { Numbers } from "./npy.ts";

const LIMITS: Readonly<Record<Exclude<DType, "float32">, readonly [low: number, high: number]>> = {
  int8: [-128, 127],
  uint8: [0, 255],
  int32: [-2147483648, 2147483647],
  int64: [Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER],
  bool: [0, 1],
};

/**
 * `numbers` as an array of `dtype`; the same array where it is of that type already.
 *
 * @param what names the numbers in an error
 * @throws CompileError `bad-data` where a number is no whole number or out of range of an integer type
 */
export function convertNumbers(numbers: Numbers, dtype: DType, what: string): TypedArray {
  if (dtype === "float32")
    return numbers instanceof Float32Array ? numbers : Float32Array.from(numbers as ArrayLike<number | bigint>, Number);
  if (dtype === "int64" && numbers instanceof BigInt64Array) return numbers;
  const out = newArray(dtype, numbers.length);
  const [low, high] = LIMITS[dtype];
  for (let i = 0; i < numbers.length; i++) {
    const value = Number(numbers[i]);
    if (!Number.isInteger(value) || value < low || value > high)
      throw badData(`${what}: ${value} at position ${i} does not fit the model's ${dtype} input.`);
    out[i] = out instanceof BigInt64Array ? BigInt(value) : value;
  }
  return out;
}
