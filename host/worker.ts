/** The entry `eqm/worker`: the script of a web worker (browsers, Deno, Bun) that runs a model for `load(…, { worker })`. */
import { serve } from "./serve.ts";
import { starter } from "./starter.ts";
import type { Request } from "./worker-protocol.ts";

/** What this file needs of a dedicated worker's global scope, which the DOM's types do not have. */
interface WorkerScope {
  addEventListener(type: "message", handler: (event: { readonly data: Request }) => void): void;
  postMessage(message: unknown, transfer: ArrayBuffer[]): void;
}

const scope = globalThis as unknown as WorkerScope;
serve(
  {
    onRequest: (handler) => scope.addEventListener("message", ({ data }) => handler(data)),
    answer: (answer, transfer) => scope.postMessage(answer, transfer),
  },
  starter,
);
