/** Loads a .eqm: fetches, checks, and puts it onto a memory of its own, on this thread or in a worker. */
import { type BuildName, checkSteps, chooseBuild } from "./builds.ts";
import { now } from "./clock.ts";
import type { ThreadStarter } from "./crew.ts";
import { InputError } from "./errors.ts";
import { Instance } from "./instance.ts";
import { Model } from "./model.ts";
import { readEqm } from "./reader.ts";
import { createScanner, type Scanner } from "./scanner.ts";
import { MAX_THREADS, share } from "./sharing.ts";
import { isCallersOwn, type Source, sourceBytes } from "./source.ts";
import { loadInWorker, type WorkerLike, type WorkerModel } from "./worker-model.ts";

/** A part of loading: compiling the runtime and reading the bytes, checking them, decoding and packing constants. */
export type LoadStage = "open" | "check" | "pack";

/** How to load. */
export interface LoadOptions {
  /** Ends loading early: the promise is rejected with the signal's reason. */
  readonly signal?: AbortSignal;
  /** Threads to run on, 1 unless said; `load` of `eqm/threads` starts them. `model.features` says how many are at work, and why not all. */
  readonly threads?: number;
  /** How the further threads are started; `eqm/threads` brings its own. */
  readonly thread?: ThreadStarter;
  /** The build of the runtime; the fastest that runs right here unless said. All give the same bytes. */
  readonly build?: BuildName;
  /**
   * Lets float32 products round once where the machine can, which is faster: results then differ between machines and from those that the
   * compiler verified. False unless said; `model.features` says whether it is at work. Int8 is the same either way.
   */
  readonly fastFloat?: boolean;
  /** Is told how long each stage took, in ms; not of a model that is loaded into a worker. The runtime is compiled once in a process. */
  readonly onStage?: (stage: LoadStage, ms: number) => void;
  /** Makes a worker with the script `eqm/worker`, which the model then owns. */
  readonly worker?: () => WorkerLike;
}

let scanner: Scanner | undefined;

/**
 * Loads a model, with the option `worker` into a worker. The bytes are read, checked and packed without a pause, so the caller
 * may change them afterwards. Throws FormatError where they are no sound .eqm, LoadError, InputError, or the signal's reason.
 */
export function load(source: Source, options: LoadOptions & { readonly worker: () => WorkerLike }): Promise<WorkerModel>;
export function load(source: Source, options?: LoadOptions & { readonly worker?: undefined }): Promise<Model>;
export async function load(
  source: Source,
  { signal, threads = 1, thread, build, fastFloat = false, onStage, worker }: LoadOptions = {},
): Promise<Model | WorkerModel> {
  if (!(Number.isInteger(threads) && threads >= 1 && threads <= MAX_THREADS))
    throw new InputError("bad-option", `threads is ${threads}, not a whole number from 1 to ${MAX_THREADS}.`, {
      option: "threads",
      got: threads,
    });
  if (worker) {
    const bytes = await sourceBytes(source, signal);
    return loadInWorker(worker(), bytes, { owned: !isCallersOwn(source), threads, fastFloat, ...(build && { build }) }, signal);
  }
  // No clock unless somebody asks: Node loads its own at the first look, which takes longer than checking a small model.
  let started = onStage ? now() : 0;
  const ended = (stage: LoadStage): void => {
    if (!onStage) return;
    onStage(stage, now() - started);
    started = now();
  };
  const [{ name, module }, bytes] = await Promise.all([chooseBuild(build), sourceBytes(source, signal)]);
  signal?.throwIfAborted();
  ended("open");
  scanner ??= createScanner(module);
  const program = readEqm(bytes, scanner);
  checkSteps(program);
  ended("check");
  const alone = (threadsReason?: string): Model => {
    const instance = new Instance(program, module);
    ended("pack");
    return new Model(program, instance, module, { build: name, threads: 1, ...(threadsReason && { threadsReason }) }, fastFloat);
  };
  if (threads === 1) return alone();
  const sharing = await share(program, threads, thread, name);
  if (typeof sharing === "string") return alone(sharing);
  const instance = new Instance(program, sharing.module, sharing.schedules);
  ended("pack");
  await instance.startThreads(sharing, signal);
  return new Model(program, instance, module, { build: name, threads }, fastFloat);
}
