/**
 * A proved program on a WebAssembly memory of its own: the plan at PLAN_ADDRESS, constants packed behind it, the arena, the guard
 * (format/memory.ts). The memory never grows and goes with `dispose`.
 */
import { dataAddress, PAGE_BYTES, PLAN_ADDRESS } from "../format/memory.ts";
import { COPY, NIBBLES } from "../format/packings.ts";
import * as Status from "../format/status.ts";
import { disposed, FormatError, outOfMemory, RunError } from "./errors.ts";
import { memoryBytes, stagingOf } from "./memory-layout.ts";
import type { TensorRegion } from "./metadata.ts";
import { type Constant, canonicalBytes, type Program, planWords } from "./program.ts";
import { instantiate, type Runtime } from "./runtime.ts";
import { elementCount, type TypedArray, viewArray } from "./tensor.ts";

/** A program ready to run. Everything throws RunError `disposed` after `dispose`. */
export class Instance {
  /** Bytes of its memory, as the file's header states them. */
  readonly memoryBytes: number;
  readonly stepCount: number;
  #memory: WebAssembly.Memory | undefined;
  #runtime: Runtime | undefined;
  readonly #data: number;
  /** Address of each step, then of the plan's end. */
  readonly #stepAddresses: Int32Array;

  /**
   * Throws LoadError `out-of-memory` or `other-build`, RunError `unknown-packing`, FormatError `bad-constants` where the coded bytes of a
   * constant are not sound or weights not as pair-safe or small as they claim. `program` must be verified.
   */
  constructor(program: Program, module: WebAssembly.Module) {
    const { plan } = program;
    const words = planWords(plan);
    this.memoryBytes = memoryBytes({ planWords: words, ...plan });
    this.stepCount = plan.steps.length;
    this.#memory = allocate(this.memoryBytes);
    this.#runtime = instantiate(module, this.#memory);
    this.#data = dataAddress(words);
    this.#stepAddresses = writePlan(program, this.#memory.buffer);
    this.#packConstants(program);
  }

  /** Runs the steps `from` to `to`, the latter not included; all of them unless said. Throws RunError. */
  run(from = 0, to = this.stepCount): void {
    const runtime = this.#runtime;
    if (!runtime) throw disposed();
    let status: number;
    try {
      status = runtime.run(this.#stepAddresses[from]!, this.#stepAddresses[to]!, this.#data);
    } catch (cause) {
      throw new RunError(
        "trap",
        "The runtime trapped. The file passed every check, so this is a fault of eqm: please report it with the model.",
        {},
        cause,
      );
    }
    if (status !== Status.OK) throw statusError(status);
  }

  /** Takes the fused form of the relaxed dot where asked for and exact; gives whether it is taken. */
  useFusedDot(fused: boolean): boolean {
    if (!this.#runtime) throw disposed();
    return this.#runtime.useFusedDot(fused ? 1 : 0) === 1;
  }

  /** Takes the fused multiply-add of float32 where asked for and present; gives whether it is taken. Results then differ between machines. */
  useFusedMultiplyAdd(fused: boolean): boolean {
    if (!this.#runtime) throw disposed();
    return this.#runtime.useFusedMultiplyAdd(fused ? 1 : 0) === 1;
  }

  /** A view of a tensor in the memory; it stays valid until `dispose`. */
  tensor({ dtype, shape, address }: TensorRegion): TypedArray {
    return viewArray(dtype, this.#buffer(), this.#data + address, elementCount(shape));
  }

  /** A view of `bytes` bytes at `address` of the data region; it stays valid until `dispose`. */
  bytes(address: number, bytes: number): Uint8Array {
    return new Uint8Array(this.#buffer(), this.#data + address, bytes);
  }

  /** Lets go of the memory. Views that were handed out keep it alive. */
  dispose(): void {
    this.#memory = undefined;
    this.#runtime = undefined;
  }

  #buffer(): ArrayBuffer {
    if (!this.#memory) throw disposed();
    return this.#memory.buffer;
  }

  #packConstants({ constants, plan }: Program): void {
    const staging = plan.constantsBytes;
    for (const [index, constant] of constants.entries()) {
      const { packing, bytes, coding, address, p0, p1, p2 } = constant;
      if (coding) this.#decode(constant, index, staging);
      else this.bytes(packing === COPY ? address : staging, bytes.length).set(bytes);
      if (packing === COPY) continue;
      const status = this.#runtime!.pack(packing, this.#data + staging, this.#data + address, canonicalBytes(constant), p0, p1, p2);
      if (status === Status.NOT_PAIR_SAFE) throw badWeights(index, constant, "it claims to be pair-safe, and a pair of its weights is not");
      if (status === Status.NOT_FOUR_BITS) throw badWeights(index, constant, "it claims to be of four bits, and one of its weights is not");
      if (status !== Status.OK) throw statusError(status);
    }
    // What was staged must not show through steps that read before they write.
    this.bytes(staging, plan.stagingBytes).fill(0);
  }

  /** Decodes a constant to where its canonical bytes are wanted, as stagingOf lays it out. */
  #decode(constant: Constant, index: number, staging: number): void {
    const { packing, bytes, address, coding } = constant;
    const { decoder } = stagingOf(constant);
    const [from, to] = packing === COPY ? [staging, address] : [address, staging];
    const { encoding, decodedBytes, decoderBytes, fileOffset } = coding!;
    this.bytes(from, bytes.length).set(bytes);
    const data = this.#data;
    const status =
      encoding === NIBBLES
        ? this.#runtime!.decodeNibbles(data + from, bytes.length, data + to, decodedBytes)
        : this.#runtime!.decode(data + from, bytes.length, data + to, decodedBytes, data + staging + decoder, decoderBytes);
    if (status !== Status.OK) throw new FormatError("bad-constants", `Constant ${index}: its coded bytes are not sound.`, fileOffset);
  }
}

function allocate(bytes: number): WebAssembly.Memory {
  const pages = bytes / PAGE_BYTES;
  try {
    return new WebAssembly.Memory({ initial: pages, maximum: pages });
  } catch (cause) {
    throw outOfMemory(bytes, cause);
  }
}

function writePlan({ plan }: Program, buffer: ArrayBuffer): Int32Array {
  const addresses = new Int32Array(plan.steps.length + 1);
  const memory = new Int32Array(buffer);
  let at = PLAN_ADDRESS;
  for (const [i, words] of plan.steps.entries()) {
    addresses[i] = at;
    memory.set(words, at / 4);
    at += words.length * 4;
  }
  addresses[plan.steps.length] = at;
  return addresses;
}

function badWeights(index: number, { coding }: Constant, problem: string): FormatError {
  return new FormatError("bad-constants", `Constant ${index}: ${problem}.`, coding?.fileOffset, { constant: index });
}

function statusError(status: number): RunError {
  switch (status) {
    case Status.UNKNOWN_STEP:
      return new RunError("unknown-step", "The plan holds a step that this build of the runtime does not have: update eqm.");
    case Status.UNKNOWN_PACKING:
      return new RunError("unknown-packing", "A constant has a packing that this build of the runtime does not have: update eqm.");
    case Status.INDEX_OUT_OF_RANGE:
      return new RunError(
        "index-out-of-range",
        "An index that the model was given or computed lies outside its axis: check the inputs that hold indices.",
      );
    default:
      throw new Error(`unreachable: status ${status}`);
  }
}
