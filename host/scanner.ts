/** What reading a file does to all of its bytes, through the runtime and in chunks, on one page of memory of its own: XXH64, and words from varints. */
import { PAGE_BYTES } from "../format/memory.ts";
import { instantiate } from "./runtime.ts";

/** An XXH64 digest (seed 0) as two uint32. */
export interface Digest {
  readonly low: number;
  readonly high: number;
}

/** Goes over streams of bytes, one at a time: hashes them, or decodes words. */
export interface Scanner {
  /** Starts a stream. */
  begin(): void;
  /** Adds bytes. */
  update(bytes: Uint8Array): void;
  /** Ends the stream. */
  end(): Digest;
  /** The digest of `bytes` alone. */
  digest(bytes: Uint8Array): Digest;
  /** The words of `bytes` (varint.ts), which end with a whole one; or the offset of the first one that is not canonical. */
  decodeWords(bytes: Uint8Array): Int32Array | number;
}

/** The page: runtime constants and the hash's state, the digest, then the chunk. */
const DIGEST = 1024;
const CHUNK = 1088;
const CHUNK_BYTES = PAGE_BYTES - CHUNK;

/** Bytes of varints that are decoded at a time, of which each may become a word behind them; and the most that one of them takes. */
const VARINTS_BYTES = 12800;
const VARINT_BYTES = 5;
const WORDS = CHUNK + VARINTS_BYTES;

/** A scanner on the build `module`. */
export function createScanner(module: WebAssembly.Module): Scanner {
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

  function decodeWords(bytes: Uint8Array): Int32Array | number {
    const words = new Int32Array(bytes.length);
    let count = 0;
    for (let at = 0; at < bytes.length; ) {
      let end = Math.min(at + VARINTS_BYTES, bytes.length);
      // Not within a number, unless it is longer than any may be.
      if (end < bytes.length) for (let back = 0; back < VARINT_BYTES && bytes[end - 1]! >= 0x80; back++) end--;
      chunk.set(bytes.subarray(at, end));
      const decoded = runtime.decodeVarints(CHUNK, end - at, WORDS);
      if (decoded < 0) return at - 1 - decoded;
      words.set(new Int32Array(memory.buffer, WORDS, decoded), count);
      count += decoded;
      at = end;
    }
    return words.slice(0, count);
  }

  return {
    begin: () => runtime.hashBegin(),
    update,
    end,
    decodeWords,
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
