/** Puts the constants of a program into its memory: coded ones are decoded, and all are packed into what the build's kernels read. */
import { BLOCKS, COPY, GROUPED, NIBBLES } from "../format/packings.ts";
import * as Status from "../format/status.ts";
import { FormatError, RunError } from "./errors.ts";
import { stagingOf } from "./memory-layout.ts";
import { type Constant, canonicalBytes, type Program } from "./program.ts";
import type { Runtime } from "./runtime.ts";

/**
 * `runtime` is on the memory `buffer`, the data region of which begins at `data`. Throws RunError `unknown-packing`, FormatError `bad-constants` where
 * the coded bytes of a constant are not sound or weights not as pair-safe, run-safe, small or sparse as they claim. `program` must be verified.
 */
export function packConstants({ constants, plan }: Program, runtime: Runtime, buffer: ArrayBuffer, data: number): void {
  const memory = new Uint8Array(buffer);
  const staging = data + plan.constantsBytes;
  for (let index = 0; index < constants.length; index++) {
    const constant = constants[index]!;
    const { packing, bytes, coding, p0, p1, p2 } = constant;
    const address = data + constant.address;
    if (coding) decode(constant, index, runtime, memory, address, staging);
    else memory.set(bytes, packing === COPY ? address : staging);
    if (packing === COPY) continue;
    const status = runtime.pack(packing, staging, address, canonicalBytes(constant), p0, p1, p2);
    if (status !== Status.OK) throw packError(status, index, constant);
  }
  // What was staged must not show through steps that read before they write.
  memory.fill(0, staging, staging + plan.stagingBytes);
}

/** Decodes a constant to where its canonical bytes are wanted, as stagingOf lays it out. */
function decode(constant: Constant, index: number, runtime: Runtime, memory: Uint8Array, address: number, staging: number): void {
  const { packing, bytes, coding } = constant;
  const { decoder, coded } = stagingOf(constant);
  const from = packing === COPY ? staging : coded === undefined ? address : staging + coded;
  const to = packing === COPY ? address : staging;
  const { encoding, decodedBytes, decoderBytes, fileOffset } = coding!;
  memory.set(bytes, from);
  const status =
    encoding === NIBBLES
      ? runtime.decodeNibbles(from, bytes.length, to, decodedBytes)
      : encoding === BLOCKS
        ? runtime.decodeBlocks(from, bytes.length, to, decodedBytes, staging + decoder, decoderBytes)
        : encoding === GROUPED
          ? runtime.decodeGroups(from, bytes.length, to, decodedBytes, staging + decoder, decoderBytes)
          : runtime.decode(from, bytes.length, to, decodedBytes, staging + decoder, decoderBytes);
  if (status !== Status.OK) throw new FormatError("bad-constants", `Constant ${index}: its coded bytes are not sound.`, fileOffset);
}

function packError(status: number, index: number, { coding, p2 }: Constant): FormatError | RunError {
  const bad = (problem: string): FormatError =>
    new FormatError("bad-constants", `Constant ${index}: ${problem}.`, coding?.fileOffset, { constant: index });
  switch (status) {
    case Status.NOT_PAIR_SAFE:
      return bad("it claims to be pair-safe, and a pair of its weights is not");
    case Status.NOT_RUN_SAFE:
      return bad("it claims to be run-safe, and a run of its weights is not");
    case Status.NOT_FOUR_BITS:
      return bad("it claims to be of four bits, and one of its weights is not");
    case Status.OTHER_BLOCKS:
      return bad(`what is not zero of it is not what it claims, ${p2}`);
    case Status.UNKNOWN_PACKING:
      return new RunError("unknown-packing", "A constant has a packing that this build of the runtime does not have: update eqm.");
    default:
      throw new Error(`unreachable: status ${status}`);
  }
}
