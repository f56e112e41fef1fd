/**
 * Reads a .eqm: any byte string becomes a proved program or a FormatError with a code and the byte at fault. Nothing is used
 * before it is checked, and nothing is allocated that the bytes at hand do not account for; the model's memory is only counted.
 *
 * Order: header, its hash, section table, padding, every section's hash, then the contents (docs/format.md).
 */
import * as File from "../format/file.ts";
import * as Packing from "../format/packings.ts";
import * as PlanWord from "../format/plan.ts";
import { codingOf, isCoding } from "./coding.ts";
import { type FormatCode, FormatError, hashMismatch, newerVersion, notEqm, otherLayouts, truncated } from "./errors.ts";
import { type Golden, goldenPlan, readGolden } from "./golden.ts";
import { type JsonValue, parseJson } from "./json.ts";
import { layoutsChecksum } from "./layouts.ts";
import { programBytes } from "./memory-layout.ts";
import { readMetadata } from "./metadata.ts";
import { type Constant, joinPrograms, type Plan, type Program } from "./program.ts";
import type { Digest, Scanner } from "./scanner.ts";
import { decodeUtf8 } from "./utf8.ts";
import { decodeWords, wordOffset } from "./varint.ts";
import { type Place, verifyProgram } from "./verify.ts";

/** A section of the file. */
interface Section {
  readonly kind: number;
  readonly offset: number;
  readonly bytes: Uint8Array;
}

/** Reads and proves a file. Throws FormatError. */
export function readEqm(bytes: Uint8Array, scanner: Scanner): Program {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  readHeader(bytes, view, scanner);
  const sections = readSections(bytes, view, scanner);
  const program = readProgram(sections, view.getUint32(File.HEADER_ABI * 4, true), scanner);
  const declared = view.getUint32(File.HEADER_MEMORY_BYTES * 4, true);
  const needed = programBytes(program);
  if (declared !== needed) {
    throw new FormatError(
      "memory-mismatch",
      `The header states ${declared} bytes of memory, the plan takes ${needed}.`,
      File.HEADER_MEMORY_BYTES * 4,
      {
        expected: needed,
        got: declared,
      },
    );
  }
  return program;
}

function readHeader(bytes: Uint8Array, view: DataView, scanner: Scanner): void {
  if (bytes.length < 4 || view.getUint32(0, true) !== File.MAGIC) {
    throw notEqm(
      bytes.length === 0
        ? "nothing, it is empty"
        : Array.from(bytes.subarray(0, 4), (byte) => byte.toString(16).padStart(2, "0")).join(" "),
    );
  }
  if (bytes.length < File.HEADER_BYTES) throw truncated(bytes.length, File.HEADER_BYTES, bytes.length);
  const word = (index: number) => view.getUint32(index * 4, true);
  const version = word(File.HEADER_VERSION);
  if (version > File.VERSION) throw newerVersion(version, File.HEADER_VERSION * 4);
  if (version !== File.VERSION) throw new FormatError("bad-header", `There is no format version ${version}.`, File.HEADER_VERSION * 4);
  const fileBytes = word(File.HEADER_FILE_BYTES);
  if (bytes.length < fileBytes) throw truncated(bytes.length, fileBytes, bytes.length);
  if (bytes.length > fileBytes)
    throw new FormatError("trailing-bytes", `The file goes on behind its end, ${bytes.length - fileBytes} bytes.`, fileBytes);
  const count = word(File.HEADER_SECTIONS);
  if (count > File.MAX_SECTIONS)
    throw new FormatError("bad-header", `The header counts ${count} sections, more than ${File.MAX_SECTIONS}.`, File.HEADER_SECTIONS * 4);
  const tableEnd = File.HEADER_BYTES + count * File.SECTION_BYTES;
  if (tableEnd > fileBytes)
    throw new FormatError("bad-header", `The table of ${count} sections does not fit the file.`, File.HEADER_SECTIONS * 4);

  scanner.begin();
  scanner.update(bytes.subarray(0, File.HEADER_HASH_LOW * 4));
  scanner.update(bytes.subarray(File.HEADER_BYTES, tableEnd));
  if (!holds(scanner.end(), word(File.HEADER_HASH_LOW), word(File.HEADER_HASH_HIGH)))
    throw hashMismatch("header", File.HEADER_HASH_LOW * 4);

  for (const index of [File.HEADER_THREAD_BYTES, File.HEADER_RESERVED]) {
    if (word(index) !== 0) throw new FormatError("bad-header", `Word ${index} of the header is reserved and not 0.`, index * 4);
  }
}

