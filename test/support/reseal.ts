/** Gives a changed file valid hashes again, so that tests reach what lies behind them. */
import * as File from "../../format/file.ts";
import { scanner } from "./small-model.ts";

/** Recomputes the hashes of all sections and of the header in place, as far as the table can be read. */
export function reseal(bytes: Uint8Array): Uint8Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const count = view.getUint32(File.HEADER_SECTIONS * 4, true);
  const tableEnd = File.HEADER_BYTES + count * File.SECTION_BYTES;
  if (count > File.MAX_SECTIONS || tableEnd > bytes.length) return bytes;
  const put = (at: number, content: Uint8Array) => {
    const { low, high } = scanner.digest(content);
    view.setUint32(at, low, true);
    view.setUint32(at + 4, high, true);
  };
  for (let row = File.HEADER_BYTES; row < tableEnd; row += File.SECTION_BYTES) {
    const offset = view.getUint32(row + File.SECTION_OFFSET * 4, true);
    const length = view.getUint32(row + File.SECTION_LENGTH * 4, true);
    if (offset + length <= bytes.length) put(row + File.SECTION_HASH_LOW * 4, bytes.subarray(offset, offset + length));
  }
  const covered = new Uint8Array(File.HEADER_HASH_LOW * 4 + tableEnd - File.HEADER_BYTES);
  covered.set(bytes.subarray(0, File.HEADER_HASH_LOW * 4));
  covered.set(bytes.subarray(File.HEADER_BYTES, tableEnd), File.HEADER_HASH_LOW * 4);
  put(File.HEADER_HASH_LOW * 4, covered);
  return bytes;
}

/** A section of a sound file, as a view into it. */
export function sectionOf(bytes: Uint8Array, kind: number): Uint8Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  for (let i = 0; i < view.getUint32(File.HEADER_SECTIONS * 4, true); i++) {
    const row = File.HEADER_BYTES + i * File.SECTION_BYTES;
    if (view.getUint32(row + File.SECTION_KIND * 4, true) !== kind) continue;
    const offset = view.getUint32(row + File.SECTION_OFFSET * 4, true);
    return bytes.subarray(offset, offset + view.getUint32(row + File.SECTION_LENGTH * 4, true));
  }
  throw new Error(`the file has no section ${kind}`);
}

/** A file with the same header but for what follows from the sections, which are given by kind. */
export function withSections(bytes: Uint8Array, sections: ReadonlyMap<number, Uint8Array>): Uint8Array {
  const tableEnd = File.HEADER_BYTES + sections.size * File.SECTION_BYTES;
  let end = tableEnd;
  const placed = [...sections].map(([kind, content]) => {
    const offset = Math.ceil(end / File.SECTION_ALIGNMENT) * File.SECTION_ALIGNMENT;
    end = offset + content.length;
    return { kind, content, offset };
  });
  const file = new Uint8Array(end);
  file.set(bytes.subarray(0, File.HEADER_BYTES));
  const view = new DataView(file.buffer);
  view.setUint32(File.HEADER_FILE_BYTES * 4, end, true);
  view.setUint32(File.HEADER_SECTIONS * 4, sections.size, true);
  for (const [i, { kind, content, offset }] of placed.entries()) {
    const row = File.HEADER_BYTES + i * File.SECTION_BYTES;
    view.setUint32(row + File.SECTION_KIND * 4, kind, true);
    view.setUint32(row + File.SECTION_OFFSET * 4, offset, true);
    view.setUint32(row + File.SECTION_LENGTH * 4, content.length, true);
    file.set(content, offset);
  }
  return reseal(file);
}

/** All sections of a sound file by kind. */
export function allSections(bytes: Uint8Array): Map<number, Uint8Array> {
  const kinds = [File.METADATA, File.CONSTANTS_TABLE, File.CONSTANTS, File.PLAN];
  return new Map(kinds.map((kind) => [kind, sectionOf(bytes, kind).slice()]));
}
