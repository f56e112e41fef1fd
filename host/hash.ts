/** XXH64 through the runtime, on one page of memory of its own: hashes any number of bytes in chunks, without allocating. */
import { PAGE_BYTES } from "../format/memory.ts";
import { instantiate } from "./runtime.ts";

/** An XXH64 digest (seed 0) as two uint32. */
export interface Digest {
  readonly low: number;
  readonly high: number;
}

/** Hashes streams of bytes, one stream at a time. */
export interface Hasher {
  /** Starts a stream. */
  begin(): void;
  /** Adds bytes. */
  update(bytes: Uint8Array): void;
  /** Ends the stream. */
  end(): Digest;
  /** The digest of `bytes` alone. */
  digest(bytes: Uint8Array): Digest;
}

/** The page: runtime constants and the hash's state, the digest, then the chunk. */
const DIGEST = 1024;
const CHUNK = 1088;
const CHUNK_BYTES = PAGE_BYTES - CHUNK;

/** A hasher on the build `module`. */
export function createHasher(module: WebAssembly.Module): Hasher {
  const memory = new WebAssembly.Memory({ initial: 1, maximum: 1 });
  const runtime = instantiate(module, memory);
  const chunk = new Uint8Array(memory.buffer, CHUNK, CHUNK_BYTES);
  const digest = new DataView(memory.buffer, DIGEST, 8);

  function update(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length; at += CHUNK_BYTES) {
      const piece = bytes.subarray(at, at + CHUNK_BYTES);
      chunk.set(piece);
      runtime.hashUpdate(CHUNK, piece.length);
    }
  }

  function end(): Digest {
    runtime.hashEnd(DIGEST);
    return { low: digest.getUint32(0, true), high: digest.getUint32(4, true) };
  }

  return {
    begin: () => runtime.hashBegin(),
    update,
    end,
    digest(bytes) {
      runtime.hashBegin();
      update(bytes);
      return end();
    },
  };
}

/** A digest as 16 hexadecimal digits, the most significant first. */
export function digestText(digest: Digest): string {
  return digest.high.toString(16).padStart(8, "0") + digest.low.toString(16).padStart(8, "0");
}
