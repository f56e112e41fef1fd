/** Tensors as the host and the compiler's users see them. */
import * as DTypeCode from "../format/dtypes.ts";

/** Element types that a running model's tensors can have. */
export type DType = "float32" | "int8" | "uint8" | "int32" | "int64" | "bool";

/** The typed array of each element type; bool is bytes of 0 and 1. */
export interface DTypeArrays {
  readonly float32: Float32Array;
  readonly int8: Int8Array;
  readonly uint8: Uint8Array;
  readonly int32: Int32Array;
  readonly int64: BigInt64Array;
  readonly bool: Uint8Array;
}

/** A typed array of any element type. */
export type TypedArray = DTypeArrays[DType];

/** A dense tensor, row-major. */
export interface Tensor {
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly data: TypedArray;
}

interface DTypeRow {
  readonly code: number;
  readonly bytes: number;
  readonly array: new (lengthOrBuffer: number | ArrayBufferLike, offset?: number, length?: number) => TypedArray;
}

const ROWS = {
  float32: { code: DTypeCode.FLOAT32, bytes: 4, array: Float32Array as DTypeRow["array"] },
  int8: { code: DTypeCode.INT8, bytes: 1, array: Int8Array as DTypeRow["array"] },
  uint8: { code: DTypeCode.UINT8, bytes: 1, array: Uint8Array as DTypeRow["array"] },
  int32: { code: DTypeCode.INT32, bytes: 4, array: Int32Array as DTypeRow["array"] },
  int64: { code: DTypeCode.INT64, bytes: 8, array: BigInt64Array as unknown as DTypeRow["array"] },
  bool: { code: DTypeCode.BOOL, bytes: 1, array: Uint8Array as DTypeRow["array"] },
} satisfies Record<DType, DTypeRow>;

/** All element types. */
export const DTYPES = Object.keys(ROWS) as readonly DType[];

/** The code that stands for `dtype` in a .eqm. */
export function dtypeCode(dtype: DType): number {
  return ROWS[dtype].code;
}

/** Bytes of one element. */
export function dtypeBytes(dtype: DType): number {
  return ROWS[dtype].bytes;
}

/** A new array of `length` zeros. */
export function newArray<T extends DType>(dtype: T, length: number): DTypeArrays[T] {
  return new ROWS[dtype].array(length) as DTypeArrays[T];
}

/** A view of `length` elements at byte `offset` of `buffer`; the offset must be a multiple of the element's bytes. */
export function viewArray<T extends DType>(dtype: T, buffer: ArrayBufferLike, offset: number, length: number): DTypeArrays[T] {
  return new ROWS[dtype].array(buffer, offset, length) as DTypeArrays[T];
}

/** Number of elements of a shape; 1 for a scalar. */
export function elementCount(shape: readonly number[]): number {
  let n = 1;
  for (const d of shape) n *= d;
  return n;
}

/** Whether two shapes are one. */
export function sameShape(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((dimension, i) => dimension === b[i]);
}

const DTYPE_OF_TAG = new Map<string, DType>([
  ["Float32Array", "float32"],
  ["Int8Array", "int8"],
  ["Uint8Array", "uint8"],
  ["Int32Array", "int32"],
  ["BigInt64Array", "int64"],
]);

/** The class that a value says it is of: unlike instanceof, the same for values of another realm (frames, vm contexts, test environments). */
export function tagOf(value: unknown): string {
  return Object.prototype.toString.call(value).slice(8, -1);
}

/** The element type that a typed array stands for by itself; undefined for anything else. */
export function dtypeOfArray(array: unknown): DType | undefined {
  return DTYPE_OF_TAG.get(tagOf(array));
}

/** Whether a value has the form of a Tensor rather than of a typed array. */
export function isTensor(value: unknown): value is Tensor {
  return typeof value === "object" && value !== null && "data" in value && "shape" in value && Array.isArray(value.shape);
}
