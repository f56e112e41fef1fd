/** How much memory a plan takes: the figure in the header, which the writer and the reader compute with the same code. */
import { dataAddress, GUARD_BYTES, PAGE_BYTES } from "../format/memory.ts";
import { COPY } from "../format/packings.ts";

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
}

/**
 * Bytes that the arena's place must hold while loading: the largest canonical constant that is packed. COPY constants go
 * straight to their address.
 */
export function stagingBytes(constants: readonly { readonly packing: number; readonly bytes: Uint8Array }[]): number {
  let largest = 0;
  for (const { packing, bytes } of constants) {
    if (packing !== COPY && bytes.length > largest) largest = bytes.length;
  }
  return largest;
}

/** Bytes of the data region, staging included. */
export function dataBytes(needs: Omit<MemoryNeeds, "planWords">): number {
  return needs.constantsBytes + Math.max(needs.arenaBytes, needs.stagingBytes);
}

/** Bytes of the one WebAssembly memory, a multiple of 64 KiB. */
export function memoryBytes(needs: MemoryNeeds): number {
  const end = dataAddress(needs.planWords) + dataBytes(needs) + GUARD_BYTES;
  return Math.ceil(end / PAGE_BYTES) * PAGE_BYTES;
}
