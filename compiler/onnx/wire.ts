/**
 * Reads and writes ONNX's protobuf messages by the tables of fields.ts, on the wire reader and writer of protobufjs.
 *
 * Reading takes any bytes: it ends in a message or in a `malformed-onnx` or `too-large` error that names the offset. Depth and the number of
 * messages are capped, memory is proportional to the bytes read, tensor data stays where it is as views.
 */
import protobuf from "protobufjs/minimal.js";
import { CompileError } from "../errors.ts";
import { malformedOnnx, tooLarge } from "./errors.ts";
import { type Int64, MESSAGES, type Message, type MessageName } from "./fields.ts";

/** Messages in messages; protobuf's own limit. */
const MAX_DEPTH = 100;
/** Messages and byte strings of a file; models of 100,000 nodes have some 500,000. */
const MAX_MESSAGES = 2_000_000;

const VARINT = 0;
const FIXED64 = 1;
const LENGTH = 2;
const FIXED32 = 5;

type Reader = protobuf.Reader;
type Writer = protobuf.Writer;

interface Scalar {
  readonly wireType: number;
  readonly read: (reader: Reader) => unknown;
  readonly write: (writer: Writer, value: never) => void;
  /** Bytes of its own on the heap beside the file: counted. */
  readonly counted?: boolean;
  /** Elements stay encoded, one entry a run of them. */
  readonly packed?: boolean;
}

const bytes = (reader: Reader): Uint8Array => reader.bytes();
const writeBytes = (writer: Writer, value: Uint8Array): unknown => writer.bytes(value);

const SCALARS: Readonly<Record<string, Scalar>> = {
  int32: { wireType: VARINT, read: (r) => r.int32(), write: (w, value) => w.int32(value) },
  int64: { wireType: VARINT, read: readInt64, write: writeInt64 },
  float: { wireType: FIXED32, read: (r) => r.float(), write: (w, value) => w.float(value) },
  string: { wireType: LENGTH, read: (r) => r.string(), write: (w, value) => w.string(value) },
  bytes: { wireType: LENGTH, read: bytes, write: writeBytes, counted: true },
  packedFloat: { wireType: FIXED32, read: bytes, write: writeBytes, counted: true, packed: true },
  packedDouble: { wireType: FIXED64, read: bytes, write: writeBytes, counted: true, packed: true },
  packedVarint: { wireType: VARINT, read: bytes, write: writeBytes, counted: true, packed: true },
};

interface Field {
  readonly name: string;
  readonly id: number;
  readonly repeated: boolean;
  readonly scalar: Scalar | null;
  readonly message: MessageName;
}

interface Table {
  readonly fields: readonly Field[];
  readonly byId: ReadonlyMap<number, Field>;
  readonly empty: Readonly<Record<string, unknown>>;
}

const NOTHING: readonly never[] = Object.freeze([]);

const TABLES = new Map(
  Object.entries(MESSAGES).map(([message, rows]): [string, Table] => {
    const fields = Object.entries(rows as Readonly<Record<string, readonly [number, string]>>).map(([name, [id, kind]]): Field => {
      const element = kind.replace("[]", "");
      return { name, id, repeated: kind !== element, scalar: SCALARS[element] ?? null, message: element as MessageName };
    });
    const empty = Object.fromEntries(fields.map(({ name, repeated }) => [name, repeated ? NOTHING : undefined]));
    return [message, { fields, byId: new Map(fields.map((field) => [field.id, field])), empty }];
  }),
);

/** Decodes a message. Byte fields are views of `data`. Errors: `malformed-onnx`, `too-large`. */
export function readMessage<N extends MessageName>(name: N, data: Uint8Array): Message<N> {
  const view = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  const reader = protobuf.Reader.create(view);
  try {
    return readInto({ ...table(name).empty }, table(name), reader, 1, { messages: 0 }) as Message<N>;
  } catch (error) {
    if (error instanceof CompileError) throw error;
    throw malformedOnnx(reason(error), reader.pos);
  }
}

function table(name: MessageName): Table {
  return TABLES.get(name)!;
}

function reason(error: unknown): string {
  if (error instanceof RangeError) return "it ends in the middle of a field, or a length reaches beyond its end";
  return error instanceof Error ? error.message : String(error);
}

function readInto(target: Record<string, unknown>, { byId }: Table, reader: Reader, depth: number, count: { messages: number }): unknown {
  while (reader.pos < reader.len) {
    const start = reader.pos;
    const tag = reader.tag();
    const wireType = tag & 7;
    const id = tag >>> 3;
    const field = byId.get(id);
    if (!field) {
      if (id === 0 || (wireType !== VARINT && wireType !== FIXED64 && wireType !== LENGTH && wireType !== FIXED32)) {
        throw malformedOnnx(`no field of a model begins with the tag ${tag}`, start);
      }
      reader.skipType(wireType);
      continue;
    }
    const { scalar } = field;
    if ((!scalar || scalar.counted) && ++count.messages > MAX_MESSAGES) throw tooLarge("messages", MAX_MESSAGES, start);
    const expected = scalar ? scalar.wireType : LENGTH;
    if (wireType !== expected && !(scalar && field.repeated && wireType === LENGTH)) {
      throw malformedOnnx(`the field ${field.name} has the wire type ${wireType} instead of ${expected}`, start);
    }
    if (!scalar) readChild(target, field, reader, depth, count);
    else if (!field.repeated) target[field.name] = scalar.read(reader);
    else if (scalar.packed) append(target, field.name, wireType === LENGTH ? reader.bytes() : encodedElement(reader, wireType));
    else if (wireType === scalar.wireType) append(target, field.name, scalar.read(reader));
    else readPacked(target, field.name, scalar, reader);
  }
  return target;
}

