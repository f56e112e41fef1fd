/**
 * Writes a .eqm: the mirror of host/reader.ts. The bytes depend on the program alone, and what is written has passed the
 * reader's own proof.
 */
import * as File from "../../format/file.ts";
import { packedBytes, RAW } from "../../format/packings.ts";
import { goldenJson } from "../../host/golden.ts";
import { writeJson } from "../../host/json.ts";
import { layoutsChecksum } from "../../host/layouts.ts";
import { programBytes } from "../../host/memory-layout.ts";
import { metadataJson } from "../../host/metadata.ts";
import { type Constant, canonicalBytes, type Plan, type Program, programsOf } from "../../host/program.ts";
import type { Digest, Scanner } from "../../host/scanner.ts";
import { encodeUtf8 } from "../../host/utf8.ts";
import { encodeWords } from "../../host/varint.ts";
import { verifyProgram } from "../../host/verify.ts";

interface Section {
  readonly kind: number;
  readonly bytes: Uint8Array;
}

/** The bytes of a program's file. Constants of equal bytes stand in it once. Throws FormatError where the program does not hold. */
export function emitFile(program: Program, scanner: Scanner): Uint8Array<ArrayBuffer> {
  verifyProgram(program);
  const { table, blob } = emitConstants(program.constants, scanner);
  const [first, ...others] = programsOf(program);
  const all = [first, ...others];
  const sections: Section[] = [
    { kind: File.METADATA, bytes: encodeUtf8(writeJson(metadataJson([first.metadata, ...others.map(({ metadata }) => metadata)]))) },
    { kind: File.CONSTANTS_TABLE, bytes: encodeWords(table) },
    { kind: File.CONSTANTS, bytes: blob },
    ...all.map(({ plan }) => ({ kind: File.PLAN, bytes: encodePlan(plan) })),
    ...all.flatMap(({ golden }, plan) => (golden ? [{ kind: File.GOLDEN, bytes: encodeUtf8(writeJson(goldenJson(golden, plan))) }] : [])),
  ];
  const layouts = layoutsChecksum(all.flatMap(({ plan }) => plan.steps)) as number;
  return assemble(sections, programBytes(program), layouts, scanner);
}

function encodePlan({ constantsBytes, arenaBytes, stagingBytes, steps }: Plan): Uint8Array {
  const words = steps.flatMap((step) => Array.from(step));
  return encodeWords([constantsBytes, arenaBytes, stagingBytes, steps.length, words.length, ...words]);
}

function emitConstants(constants: readonly Constant[], scanner: Scanner): { readonly table: number[]; readonly blob: Uint8Array } {
  const table: number[] = [constants.length];
  const pieces: { readonly offset: number; readonly bytes: Uint8Array }[] = [];
  const byDigest = new Map<string, { readonly offset: number; readonly bytes: Uint8Array }[]>();
  let end = 0;
  for (const constant of constants) {
    const { packing, p0, p1, p2, bytes, coding, address } = constant;
    const { low, high } = scanner.digest(bytes);
    const alike = byDigest.get(`${low} ${high}`) ?? [];
    let piece = alike.find((other) => equal(other.bytes, bytes));
    if (!piece) {
      piece = { offset: end, bytes };
      byDigest.set(`${low} ${high}`, [...alike, piece]);
      pieces.push(piece);
      end += bytes.length;
    }
    const packed = packedBytes(packing, canonicalBytes(constant), p0, p1, p2);
    table.push(packing, piece.offset, bytes.length, address, packed, coding?.encoding ?? RAW, p0, p1, p2);
  }
  const blob = new Uint8Array(end);
  for (const piece of pieces) blob.set(piece.bytes, piece.offset);
  return { table, blob };
}

function assemble(sections: readonly Section[], memory: number, layouts: number, scanner: Scanner): Uint8Array<ArrayBuffer> {
  const tableEnd = File.HEADER_BYTES + sections.length * File.SECTION_BYTES;
  let end = tableEnd;
  const placed = sections.map((section) => {
    const offset = Math.ceil(end / File.SECTION_ALIGNMENT) * File.SECTION_ALIGNMENT;
    end = offset + section.bytes.length;
    return { ...section, offset };
  });
  const file = new Uint8Array(end);
  const view = new DataView(file.buffer);
  const put = (byte: number, index: number, value: number) => view.setUint32(byte + index * 4, value, true);
  const putHash = (byte: number, index: number, { low, high }: Digest) => {
    put(byte, index, low);
    put(byte, index + 1, high);
  };
  for (const [i, { kind, bytes, offset }] of placed.entries()) {
    const row = File.HEADER_BYTES + i * File.SECTION_BYTES;
    put(row, File.SECTION_KIND, kind);
    put(row, File.SECTION_OFFSET, offset);
    put(row, File.SECTION_LENGTH, bytes.length);
    putHash(row, File.SECTION_HASH_LOW, scanner.digest(bytes));
    file.set(bytes, offset);
  }
  put(0, File.HEADER_MAGIC, File.MAGIC);
  put(0, File.HEADER_VERSION, File.VERSION);
  put(0, File.HEADER_FILE_BYTES, end);
  put(0, File.HEADER_SECTIONS, sections.length);
  put(0, File.HEADER_ABI, layouts);
  put(0, File.HEADER_MEMORY_BYTES, memory);
  scanner.begin();
  scanner.update(file.subarray(0, File.HEADER_HASH_LOW * 4));
  scanner.update(file.subarray(File.HEADER_BYTES, tableEnd));
  putHash(0, File.HEADER_HASH_LOW, scanner.end());
  return file;
}

function equal(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}
