/** Loads a .eqm: fetches, checks, and puts it onto a memory of its own. */
import { runtimeModule } from "./builds.ts";
import { InputError } from "./errors.ts";
import { createHasher, type Hasher } from "./hash.ts";
import { Model } from "./model.ts";
import { readEqm } from "./reader.ts";
import { type Source, sourceBytes } from "./source.ts";

/** How to load. */
export interface LoadOptions {
  /** Ends loading early: the promise is rejected with the signal's reason. */
  readonly signal?: AbortSignal;
  /** Threads to run on; this entry has one. */
  readonly threads?: number;
}

let hasher: Hasher | undefined;

/**
 * Loads a model. The bytes are read, checked and packed without a pause, so the caller may change them afterwards.
 * Throws FormatError where they are no sound .eqm, LoadError, InputError, or the signal's reason.
 */
export async function load(source: Source, { signal, threads = 1 }: LoadOptions = {}): Promise<Model> {
  if (!Number.isInteger(threads) || threads < 1) throw new InputError("bad-option", `threads is ${threads}, not a positive integer.`, { option: "threads", got: threads });
  const [module, bytes] = await Promise.all([runtimeModule("plain"), sourceBytes(source, signal)]);
  signal?.throwIfAborted();
  hasher ??= createHasher(module);
  return new Model(readEqm(bytes, hasher), module, { build: "plain", threads: 1 });
}