/** A message that is given twice is merged, as protobuf says. */
function readChild(target: Record<string, unknown>, field: Field, reader: Reader, depth: number, count: { messages: number }): void {
  if (depth >= MAX_DEPTH) throw tooLarge("nested messages", MAX_DEPTH, reader.pos);
  const child = table(field.message);
  const before = field.repeated ? undefined : target[field.name];
  const message = (before as Record<string, unknown> | undefined) ?? { ...child.empty };
  within(reader, () => readInto(message, child, reader, depth + 1, count));
  if (field.repeated) append(target, field.name, message);
  else target[field.name] = message;
}

function readPacked(target: Record<string, unknown>, name: string, scalar: Scalar, reader: Reader): void {
  within(reader, () => {
    while (reader.pos < reader.len) append(target, name, scalar.read(reader));
  });
}

/** Runs `read` with the reader's end set to that of the length-delimited field that begins here. */
function within(reader: Reader, read: () => void): void {
  const start = reader.pos;
  const length = reader.size();
  const outerEnd = reader.len;
  const end = reader.pos + length;
  if (end > outerEnd) throw malformedOnnx(`a field of ${length} bytes reaches beyond the end of what contains it`, start);
  reader.len = end;
  read();
  reader.len = outerEnd;
}

function encodedElement(reader: Reader, wireType: number): Uint8Array {
  const start = reader.pos;
  reader.skipType(wireType);
  return reader.buf.subarray(start, reader.pos);
}

function append(target: Record<string, unknown>, name: string, value: unknown): void {
  const list = target[name] as unknown[];
  if ((list as unknown) === NOTHING) target[name] = [value];
  else list.push(value);
}

function readInt64(reader: Reader): Int64 {
  const { low, high } = reader.int64();
  if (high >= -0x200000 && high < 0x200000) return high * 0x1_0000_0000 + (low >>> 0);
  return (BigInt(high) << 32n) | BigInt(low >>> 0);
}

function writeInt64(writer: Writer, value: Int64): unknown {
  const bits = BigInt.asIntN(64, BigInt(value));
  const long = { low: Number(BigInt.asIntN(32, bits)), high: Number(bits >> 32n), unsigned: false };
  return writer.int64(long as unknown as Parameters<Writer["int64"]>[0]);
}

/** The fields of a message that are to be written; what is left out is not written. */
export type Draft<N extends MessageName> = { readonly [F in keyof Message<N>]?: DraftField<Message<N>[F]> };
type DraftField<T> = T extends readonly (infer E)[]
  ? readonly DraftField<E>[]
  : T extends Uint8Array | number | bigint | string | undefined
    ? T
    : DraftMessage<T>;
type DraftMessage<T> = { readonly [F in keyof T]?: DraftField<T[F]> };

/** Encodes a message, fields in the table's order: the same draft gives the same bytes. Packed fields take encoded bytes. */
export function writeMessage<N extends MessageName>(name: N, draft: Draft<N>): Uint8Array {
  const writer = new protobuf.Writer();
  writeFields(writer, table(name), draft as Readonly<Record<string, unknown>>);
  const written = writer.finish();
  return new Uint8Array(written.buffer, written.byteOffset, written.byteLength);
}

function writeFields(writer: Writer, { fields }: Table, draft: Readonly<Record<string, unknown>>): void {
  for (const field of fields) {
    const value = draft[field.name];
    if (value === undefined) continue;
    const { scalar } = field;
    for (const element of field.repeated ? (value as readonly unknown[]) : [value]) {
      if (!scalar) {
        writer.uint32((field.id << 3) | LENGTH).fork();
        writeFields(writer, table(field.message), element as Readonly<Record<string, unknown>>);
        writer.ldelim();
      } else {
        writer.uint32((field.id << 3) | (scalar.packed ? LENGTH : scalar.wireType));
        scalar.write(writer, element as never);
      }
    }
  }
}

/** The text of an UTF-8 byte string; malformed sequences become U+FFFD. */
export function utf8Text(text: Uint8Array): string {
  return protobuf.util.utf8.read(text, 0, text.length);
}

/** The UTF-8 bytes of a text. */
export function utf8Bytes(text: string): Uint8Array {
  const encoded = new Uint8Array(protobuf.util.utf8.length(text));
  protobuf.util.utf8.write(text, encoded, 0);
  return encoded;
}
