/** What a build of the runtime exports (runtime-wasm/index.ts), and how it is put onto a memory. */
import { ABI } from "../build/abi.ts";
import { LoadError } from "./errors.ts";

/** The functions of one instance; addresses and sizes in bytes, statuses of format/status.ts. */
export interface Runtime {
  init(): void;
  /** After `init`: 1 where the build's instructions are exact on this machine. */
  probe(): number;
  /** After `init`: takes the fused form of the relaxed dot (1) or that of two steps (0). Gives which is taken: 0 where the fused one is not exact. */
  useFusedDot(fused: number): number;
  /** After `init`: takes the fused multiply-add of float32 (1) or the exact one (0). Gives which is taken: 0 in a build without the fused one. */
  useFusedMultiplyAdd(fused: number): number;
  /** Multiplies, `times` times, with one form or the other; on a page of its own. */
  tryDots(fused: number, times: number): void;
  decode(src: number, bytes: number, dst: number, count: number, scratch: number, scratchBytes: number): number;
  decodeBlocks(src: number, bytes: number, dst: number, count: number, scratch: number, scratchBytes: number): number;
  decodeGroups(src: number, bytes: number, dst: number, count: number, scratch: number, scratchBytes: number): number;
  decodeNibbles(src: number, bytes: number, dst: number, count: number): number;
  decodeVarints(src: number, bytes: number, dst: number): number;
  pack(packing: number, src: number, dst: number, bytes: number, p0: number, p1: number, p2: number): number;
  run(plan: number, end: number, data: number): number;
  /** Where this instance's kernels have KERNEL_SCRATCH_BYTES, if not in the reserved area: for further threads. */
  useScratch(address: number): void;
  hashBegin(): void;
  hashUpdate(address: number, bytes: number): void;
  hashEnd(out: number): void;
}

/** Puts a build onto a memory and initialises it. Throws LoadError `other-build` where it was made for other step layouts. */
export function instantiate(module: WebAssembly.Module, memory: WebAssembly.Memory): Runtime {
  const runtime = instanceOn(module, memory);
  runtime.init();
  return runtime;
}

/** Puts a build onto a memory that is initialised and in use, for a further thread whose kernels' scratch is at `kernelScratch`. Throws as `instantiate`. */
export function instantiateBeside(module: WebAssembly.Module, memory: WebAssembly.Memory, kernelScratch: number): Runtime {
  const runtime = instanceOn(module, memory);
  runtime.useScratch(kernelScratch);
  return runtime;
}

function instanceOn(module: WebAssembly.Module, memory: WebAssembly.Memory): Runtime {
  const runtime = new WebAssembly.Instance(module, { env: { memory } }).exports as unknown as Runtime & {
    readonly abi: WebAssembly.Global;
  };
  if (runtime.abi.value !== ABI) {
    throw new LoadError(
      "other-build",
      "The runtime and the loader are of different versions of eqm: install the package again, or build it anew.",
      {
        expected: ABI,
        got: runtime.abi.value as unknown,
      },
    );
  }
  return runtime;
}
