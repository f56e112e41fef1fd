/** ONNX's element types (TensorProto.DataType): what they are called, and what becomes of them here. */
import type { DType } from "../../host/tensor.ts";

/** An element type of ONNX. */
export interface DataType {
  readonly name: string;
  /** The element type of eqm that holds it, or null where eqm does not compute with it. */
  readonly dtype: DType | null;
  /** Whether every value survives in `dtype`; else it is rounded, or refused where out of range. */
  readonly exact: boolean;
  /** Bytes of an element in raw_data; 0 where elements are smaller than a byte or have no fixed size. */
  readonly bytes: number;
}

const DATA_TYPES: readonly (DataType | null)[] = [
  null,
  { name: "FLOAT", dtype: "float32", exact: true, bytes: 4 },
  { name: "UINT8", dtype: "uint8", exact: true, bytes: 1 },
  { name: "INT8", dtype: "int8", exact: true, bytes: 1 },
  { name: "UINT16", dtype: "int32", exact: true, bytes: 2 },
  { name: "INT16", dtype: "int32", exact: true, bytes: 2 },
  { name: "INT32", dtype: "int32", exact: true, bytes: 4 },
  { name: "INT64", dtype: "int64", exact: true, bytes: 8 },
  { name: "STRING", dtype: null, exact: false, bytes: 0 },
  { name: "BOOL", dtype: "bool", exact: true, bytes: 1 },
  { name: "FLOAT16", dtype: "float32", exact: true, bytes: 2 },
  { name: "DOUBLE", dtype: "float32", exact: false, bytes: 8 },
  { name: "UINT32", dtype: "int64", exact: true, bytes: 4 },
  { name: "UINT64", dtype: "int64", exact: false, bytes: 8 },
  { name: "COMPLEX64", dtype: null, exact: false, bytes: 8 },
  { name: "COMPLEX128", dtype: null, exact: false, bytes: 16 },
  { name: "BFLOAT16", dtype: "float32", exact: true, bytes: 2 },
  { name: "FLOAT8E4M3FN", dtype: null, exact: false, bytes: 1 },
  { name: "FLOAT8E4M3FNUZ", dtype: null, exact: false, bytes: 1 },
  { name: "FLOAT8E5M2", dtype: null, exact: false, bytes: 1 },
  { name: "FLOAT8E5M2FNUZ", dtype: null, exact: false, bytes: 1 },
  { name: "UINT4", dtype: null, exact: false, bytes: 0 },
  { name: "INT4", dtype: null, exact: false, bytes: 0 },
  { name: "FLOAT4E2M1", dtype: null, exact: false, bytes: 0 },
  { name: "FLOAT8E8M0", dtype: null, exact: false, bytes: 1 },
  { name: "UINT2", dtype: null, exact: false, bytes: 0 },
  { name: "INT2", dtype: null, exact: false, bytes: 0 },
];

const CODES = {
  float32: 1,
  uint8: 2,
  int8: 3,
  int32: 6,
  int64: 7,
  bool: 9,
} as const satisfies Record<DType, number>;

/** The element type of a code, or null where there is none. */
export function dataType(code: number): DataType | null {
  return DATA_TYPES[code] ?? null;
}

/** What a code is called: "INT4", or "element type 99" where ONNX has none. */
export function dataTypeName(code: number): string {
  return dataType(code)?.name ?? `element type ${code}`;
}

/** The code of the type that has this name, or 0. */
export function dataTypeCode(name: string): number {
  return Math.max(
    0,
    DATA_TYPES.findIndex((type) => type?.name === name),
  );
}

/** ONNX's code of an element type. */
export function onnxCode(dtype: DType): number {
  return CODES[dtype];
}