/** Kinds of which a file has as many sections as it has plans, or up to as many. */
const REPEATED: readonly number[] = [File.PLAN, File.GOLDEN];

function readSections(bytes: Uint8Array, view: DataView, scanner: Scanner): ReadonlyMap<number, readonly Section[]> {
  const sections = new Map<number, Section[]>();
  const count = view.getUint32(File.HEADER_SECTIONS * 4, true);
  let end = File.HEADER_BYTES + count * File.SECTION_BYTES;
  let lastKind = 0;
  for (let i = 0; i < count; i++) {
    const row = File.HEADER_BYTES + i * File.SECTION_BYTES;
    const word = (index: number) => view.getUint32(row + index * 4, true);
    const bad = (index: number, problem: string) => new FormatError("bad-section", `Section ${i}: ${problem}.`, row + index * 4);
    const kind = word(File.SECTION_KIND);
    const offset = word(File.SECTION_OFFSET);
    const length = word(File.SECTION_LENGTH);
    if (kind < File.METADATA || kind > File.GOLDEN) throw bad(File.SECTION_KIND, `kind ${kind} is not known to this version: update eqm`);
    if (kind < lastKind || (kind === lastKind && !REPEATED.includes(kind)))
      throw bad(File.SECTION_KIND, `kind ${kind} comes behind kind ${lastKind}`);
    if (word(File.SECTION_RESERVED) !== 0) throw bad(File.SECTION_RESERVED, "its reserved word is not 0");
    const start = Math.ceil(end / File.SECTION_ALIGNMENT) * File.SECTION_ALIGNMENT;
    if (offset !== start) throw bad(File.SECTION_OFFSET, `it starts at ${offset}, not at ${start}`);
    if (offset + length > bytes.length) throw bad(File.SECTION_LENGTH, `it ends at ${offset + length}, the file at ${bytes.length}`);
    for (let at = end; at < offset; at++)
      if (bytes[at] !== 0) throw new FormatError("bad-padding", "A byte between sections is not 0.", at);
    const content = bytes.subarray(offset, offset + length);
    if (!holds(scanner.digest(content), word(File.SECTION_HASH_LOW), word(File.SECTION_HASH_HIGH)))
      throw hashMismatch(`section ${i} (kind ${kind})`, offset);
    sections.set(kind, [...(sections.get(kind) ?? []), { kind, offset, bytes: content }]);
    end = offset + length;
    lastKind = kind;
  }
  if (end !== bytes.length) throw new FormatError("trailing-bytes", `The last section ends at ${end}, the file at ${bytes.length}.`, end);
  return sections;
}

