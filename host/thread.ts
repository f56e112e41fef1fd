/** The script of a further thread in a web worker; `eqm/threads` starts it. */
import type { Order } from "./thread-protocol.ts";
import { serveThread } from "./thread-serve.ts";

/** What this file needs of a dedicated worker's global scope, which the DOM's types do not have. */
interface WorkerScope {
  addEventListener(type: "message", handler: (event: { readonly data: Order }) => void): void;
  postMessage(message: unknown): void;
}

const scope = globalThis as unknown as WorkerScope;
serveThread({
  onOrder: (handler) => scope.addEventListener("message", ({ data }) => handler(data)),
  report: (report) => scope.postMessage(report),
});
