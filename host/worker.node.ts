/** The entry `eqm/worker` on Node: the script of a `Worker` of node:worker_threads. */
import { parentPort } from "node:worker_threads";
import { serve } from "./serve.ts";
import { starter } from "./starter.node.ts";
import type { Request } from "./worker-protocol.ts";

const port = parentPort;
if (!port) throw new Error('eqm/worker is the script of a worker: new Worker(new URL(import.meta.resolve("eqm/worker")))');
serve(
  {
    onRequest: (handler) => port.on("message", (request: Request) => handler(request)),
    answer: (answer, transfer) => port.postMessage(answer, transfer),
  },
  starter,
);