function readProgram(sections: ReadonlyMap<number, readonly Section[]>, layouts: number, scanner: Scanner): Program {
  const required = (kind: number, name: string) => {
    const section = sections.get(kind)?.[0];
    if (!section) throw new FormatError("bad-section", `The section ${name} is missing.`, File.HEADER_SECTIONS * 4);
    return section;
  };
  const metadataSection = required(File.METADATA, "METADATA");
  const tableSection = required(File.CONSTANTS_TABLE, "CONSTANTS_TABLE");
  const firstPlan = required(File.PLAN, "PLAN");
  const planSections = sections.get(File.PLAN)!;
  const constants = readConstants(tableSection, required(File.CONSTANTS, "CONSTANTS"), scanner);
  const plans = planSections.map((section) => readPlan(section, scanner));
  const known = layoutsChecksum(plans.flatMap(({ plan }) => plan.steps));
  if (known !== undefined && known !== layouts) throw otherLayouts(File.HEADER_ABI * 4, known, layouts);
  const metadata = readJson(metadataSection, "bad-metadata", readMetadata);
  if (metadata.length !== plans.length)
    throw new FormatError(
      "bad-metadata",
      `The metadata are of ${metadata.length} plans, the file has ${plans.length}.`,
      metadataSection.offset,
    );
  const goldens = readGoldens(sections.get(File.GOLDEN) ?? [], plans.length);
  const parts = plans.map(({ plan }, i): Program => {
    const golden = goldens.get(i)?.golden;
    return { metadata: metadata[i]!, constants, plan, ...(golden && { golden }) };
  });
  const program = joinPrograms(parts as [Program, ...Program[]]);
  verifyProgram(program, (place: Place, variant) => {
    const { offset, bytes } = planSections[variant] ?? firstPlan;
    switch (place.part) {
      case "metadata":
        return metadataSection.offset;
      case "golden":
        return goldens.get(variant)?.offset;
      case "plan":
        return offset;
      case "constant":
        return tableSection.offset + wordOffset(tableSection.bytes, 1 + place.index * Packing.ROW_WORDS);
      case "step":
        return offset + wordOffset(bytes, plans[variant]!.stepWords[place.index]!);
    }
  });
  return program;
}

/** Golden vectors by their plans, which ascend. */
function readGoldens(
  sections: readonly Section[],
  plans: number,
): ReadonlyMap<number, { readonly golden: Golden; readonly offset: number }> {
  const goldens = new Map<number, { readonly golden: Golden; readonly offset: number }>();
  let last = -1;
  for (const section of sections) {
    const { golden, plan } = readJson(section, "bad-golden", (json, fail) => ({
      golden: readGolden(json, fail),
      plan: goldenPlan(json, fail),
    }));
    if (plan <= last || plan >= plans)
      throw new FormatError(
        "bad-golden",
        `A golden vector is of plan ${plan}, behind one of ${last}; there are ${plans} plans.`,
        section.offset,
      );
    goldens.set(plan, { golden, offset: section.offset });
    last = plan;
  }
  return goldens;
}

function readConstants(table: Section, blob: Section, scanner: Scanner): Constant[] {
  const words = decodeWords(table.bytes, table.offset, scanner);
  const bad = (index: number, problem: string) => new FormatError("bad-constants", problem, table.offset + wordOffset(table.bytes, index));
  const count = words[0] ?? -1;
  if (count < 0 || words.length !== 1 + count * Packing.ROW_WORDS)
    throw bad(0, `The table of constants has ${words.length} words, not those of ${count} rows.`);
  const known = new Map<number, number>();
  let end = 0;
  const constants: Constant[] = [];
  for (let i = 0; i < count; i++) {
    const row = 1 + i * Packing.ROW_WORDS;
    const offset = words[row + Packing.FILE_OFFSET]!;
    const length = words[row + Packing.FILE_BYTES]!;
    const encoding = words[row + Packing.ENCODING]!;
    if (encoding !== Packing.RAW && !isCoding(encoding))
      throw bad(row + Packing.ENCODING, `Constant ${i}: encoding ${encoding} is not known to this version: update eqm.`);
    if (length <= 0 || offset < 0 || offset + length > blob.bytes.length)
      throw bad(row + Packing.FILE_OFFSET, `Constant ${i}: its ${length} bytes at ${offset} are not in the file.`);
    // A constant follows the last new one, or repeats the bytes of an earlier one whole.
    if (offset === end) {
      known.set(offset, length);
      end = offset + length;
    } else if (known.get(offset) !== length) {
      throw bad(row + Packing.FILE_OFFSET, `Constant ${i}: its bytes at ${offset} neither follow the last ones nor repeat earlier ones.`);
    }
    const bytes = blob.bytes.subarray(offset, offset + length);
    const coding = encoding === Packing.RAW ? undefined : codingOf(bytes, encoding);
    if (encoding !== Packing.RAW && !coding)
      throw new FormatError("bad-constants", `Constant ${i}: its ${length} coded bytes have no sound head.`, blob.offset + offset);
    const canonical = coding ? coding.decodedBytes : length;
    const packing = words[row + Packing.PACKING]!;
    const p0 = words[row + Packing.P0]!;
    const p1 = words[row + Packing.P1]!;
    const p2 = words[row + Packing.P2]!;
    if (
      !Packing.packingHolds(packing, canonical, p0, p1, p2) ||
      words[row + Packing.PACKED_BYTES] !== Packing.packedBytes(packing, canonical, p0, p1, p2)
    ) {
      throw bad(
        row + Packing.PACKED_BYTES,
        `Constant ${i}: ${canonical} bytes of packing ${packing} (${p0}, ${p1}, ${p2}) do not become ${words[row + Packing.PACKED_BYTES]}.`,
      );
    }
    const address = words[row + Packing.ADDRESS]!;
    constants.push(
      coding
        ? { packing, p0, p1, p2, bytes, coding: { ...coding, fileOffset: blob.offset + offset }, address }
        : { packing, p0, p1, p2, bytes, address },
    );
  }
  if (end !== blob.bytes.length)
    throw new FormatError("bad-constants", "The constants' section holds bytes that no constant uses.", blob.offset + end);
  return constants;
}

