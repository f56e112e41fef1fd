/** A worker in this thread: all that passes goes through structured clone, as it does between threads. */
import type { Order, Report } from "../../compiler/crew/protocol.ts";
import { serve } from "../../compiler/crew/serve.ts";
import type { WorkerLike } from "../../host/worker-model.ts";

/** What a test sees of a worker, and does to it. */
export interface TestWorker extends WorkerLike {
  readonly isEnded: boolean;
  /** Orders that it was given. */
  readonly orders: readonly Order[];
  /** Ends as if it had crashed. */
  crash(message: string): void;
}

/** Starts one; `spoil` may do something else about an order, where it gives true. */
export function testWorker(spoil: (order: Order, worker: TestWorker) => boolean = () => false): TestWorker {
  const handlers = new Map<string, (value: unknown) => void>();
  const orders: Order[] = [];
  let isEnded = false;
  let follow: (order: Order) => void = () => {};
  const later = (work: () => void): void => void setImmediate(() => isEnded || work());
  serve({
    onOrder: (handler) => {
      follow = handler;
    },
    report: (report: Report) => {
      const copy = structuredClone(report);
      later(() => handlers.get("message")?.(copy));
    },
  });
  const worker: TestWorker = {
    get isEnded() {
      return isEnded;
    },
    orders,
    postMessage(order) {
      // Node clones a module between threads, and not for structuredClone.
      const copy = "begin" in (order as Order) ? (order as Order) : (structuredClone(order) as Order);
      orders.push(copy);
      if (!spoil(copy, worker)) later(() => follow(copy));
    },
    terminate() {
      isEnded = true;
    },
    on: (type, handler) => handlers.set(type, handler),
    crash(message) {
      later(() => {
        handlers.get("error")?.(new Error(message));
        handlers.get("exit")?.(1);
      });
    },
  };
  return worker;
}
