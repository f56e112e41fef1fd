/**
 * NumPy's array files (NEP 1, versions 1 to 3): all plain number types in either byte order, C and Fortran order.
 *
 *   "\x93NUMPY" major minor │ header bytes (u16 in version 1, else u32) │ a Python dict as text │ elements
 */
import { float16 } from "../../onnx/small-floats.ts";
import { badFile } from "../errors.ts";

/** Elements as read: float16 as float32, bool as bytes, all else as stored. */
export type Numbers =
  | Int8Array
  | Uint8Array
  | Int16Array
  | Uint16Array
  | Int32Array
  | Uint32Array
  | BigInt64Array
  | BigUint64Array
  | Float32Array
  | Float64Array;

/** NumPy's type, without byte order: u1, f2 and so on. */
export type NpyType = keyof typeof READERS;

/** An array's description, before its elements. */
export interface NpyHeader {
  readonly type: NpyType;
  readonly littleEndian: boolean;
  readonly fortranOrder: boolean;
  readonly shape: readonly number[];
  /** Where the elements begin. */
  readonly offset: number;
}

/** A whole array in C order. */
export interface NpyArray {
  readonly type: NpyType;
  readonly shape: readonly number[];
  readonly data: Numbers;
}

/** Longest header that is read; NumPy itself stops at 10,000 characters. */
export const MAX_HEADER_BYTES = 65_536;

interface Reader {
  readonly bytes: number;
  readonly make: (length: number) => Numbers;
  readonly read: (view: DataView, at: number, little: boolean) => number | bigint;
}

const READERS = {
  b1: { bytes: 1, make: (n) => new Uint8Array(n), read: (view, at) => (view.getUint8(at) === 0 ? 0 : 1) },
  i1: { bytes: 1, make: (n) => new Int8Array(n), read: (view, at) => view.getInt8(at) },
  u1: { bytes: 1, make: (n) => new Uint8Array(n), read: (view, at) => view.getUint8(at) },
  i2: { bytes: 2, make: (n) => new Int16Array(n), read: (view, at, little) => view.getInt16(at, little) },
  u2: { bytes: 2, make: (n) => new Uint16Array(n), read: (view, at, little) => view.getUint16(at, little) },
  i4: { bytes: 4, make: (n) => new Int32Array(n), read: (view, at, little) => view.getInt32(at, little) },
  u4: { bytes: 4, make: (n) => new Uint32Array(n), read: (view, at, little) => view.getUint32(at, little) },
  i8: { bytes: 8, make: (n) => new BigInt64Array(n), read: (view, at, little) => view.getBigInt64(at, little) },
  u8: { bytes: 8, make: (n) => new BigUint64Array(n), read: (view, at, little) => view.getBigUint64(at, little) },
  f2: { bytes: 2, make: (n) => new Float32Array(n), read: (view, at, little) => float16(view.getUint16(at, little)) },
  f4: { bytes: 4, make: (n) => new Float32Array(n), read: (view, at, little) => view.getFloat32(at, little) },
  f8: { bytes: 8, make: (n) => new Float64Array(n), read: (view, at, little) => view.getFloat64(at, little) },
} satisfies Record<string, Reader>;

/** Bytes of one stored element. */
export function npyTypeBytes(type: NpyType): number {
  return READERS[type].bytes;
}

/** Whether `bytes` begin like a .npy. */
export function isNpy(bytes: Uint8Array): boolean {
  return bytes.length >= 8 && String.fromCharCode(...bytes.subarray(0, 6)) === "\x93NUMPY";
}

/**
 * Reads the description of the array that starts at byte 0.
 *
 * @param start the file's first bytes, at least all of the header
 * @throws CompileError `bad-file`
 */
