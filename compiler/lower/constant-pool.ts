/** Packed constants, equal ones found again: same packing, same parameters, same bytes. */
import type { PackedConstant } from "./lowered.ts";

/** Keeps something for each constant. */
export class ConstantPool<T> {
  private readonly entries = new Map<string, { readonly constant: PackedConstant; readonly kept: T }[]>();

  /** What is kept for an equal constant; what `make` gives, which is kept from now on, where there is none. */
  get(constant: PackedConstant, make: () => T): T {
    const { packing, parameters, bytes } = constant;
    const key = `${packing},${parameters.join()},${bytes.length},${checksum(bytes)}`;
    const alike = this.entries.get(key) ?? [];
    const found = alike.find((entry) => equalBytes(entry.constant.bytes, bytes));
    if (found) return found.kept;
    const kept = make();
    this.entries.set(key, [...alike, { constant, kept }]);
    return kept;
  }
}

function checksum(bytes: Uint8Array): number {
  let h = 0x811c9dc5;
  for (let i = 0; i < bytes.length; i++) h = Math.imul(h ^ bytes[i]!, 0x01000193);
  return h;
}

function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  if (a.buffer === b.buffer && a.byteOffset === b.byteOffset) return true;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}
