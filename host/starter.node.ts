/** Starts further threads in workers of node:worker_threads, which Deno and Bun have as well, and which let a process end. */
import { availableParallelism } from "node:os";
import { Worker } from "node:worker_threads";
import type { ThreadStarter } from "./crew.ts";

/** Starts them. */
export const starter: ThreadStarter = {
  start: () => new Worker(new URL("./thread.node.js", import.meta.url)),
  // Deno asks for a permission to answer the other way.
  processors:
    (globalThis as { readonly navigator?: { readonly hardwareConcurrency: number } }).navigator?.hardwareConcurrency ??
    availableParallelism(),
};
