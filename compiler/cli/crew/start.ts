/** Starts the compiler's workers as threads of this process. */
import { availableParallelism } from "node:os";
import { Worker } from "node:worker_threads";
import type { WorkerLike } from "../../../host/worker-model.ts";

/** More of them leave less to each than what they cost. */
const MOST_WORKERS = 4;

/** How many workers there are unless said. */
export const defaultWorkers: number = Math.min(MOST_WORKERS, availableParallelism());

/** One more worker. */
export function startWorker(): WorkerLike {
  return new Worker(new URL("./compiler-worker.node.js", import.meta.url));
}
