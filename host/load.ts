/** Loads a .eqm: fetches, checks, and puts it onto a memory of its own, on this thread or in a worker. */
import { type BuildName, chooseBuild } from "./builds.ts";
import { InputError } from "./errors.ts";
import { createHasher, type Hasher } from "./hash.ts";
import { Model } from "./model.ts";
import { readEqm } from "./reader.ts";
import { isCallersOwn, type Source, sourceBytes } from "./source.ts";
import { loadInWorker, type WorkerLike, type WorkerModel } from "./worker-model.ts";

/** How to load. */
export interface LoadOptions {
  /** Ends loading early: the promise is rejected with the signal's reason. */
  readonly signal?: AbortSignal;
  /** Threads to run on, 1 unless said. This entry has one; `model.features` says how many are at work. */
  readonly threads?: number;
  /** The build of the runtime; the fastest that runs right here unless said. All give the same bytes. */
  readonly build?: BuildName;
  /**
   * Lets float32 products round once where the machine can, which is faster: results then differ between machines and from those that the
   * compiler verified. False unless said; `model.features` says whether it is at work. Int8 is the same either way.
   */
  readonly fastFloat?: boolean;
  /** Makes a worker with the script `eqm/worker`, which the model then owns. */
  readonly worker?: () => WorkerLike;
}

let hasher: Hasher | undefined;

/**
 * Loads a model, with the option `worker` into a worker. The bytes are read, checked and packed without a pause, so the caller
 * may change them afterwards. Throws FormatError where they are no sound .eqm, LoadError, InputError, or the signal's reason.
 */
export function load(source: Source, options: LoadOptions & { readonly worker: () => WorkerLike }): Promise<WorkerModel>;
export function load(source: Source, options?: LoadOptions & { readonly worker?: undefined }): Promise<Model>;
export async function load(
  source: Source,
  { signal, threads = 1, build, fastFloat = false, worker }: LoadOptions = {},
): Promise<Model | WorkerModel> {
  if (!Number.isInteger(threads) || threads < 1)
    throw new InputError("bad-option", `threads is ${threads}, not a positive integer.`, { option: "threads", got: threads });
  if (worker) {
    const bytes = await sourceBytes(source, signal);
    return loadInWorker(worker(), bytes, { owned: !isCallersOwn(source), ...(build && { build }), fastFloat }, signal);
  }
  const [{ name, module }, bytes] = await Promise.all([chooseBuild(build), sourceBytes(source, signal)]);
  signal?.throwIfAborted();
  hasher ??= createHasher(module);
  return new Model(readEqm(bytes, hasher), module, { build: name, threads: 1 }, fastFloat);
}
