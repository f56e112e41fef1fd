/** The entry `eqm/threads` on Node, Deno and Bun: all of `eqm`, and a `load` that starts threads in workers of node:worker_threads. */
import { type LoadOptions, type Model, type Source, type WorkerLike, type WorkerModel, load as withoutThreads } from "./index.ts";
import { starter } from "./starter.node.ts";

export * from "./index.ts";

/** As `load` of `eqm`, on `threads` threads. */
export function load(source: Source, options: LoadOptions & { readonly worker: () => WorkerLike }): Promise<WorkerModel>;
export function load(source: Source, options?: LoadOptions & { readonly worker?: undefined }): Promise<Model>;
export function load(source: Source, options: LoadOptions = {}): Promise<Model | WorkerModel> {
  return withoutThreads(source, { thread: starter, ...options } as LoadOptions & { readonly worker?: undefined });
}