export function parseNpyHeader(start: Uint8Array, path: string): NpyHeader {
  if (!isNpy(start)) throw badFile(path, "it is no .npy file.");
  const view = new DataView(start.buffer, start.byteOffset, start.byteLength);
  const wide = (start[6] as number) > 1;
  const textStart = wide ? 12 : 10;
  if (start.length < textStart) throw badFile(path, "the .npy header is cut off.");
  const length = wide ? view.getUint32(8, true) : view.getUint16(8, true);
  if (length > MAX_HEADER_BYTES) throw badFile(path, `the .npy header claims ${length} bytes.`);
  if (start.length < textStart + length) throw badFile(path, "the .npy header is cut off.");
  const text = new TextDecoder().decode(start.subarray(textStart, textStart + length));
  const descr = /'descr'\s*:\s*'([<>|=])?([a-zA-Z]\d*)'/.exec(text);
  const order = /'fortran_order'\s*:\s*(True|False)/.exec(text)?.[1];
  const shape = /'shape'\s*:\s*\(([\d\s,L]*)\)/.exec(text)?.[1];
  if (order === undefined || shape === undefined) throw badFile(path, "the .npy header is not one that NumPy writes.");
  const type = descr?.[2];
  if (type === undefined || !Object.hasOwn(READERS, type)) {
    const shown = /'descr'\s*:\s*([^\n]{1,60}?),\s*'fortran/.exec(text)?.[1] ?? "of an unknown kind";
    throw badFile(path, `its elements are ${shown}; eqm reads ${Object.keys(READERS).join(", ")} (no objects, strings or records).`);
  }
  const dims = shape
    .split(",")
    .map((d) => d.replace("L", "").trim())
    .filter((d) => d !== "")
    .map(Number);
  if (!Number.isSafeInteger(dims.reduce((n, d) => n * d, 8))) throw badFile(path, `its shape ${dims.join("×")} is too large.`);
  return {
    type: type as NpyType,
    littleEndian: descr?.[1] !== ">",
    fortranOrder: order === "True",
    shape: dims,
    offset: textStart + length,
  };
}

/**
 * Elements from their stored bytes, in the order in which they lie.
 *
 * @param bytes a whole number of elements
 */
export function decodeElements(bytes: Uint8Array, type: NpyType, littleEndian: boolean): Numbers {
  const { bytes: size, make, read }: Reader = READERS[type];
  const length = bytes.length / size;
  const out = make(length);
  if (littleEndian && type !== "f2" && type !== "b1") {
    new Uint8Array(out.buffer).set(bytes);
    return out;
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let i = 0; i < length; i++) out[i] = read(view, i * size, littleEndian);
  return out;
}

/**
 * A whole .npy in C order.
 *
 * @throws CompileError `bad-file`
 */
export function decodeNpy(bytes: Uint8Array, path: string): NpyArray {
  const { type, littleEndian, fortranOrder, shape, offset } = parseNpyHeader(bytes, path);
  const count = shape.reduce((n, d) => n * d, 1);
  checkLength(path, bytes.length - offset, count * npyTypeBytes(type));
  const data = decodeElements(bytes.subarray(offset, offset + count * npyTypeBytes(type)), type, littleEndian);
  return { type, shape, data: fortranOrder && shape.length > 1 ? toCOrder(data, shape, READERS[type].make(count)) : data };
}

/** @throws CompileError `bad-file` unless as many bytes follow the header as the shape asks for */
export function checkLength(path: string, found: number, wanted: number): void {
  if (found !== wanted)
    throw badFile(
      path,
      `its shape asks for ${wanted} bytes of elements, but ${found} follow the header; the file is ${found < wanted ? "cut off" : "too long"}.`,
    );
}

function toCOrder(data: Numbers, shape: readonly number[], out: Numbers): Numbers {
  const strides = shape.map((_, axis) => shape.slice(0, axis).reduce((n, d) => n * d, 1));
  const index = shape.map(() => 0);
  for (let i = 0, from = 0; i < out.length; i++) {
    out[i] = data[from] as number | bigint;
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      from += strides[axis] as number;
      index[axis] = (index[axis] as number) + 1;
      if (index[axis] !== shape[axis]) break;
      from -= (index[axis] as number) * (strides[axis] as number);
      index[axis] = 0;
    }
  }
  return out;
}

/** A .npy (version 1, little endian, C order, elements at a multiple of 64 bytes). */
export function encodeNpy(type: NpyType, shape: readonly number[], data: ArrayBufferView): Uint8Array {
  const order = READERS[type].bytes === 1 ? "|" : "<";
  const dims = shape.length === 1 ? `${shape[0]},` : shape.join(", ");
  const dict = `{'descr': '${order}${type}', 'fortran_order': False, 'shape': (${dims}), }`;
  const offset = Math.ceil((10 + dict.length + 1) / 64) * 64;
  const out = new Uint8Array(offset + data.byteLength).fill(0x20, 10, offset);
  out.set([0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, 1, 0]);
  new DataView(out.buffer).setUint16(8, offset - 10, true);
  out.set(new TextEncoder().encode(dict), 10);
  out[offset - 1] = 0x0a;
  out.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), offset);
  return out;
}
