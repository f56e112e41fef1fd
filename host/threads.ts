/** The entry `eqm/threads` in browsers: all of `eqm`, and a `load` that starts threads in web workers. */
import { type LoadOptions, type Model, type Source, type WorkerLike, type WorkerModel, load as withoutThreads } from "./index.ts";
import { starter } from "./starter.ts";

export * from "./index.ts";

/** As `load` of `eqm`, on `threads` threads where the engine has workers and shared memory, which a page has to be isolated for. */
export function load(source: Source, options: LoadOptions & { readonly worker: () => WorkerLike }): Promise<WorkerModel>;
export function load(source: Source, options?: LoadOptions & { readonly worker?: undefined }): Promise<Model>;
export function load(source: Source, options: LoadOptions = {}): Promise<Model | WorkerModel> {
  return withoutThreads(source, { thread: starter, ...options } as LoadOptions & { readonly worker?: undefined });
}