function readPlan({ bytes, offset }: Section, scanner: Scanner): { readonly plan: Plan; readonly stepWords: readonly number[] } {
  const words = decodeWords(bytes, offset, scanner);
  const bad = (index: number, problem: string) => new FormatError("bad-plan", problem, offset + wordOffset(bytes, index));
  const header = PlanWord.PLAN_HEADER_WORDS;
  if (words.length < header) throw bad(0, "The plan is shorter than its header.");
  if (words[PlanWord.PLAN_WORDS] !== words.length - header)
    throw bad(PlanWord.PLAN_WORDS, `The plan says ${words[PlanWord.PLAN_WORDS]} words, it has ${words.length - header}.`);
  const steps: Int32Array[] = [];
  const stepWords: number[] = [];
  for (let at = header; at < words.length; ) {
    const length = words[at + PlanWord.LENGTH] ?? 0;
    if (length < 2 || at + length > words.length)
      throw bad(at, `Step ${steps.length} says ${length} words, the plan has ${words.length - at} left.`);
    steps.push(words.subarray(at, at + length));
    stepWords.push(at);
    at += length;
  }
  if (steps.length !== words[PlanWord.STEP_COUNT])
    throw bad(PlanWord.STEP_COUNT, `The plan says ${words[PlanWord.STEP_COUNT]} steps, it has ${steps.length}.`);
  const plan = {
    constantsBytes: words[PlanWord.CONSTANTS_BYTES]!,
    arenaBytes: words[PlanWord.ARENA_BYTES]!,
    stagingBytes: words[PlanWord.STAGING_BYTES]!,
    steps,
  };
  return { plan, stepWords };
}

function readJson<T>(
  { bytes, offset }: Section,
  code: FormatCode,
  read: (json: JsonValue, fail: (where: string, problem: string) => never) => T,
): T {
  const text = decodeUtf8(bytes);
  if (typeof text === "number") throw new FormatError(code, "A text is no UTF-8.", offset + text);
  let json: JsonValue;
  try {
    json = parseJson(text);
  } catch (error) {
    throw new FormatError(code, `A text is no canonical JSON: ${error instanceof Error ? error.message : String(error)}.`, offset);
  }
  return read(json, (where, problem) => {
    throw new FormatError(code, `${where} ${problem}.`, offset, { where });
  });
}

function holds({ low, high }: Digest, storedLow: number, storedHigh: number): boolean {
  return low === storedLow && high === storedHigh;
}
