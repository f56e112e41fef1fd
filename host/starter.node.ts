/** Starts further threads in workers of node:worker_threads. */
import { availableParallelism } from "node:os";
import { Worker } from "node:worker_threads";
import type { ThreadStarter } from "./crew.ts";

/** Starts them. */
export const starter: ThreadStarter = {
  start: () => new Worker(new URL("./thread.node.js", import.meta.url)),
  processors: availableParallelism(),
};
