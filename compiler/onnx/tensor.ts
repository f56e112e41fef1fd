/**
 * TensorProto to tensors: raw data, every typed field, external data.
 *
 * float16, bfloat16 and double become float32; int16 and uint16 int32; uint32 and uint64 int64; int4 and uint4 int8 and uint8. Nothing is allocated before the bytes that are
 * there are known to match the shape.
 */
import { type DType, newArray, type Tensor, type TypedArray } from "../../host/tensor.ts";
import { type DataType, dataType, dataTypeName } from "./data-types.ts";
import { badExternalData, badTensor } from "./errors.ts";
import { checkLocation, type ExternalData } from "./external-location.ts";
import type { Int64, Message } from "./fields.ts";
import { bfloat16, float16 } from "./small-floats.ts";
import { varints, varints64 } from "./varints.ts";

type TensorProto = Message<"TensorProto">;

/** No tensor of a model file is larger than its format can hold. */
const MAX_ELEMENTS = 2 ** 31 - 1;

/** Types that initializers may have though nothing is computed in them, two elements to a byte, and what holds them. */
const FOUR_BITS: Readonly<Record<string, "int8" | "uint8">> = { INT4: "int8", UINT4: "uint8" };

/** Why eqm cannot hold an initializer of this element type, or null where it can. */
export function refusedInitializer(code: number): string | null {
  return Object.hasOwn(FOUR_BITS, dataTypeName(code)) ? null : refusedType(code);
}

/** Why eqm cannot compute with a tensor of this element type, or null where it can. */
export function refusedType(code: number): string | null {
  const type = dataType(code);
  return type?.dtype ? null : `${dataTypeName(code)}, which eqm does not compute with`;
}

/**
 * Decodes a tensor whose type `refusedInitializer` lets pass.
 *
 * Errors: `bad-tensor` where bytes and shape disagree or a value is out of range, `external-data`.
 */
export function readTensor(proto: TensorProto, externalData?: ExternalData): Tensor {
  const name = proto.name ?? "";
  const code = proto.dataType ?? 0;
  const type = dataType(code);
  const small = type ? FOUR_BITS[type.name] : undefined;
  if (!type || (!type.dtype && !small)) throw badTensor(name, `has the unknown element type ${code}`);
  if (proto.segment) throw badTensor(name, "is stored in segments, which ONNX has dropped");
  const shape = proto.dims.map((dim) => checkedDimension(name, dim));
  const count = shape.reduce((product, dim) => product * dim, 1);
  if (!(count <= MAX_ELEMENTS)) throw badTensor(name, `has the shape [${shape.join(", ")}], more elements than a file can hold`);
  if (small) return { dtype: small, shape, data: readFourBits(proto, name, count, small, externalData) };
  return { dtype: type.dtype!, shape, data: readElements(proto, type, name, count, externalData) };
}

function checkedDimension(name: string, dim: Int64): number {
  if (dim < 0 || dim > MAX_ELEMENTS) throw badTensor(name, `has a dimension of ${dim}`);
  return Number(dim);
}

function readElements(proto: TensorProto, type: DataType, name: string, count: number, externalData: ExternalData | undefined): TypedArray {
  if (proto.dataLocation === 1) return fromRaw(externalBytes(proto, name, count * type.bytes, externalData), type, name);
  const raw = proto.rawData;
  if (raw && (raw.length > 0 || !hasTypedData(proto))) {
    if (raw.length !== count * type.bytes) throw badTensor(name, `has ${raw.length} bytes where its shape takes ${count * type.bytes}`);
    return fromRaw(raw, type, name);
  }
  return fromTyped(proto, type, name, count);
}

/** Two elements to a byte, the first in the low half; in raw data or, a byte to each, in int32_data. */
function readFourBits(
  proto: TensorProto,
  name: string,
  count: number,
  dtype: "int8" | "uint8",
  externalData: ExternalData | undefined,
): TypedArray {
  const length = Math.ceil(count / 2);
  const bytes = fourBitBytes(proto, name, length, externalData);
  if (bytes.length !== length) throw badTensor(name, `has ${bytes.length} bytes where its shape takes ${length}`);
  const data = newArray(dtype, count) as Int8Array | Uint8Array;
  for (let i = 0; i < count; i++) {
    const half = (bytes[i >> 1]! >> ((i & 1) * 4)) & 15;
    data[i] = dtype === "int8" ? (half << 28) >> 28 : half;
  }
  return data;
}

function fourBitBytes(proto: TensorProto, name: string, length: number, externalData: ExternalData | undefined): ArrayLike<number> {
  if (proto.dataLocation === 1) return externalBytes(proto, name, length, externalData);
  const raw = proto.rawData;
  if (raw && (raw.length > 0 || !hasTypedData(proto))) return raw;
  const bytes = varints(proto.int32Data, length, name);
  for (const byte of bytes) if (byte < -128 || byte > 255) throw badTensor(name, `has the value ${byte}, which is no byte`);
  return bytes;
}

function hasTypedData(proto: TensorProto): boolean {
  return [proto.floatData, proto.int32Data, proto.int64Data, proto.doubleData, proto.uint64Data].some((runs) => runs.length > 0);
}

