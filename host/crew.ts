/** The workers that a model's further threads run in: started, watched and ended. */
import { LoadError, RunError } from "./errors.ts";
import type { Assignment, Order, Report } from "./thread-protocol.ts";
import type { WorkerLike } from "./worker-model.ts";

/** A worker for one further thread. */
export interface ThreadWorker extends WorkerLike {
  /** Lets the process end although the worker is there; where there is such a thing. */
  unref?(): unknown;
}

/** How further threads are started: `eqm/threads` has one for the engine that it runs on. */
export interface ThreadStarter {
  /** Makes a worker with the script of a further thread; undefined where there are no workers. */
  readonly start: (() => ThreadWorker) | undefined;
  /** How many threads this machine runs at once, where that is known. */
  readonly processors?: number | undefined;
  /** How long, in ms, a thread may take for its part of a step before it is taken for dead; 10,000 unless said, and more where all goes slowly. */
  readonly patienceMs?: number;
}

/** Started workers. */
export class Crew {
  readonly #workers: readonly ThreadWorker[];
  #fault: RunError | undefined;

  private constructor(workers: readonly ThreadWorker[]) {
    this.#workers = workers;
  }

  /**
   * Starts a worker for each assignment; resolves when all of them are ready. Ends them all where one fails or the signal says so. Throws
   * LoadError `worker-failed`, or the signal's reason.
   */
  static async start(start: () => ThreadWorker, assignments: readonly Assignment[], signal?: AbortSignal): Promise<Crew> {
    const workers: ThreadWorker[] = [];
    const crew = new Crew(workers);
    let onAbort: (() => void) | undefined;
    try {
      await new Promise<void>((resolve, reject) => {
        let missing = assignments.length;
        onAbort = () => reject(signal?.reason);
        signal?.addEventListener("abort", onAbort, { once: true });
        for (const assignment of assignments) {
          const worker = start();
          workers.push(worker);
          const onReport = (report: Report): void => {
            if ("failed" in report) return onFault(report.failed);
            worker.postMessage({ begin: true } satisfies Order, []);
            if (--missing === 0) resolve();
          };
          const onFault = (reason: string): void => {
            reject(
              new LoadError(
                "worker-failed",
                `A thread could not be started: ${reason}. Check that the package's thread script can be loaded.`,
              ),
            );
            crew.#fail(reason);
          };
          listen(worker, onReport, onFault);
          worker.postMessage({ assign: assignment } satisfies Order, []);
        }
      });
    } catch (error) {
      crew.end();
      throw error;
    } finally {
      if (onAbort) signal?.removeEventListener("abort", onAbort);
    }
    for (const worker of workers) worker.unref?.();
    return crew;
  }

  /** Throws RunError `worker-failed` where a worker is known to have ended. */
  check(): void {
    if (this.#fault) throw this.#fault;
  }

  /** Takes the crew for dead, and gives the error that says so. */
  giveUp(): RunError {
    const fault = this.#fail("it did not answer");
    this.end();
    return fault;
  }

  /** Ends the workers. */
  end(): void {
    for (const worker of this.#workers) worker.terminate();
  }

  #fail(reason: string): RunError {
    this.#fault ??= new RunError(
      "worker-failed",
      `A thread of the model failed: ${reason}. Results of runs before are right; load the model again.`,
    );
    return this.#fault;
  }
}

function listen(worker: ThreadWorker, onReport: (report: Report) => void, onFault: (reason: string) => void): void {
  if (worker.on) {
    worker.on("message", (report) => onReport(report as Report));
    worker.on("error", (error) => onFault(error instanceof Error ? error.message : String(error)));
    worker.on("exit", () => onFault("it ended"));
  } else if (worker.addEventListener) {
    worker.addEventListener("message", ({ data }) => onReport(data as Report));
    worker.addEventListener("error", ({ message }) => onFault(message ?? "its script could not be loaded"));
    worker.addEventListener("messageerror", () => onFault("a message could not be read"));
    // Bun tells of a worker's end.
    worker.addEventListener("close", () => onFault("it ended"));
  } else {
    throw new LoadError("worker-failed", "The option `thread` must start a Worker, of the web or of node:worker_threads.");
  }
}
