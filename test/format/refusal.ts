/** The small file with something wrong in it, sealed again, and what reading it says. */
import * as File from "../../format/file.ts";
import * as Opcode from "../../format/opcodes.ts";
import { FormatError } from "../../host/errors.ts";
import { readEqm } from "../../host/reader.ts";
import { decodeWords, encodeWords } from "../../host/varint.ts";
import { allSections, reseal, withSections } from "../support/reseal.ts";
import { scanner, smallFile } from "../support/small-model.ts";

export function refusal(bytes: Uint8Array): { readonly code: string; readonly message: string; readonly offset: number | undefined } {
  try {
    readEqm(bytes, scanner);
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    return { code: error.code, message: error.message, offset: error.offset };
  }
  throw new Error("the bytes were accepted");
}

/** The small file with one uint32 set and the hashes put right. */
export function withWord(byte: number, value: number): Uint8Array {
  const file = smallFile();
  new DataView(file.buffer).setUint32(byte, value, true);
  return reseal(file);
}

/** The small file with other metadata. */
export function withMetadata(change: (metadata: Record<string, unknown>) => unknown): Uint8Array {
  const sections = allSections(smallFile());
  const metadata = JSON.parse(Buffer.from(sections.get(File.METADATA)!).toString()) as Record<string, unknown>;
  const changed = change(metadata);
  const text = typeof changed === "string" ? changed : sortedJson(changed);
  return withSections(smallFile(), sections.set(File.METADATA, Buffer.from(text, "latin1")));
}

function sortedJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(sortedJson).join(",")}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  return `{${Object.entries(value)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, item]) => `${JSON.stringify(key)}:${sortedJson(item)}`)
    .join(",")}}`;
}

/** The small file with words of the plan or the constants table changed. */
export function withWords(kind: number, change: (words: Int32Array) => ArrayLike<number>): Uint8Array {
  const sections = allSections(smallFile());
  return withSections(smallFile(), sections.set(kind, encodeWords(change(decodeWords(sections.get(kind)!, 0, scanner)))));
}

/** One of the words, set. */
export const set = (index: number, value: number) => (words: Int32Array) => {
  words[index] = value;
  return words;
};

/** The plan's first opcode, TABLE_I8, exchanged with the last, FILL. */
export const exchangeEnds = (words: Int32Array) => set(5, Opcode.FILL)(set(5 + 9 + 23, Opcode.TABLE_I8)(words));