function externalBytes(proto: TensorProto, name: string, expected: number, externalData: ExternalData | undefined): Uint8Array {
  const entry = (key: string): string | undefined => proto.externalData.find((pair) => pair.key === key)?.value;
  const location = entry("location") ?? "";
  checkLocation(location);
  const offset = naturalNumber(entry("offset") ?? "0");
  const length = naturalNumber(entry("length") ?? String(expected));
  if (offset === null || length === null)
    throw badExternalData(location, `at an offset or with a length that is no number (tensor "${name}").`);
  if (length !== expected)
    throw badExternalData(location, `${length} bytes of it for the tensor "${name}", whose shape takes ${expected}.`);
  if (expected === 0) return new Uint8Array(0);
  if (!externalData) throw badExternalData(location, "and no way to read it was given. Keep it beside the model, or pass `externalData`.");
  const bytes = externalData(location, offset, expected);
  if (bytes.length !== expected)
    throw badExternalData(location, `which gave ${bytes.length} bytes instead of ${expected} at ${offset} (tensor "${name}").`);
  return bytes;
}

function naturalNumber(text: string): number | null {
  const value = /^[0-9]{1,16}$/.test(text) ? Number(text) : Number.NaN;
  return Number.isSafeInteger(value) ? value : null;
}

/** `raw` is little-endian and holds whole elements. */
function fromRaw(raw: Uint8Array, type: DataType, name: string): TypedArray {
  const count = raw.length / type.bytes;
  const aligned = new Uint8Array(raw);
  const view = <T>(array: new (buffer: ArrayBufferLike, offset: number, length: number) => T): T =>
    new array(aligned.buffer, aligned.byteOffset, count);
  switch (type.name) {
    case "FLOAT":
      return view(Float32Array);
    case "INT8":
      return view(Int8Array);
    case "UINT8":
      return view(Uint8Array);
    case "INT32":
      return view(Int32Array);
    case "INT64":
      return view(BigInt64Array);
    case "BOOL":
      return aligned.map((byte) => (byte === 0 ? 0 : 1));
    case "INT16":
      return Int32Array.from(view(Int16Array));
    case "UINT16":
      return Int32Array.from(view(Uint16Array));
    case "DOUBLE":
      return Float32Array.from(view(Float64Array));
    case "FLOAT16":
      return Float32Array.from(view(Uint16Array), float16);
    case "BFLOAT16":
      return Float32Array.from(view(Uint16Array), bfloat16);
    case "UINT32":
      return BigInt64Array.from(view(Uint32Array), BigInt);
    case "UINT64":
      return signed64(view(BigUint64Array), name);
    default:
      throw new Error(`unreachable: raw data of ${type.name}`);
  }
}

function signed64(values: BigUint64Array, name: string): BigInt64Array {
  for (const value of values) if (value >= 1n << 63n) throw badTensor(name, `has the value ${value}, beyond what an int64 holds`);
  return new BigInt64Array(values.buffer, values.byteOffset, values.length);
}

/** Types whose elements stand in int32_data, with the least and the greatest that an element may be. */
const IN_INT32: Readonly<Record<string, readonly [number, number]>> = {
  INT32: [-(2 ** 31), 2 ** 31 - 1],
  INT16: [-32768, 32767],
  UINT16: [0, 65535],
  INT8: [-128, 127],
  UINT8: [0, 255],
  BOOL: [0, 1],
  FLOAT16: [0, 65535],
  BFLOAT16: [0, 65535],
};

function fromTyped(proto: TensorProto, type: DataType, name: string, count: number): TypedArray {
  switch (type.name) {
    case "FLOAT":
      return fromRaw(joined(proto.floatData, name, count, 4), type, name);
    case "DOUBLE":
      return fromRaw(joined(proto.doubleData, name, count, 8), type, name);
    case "INT64":
      return varints64(proto.int64Data, count, name);
    case "UINT32":
    case "UINT64":
      return signed64(new BigUint64Array(varints64(proto.uint64Data, count, name).buffer), name);
    default:
      return fromInt32(varints(proto.int32Data, count, name), type, name, type.dtype!);
  }
}

function joined(runs: readonly Uint8Array[], name: string, count: number, elementBytes: number): Uint8Array {
  const length = runs.reduce((sum, run) => sum + run.length, 0);
  if (length !== count * elementBytes) throw badTensor(name, `has ${length / elementBytes} elements where its shape takes ${count}`);
  const whole = new Uint8Array(length);
  let at = 0;
  for (const run of runs) {
    whole.set(run, at);
    at += run.length;
  }
  return whole;
}

function fromInt32(values: Int32Array, type: DataType, name: string, dtype: DType): TypedArray {
  const [least, most] = IN_INT32[type.name]!;
  for (const value of values) if (value < least || value > most) throw badTensor(name, `has the value ${value}, which is no ${type.name}`);
  if (type.name === "FLOAT16") return Float32Array.from(values, float16);
  if (type.name === "BFLOAT16") return Float32Array.from(values, bfloat16);
  if (dtype === "int32") return values;
  const array = newArray(dtype, values.length) as Int8Array | Uint8Array;
  array.set(values);
  return array;
}
