/** How much memory a plan takes: the figure in the header, which the writer and the reader compute with the same code. */
import { ALIGNMENT, dataAddress, GUARD_BYTES, PAGE_BYTES } from "../format/memory.ts";
import { COPY, isSparse } from "../format/packings.ts";
import { type Constant, canonicalBytes, type Program, planWords, programsOf } from "./program.ts";

/**
 * The largest data region, constants and arena together: address words are int32, and kernels may compute an address a few
 * guard lengths behind a tensor.
 */
export const MAX_DATA_BYTES = 0x7fff0000;

/** The sizes that decide the memory of a plan, in bytes but for `planWords`. */
export interface MemoryNeeds {
  readonly planWords: number;
  readonly constantsBytes: number;
  readonly arenaBytes: number;
  readonly stagingBytes: number;
  /** What further threads take behind the data region (schedule.ts); 0 unless given. */
  readonly threadBytes?: number;
}

/** What a constant takes of the arena's place while it is loaded: offsets from the arena's start. */
export interface Staging {
  /** Where the decoder's own memory begins, behind whatever else is staged. */
  readonly decoder: number;
  /** Where coded bytes are, unless in the place of the packed ones, or in front. */
  readonly coded?: number;
  readonly bytes: number;
}

/**
 * The staging of one constant. A packed constant has its canonical bytes there; where it is coded, the coded bytes lie in the place of the
 * packed ones until they are decoded; but of sparse weights, whose packed form may be smaller than those, they are staged behind the decoder's memory. A
 * COPY constant goes straight to its address; where it is coded, the coded bytes are staged.
 */
export function stagingOf(constant: Pick<Constant, "packing" | "bytes" | "coding">): Staging {
  const { packing, bytes, coding } = constant;
  if (!coding) return { decoder: 0, bytes: packing === COPY ? 0 : bytes.length };
  const staged = packing === COPY ? bytes.length : canonicalBytes(constant);
  const decoder = Math.ceil(staged / ALIGNMENT) * ALIGNMENT;
  const own = decoder + coding.decoderBytes;
  return isSparse(packing) ? { decoder, coded: own, bytes: own + bytes.length } : { decoder, bytes: own };
}

/** Bytes that the arena's place must hold while loading: the largest staging of a constant. */
export function stagingBytes(constants: readonly Pick<Constant, "packing" | "bytes" | "coding">[]): number {
  let largest = 0;
  for (let i = 0; i < constants.length; i++) largest = Math.max(largest, stagingOf(constants[i]!).bytes);
  return largest;
}

/** Bytes of the data region, staging included. */
export function dataBytes(needs: Omit<MemoryNeeds, "planWords">): number {
  return needs.constantsBytes + Math.max(needs.arenaBytes, needs.stagingBytes);
}

/** Bytes of the one WebAssembly memory, a multiple of 64 KiB. */
export function memoryBytes(needs: MemoryNeeds): number {
  const end = dataAddress(needs.planWords) + dataBytes(needs) + (needs.threadBytes ?? 0) + GUARD_BYTES;
  return Math.ceil(end / PAGE_BYTES) * PAGE_BYTES;
}

/** Bytes of the memory of a whole program on one thread: the words of all its plans, and what they share. */
export function programBytes(program: Program): number {
  const words = programsOf(program).reduce((sum, { plan }) => sum + planWords(plan), 0);
  return memoryBytes({ ...program.plan, planWords: words });
}
