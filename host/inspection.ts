/**
 * The compiler's way into a model: runs a plan step by step and reads and writes what lies between. Calibration, profiling and
 * golden vectors go through here, with the build that is given, on the same proof and the same memory as everyone else.
 */
import type { Golden } from "./golden.ts";
import { Instance } from "./instance.ts";
import type { Metadata } from "./metadata.ts";
import type { Plan, Program } from "./program.ts";
import { readEqm } from "./reader.ts";
import type { Scanner } from "./scanner.ts";
import type { TypedArray } from "./tensor.ts";
import { verifyProgram } from "./verify.ts";

/** A model that shows its insides; of several plans the first one. */
export interface Inspectable {
  readonly metadata: Metadata;
  readonly plan: Plan;
  readonly golden: Golden | undefined;
  readonly memoryBytes: number;
  /** Runs the steps `from` to `to` (not included); all unless said. Throws RunError. */
  runSteps(from?: number, to?: number): void;
  /** Views of the inputs in the memory, by name: write them before running. */
  readonly inputs: ReadonlyMap<string, TypedArray>;
  /** Views of the outputs in the memory, by name. */
  readonly outputs: ReadonlyMap<string, TypedArray>;
  /** A copy of `bytes` bytes at `address` of the data region. Throws a RangeError outside of it. */
  read(address: number, bytes: number): Uint8Array<ArrayBuffer>;
  /** Writes into the arena. Throws a RangeError outside of it. */
  write(address: number, bytes: Uint8Array): void;
  /** A view of `bytes` bytes at `address` of the data region, which later steps may overwrite. Throws a RangeError outside of it. */
  view(address: number, bytes: number): Uint8Array;
  dispose(): void;
}

/** Opens a program that has not been through a file: verified, not hashed; `fastFloat` as in LoadOptions. Throws FormatError, LoadError. */
export function openProgram(program: Program, module: WebAssembly.Module, fastFloat = false): Inspectable {
  verifyProgram(program);
  return inspect(program, module, fastFloat);
}

/** Opens a file's bytes. Throws FormatError, LoadError. */
export function openFile(bytes: Uint8Array, module: WebAssembly.Module, scanner: Scanner): Inspectable {
  return inspect(readEqm(bytes, scanner), module);
}

function inspect(program: Program, module: WebAssembly.Module, fastFloat = false): Inspectable {
  const { metadata, plan, golden } = program;
  const instance = new Instance(program, module);
  instance.useFusedMultiplyAdd(fastFloat);
  const end = plan.constantsBytes + plan.arenaBytes;

  function view(address: number, bytes: number, start = 0): Uint8Array {
    if (!(address >= start && bytes >= 0 && address + bytes <= end))
      throw new RangeError(`${bytes} bytes at ${address} are not within ${start} to ${end}`);
    return instance.bytes(address, bytes);
  }

  return {
    metadata,
    plan,
    golden,
    memoryBytes: instance.memoryBytes,
    inputs: new Map(metadata.inputs.map((region) => [region.name, instance.tensor(region)])),
    outputs: new Map(metadata.outputs.map((region) => [region.name, instance.tensor(region)])),
    runSteps: (from, to) => instance.run(0, from, to),
    read: (address, bytes) => view(address, bytes).slice() as Uint8Array<ArrayBuffer>,
    write: (address, bytes) => view(address, bytes.length, plan.constantsBytes).set(bytes),
    view: (address, bytes) => view(address, bytes),
    dispose: () => instance.dispose(),
  };
}
