/**
 * Who does the compiler's work: workers, or the caller's own thread where there are none. What is done, and in what order results are put
 * together, is the same for any number of them, and so are the bytes that come out.
 */
import type { WorkerLike } from "../../host/worker-model.ts";
import { CompileError } from "../errors.ts";
import type { Pause } from "../event-loop.ts";
import { faultOf, type Order, type Report } from "./protocol.ts";
import type { Trade } from "./trade.ts";

/** A job in one place. */
export interface Session<Input, Result> {
  /** Calls of one session are done in their order. Rejects with what the work throws, `worker-failed`, or the signal's reason. */
  call(input: Input): Promise<Result>;
  close(): void;
}

/** Those who work. */
export interface Crew {
  /** How many work at once. */
  readonly size: number;
  /** Begins a job with each. */
  open<Init, Input, Result>(trade: Trade<Init, Input, Result>, initOf: (member: number) => Init): readonly Session<Input, Result>[];
}

/** Who does a piece of work, and when others have their turn. */
export interface Hands {
  readonly crew: Crew;
  readonly pause: Pause;
}

/** The caller's own thread. */
export function alone(module: WebAssembly.Module, pause: Pause): Crew {
  return {
    size: 1,
    open(trade, initOf) {
      const job = trade.open(initOf(0), { module, pause });
      return [{ call: async (input) => job.call(input), close: () => job.dispose() }];
    },
  };
}

/** Workers that were started. */
export interface Workers extends Crew {
  /** Ends them. What they have not done is rejected. */
  end(reason?: unknown): void;
}

/** How long all workers together may take to begin. */
const PATIENCE_MS = 20_000;

/**
 * Starts `count` workers; they end when the signal says so. Rejects with a CompileError `worker-failed` where one cannot be started, or the signal's
 * reason; none is left then.
 */
export async function startWorkers(
  count: number,
  start: () => WorkerLike,
  module: WebAssembly.Module,
  signal: AbortSignal | undefined,
): Promise<Workers> {
  const lines: Line[] = [];
  let jobs = 0;
  const end = (reason: unknown = workerFailed("it was ended")): void => {
    signal?.removeEventListener("abort", onAbort);
    for (const line of lines) line.end(reason);
  };
  const onAbort = (): void => end(signal?.reason);
  signal?.addEventListener("abort", onAbort);
  let timer: unknown;
  try {
    signal?.throwIfAborted();
    for (let i = 0; i < count; i++) lines.push(new Line(start()));
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(workerFailed(`it did not begin within ${PATIENCE_MS / 1000} s`)), PATIENCE_MS);
    });
    await Promise.race([Promise.all(lines.map((line) => line.begin(module))), late]);
  } catch (error) {
    end(error);
    throw signal?.aborted ? signal.reason : error instanceof CompileError ? error : workerFailed(messageOf(error));
  } finally {
    clearTimeout(timer);
  }
  return {
    size: count,
    end,
    open: (trade, initOf) =>
      lines.map((line, member) => {
        const job = ++jobs;
        const opened = line.send((id) => ({ id, open: trade.name, job, init: initOf(member) }));
        // Who calls finds out.
        opened.catch(() => {});
        return {
          async call(input) {
            await opened;
            return (await line.send((id) => ({ id, job, input }))) as never;
          },
          close: () => void line.send((id) => ({ id, close: job })).catch(() => {}),
        };
      }),
  };
}

interface Waiting {
  readonly resolve: (result: unknown) => void;
  readonly reject: (reason: unknown) => void;
}

/** One worker, and what it owes. */
class Line {
  private readonly worker: WorkerLike;
  private readonly waiting = new Map<number, Waiting>();
  private orders = 0;
  private over: { readonly reason: unknown } | null = null;

  constructor(worker: WorkerLike) {
    this.worker = worker;
    const onReport = (report: Report): void => {
      const id = "ready" in report ? 0 : report.id;
      const waiting = this.waiting.get(id);
      this.waiting.delete(id);
      if ("failed" in report) waiting?.reject(faultOf(report.failed));
      else waiting?.resolve("ready" in report ? undefined : report.result);
    };
    const onFault = (reason: string): void => this.end(workerFailed(reason));
    if (worker.on) {
      worker.on("message", (report) => onReport(report as Report));
      worker.on("messageerror", () => onFault("a message could not be read"));
      worker.on("error", (error) => onFault(messageOf(error)));
      worker.on("exit", () => onFault("it ended"));
    } else if (worker.addEventListener) {
      worker.addEventListener("message", ({ data }) => onReport(data as Report));
      worker.addEventListener("messageerror", () => onFault("a message could not be read"));
      worker.addEventListener("error", ({ message }) => onFault(message ?? "its script could not be loaded"));
      worker.addEventListener("close", () => onFault("it ended"));
    } else throw workerFailed("startWorker must give a Worker, of the web or of node:worker_threads");
  }

  begin(module: WebAssembly.Module): Promise<unknown> {
    return this.answer(0, { begin: module });
  }

  send(orderOf: (id: number) => Order): Promise<unknown> {
    const id = ++this.orders;
    return this.answer(id, orderOf(id));
  }

  end(reason: unknown): void {
    if (this.over) return;
    this.over = { reason };
    for (const { reject } of this.waiting.values()) reject(reason);
    this.waiting.clear();
    this.worker.terminate();
  }

  private answer(id: number, order: Order): Promise<unknown> {
    return new Promise((resolve, reject) => {
      if (this.over) return reject(this.over.reason);
      this.waiting.set(id, { resolve, reject });
      this.worker.postMessage(order, []);
    });
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function workerFailed(reason: string): CompileError {
  return new CompileError("worker-failed", `A worker of the compiler failed: ${reason}. Compile again, or without workers (workers: 1).`, {
    reason,
  });
}
