/** The script of a worker of the compiler, for web workers. */
import type { Order } from "./protocol.ts";
import { serve } from "./serve.ts";

/** What this file needs of a dedicated worker's global scope. */
interface WorkerScope {
  addEventListener(type: "message", handler: (event: { readonly data: Order }) => void): void;
  postMessage(message: unknown): void;
}

const scope = globalThis as unknown as WorkerScope;
serve({
  onOrder: (handler) => scope.addEventListener("message", ({ data }) => handler(data)),
  report: (report) => scope.postMessage(report),
});
