/** The script of a worker of the compiler, for `Worker` of node:worker_threads. */
import { parentPort } from "node:worker_threads";
import type { Order } from "../../crew/protocol.ts";
import { serve } from "../../crew/serve.ts";

const port = parentPort;
if (!port) throw new Error("dist/compiler-worker.node.js is the script of a worker that the compiler starts");
serve({
  onOrder: (handler) => port.on("message", (order: Order) => handler(order)),
  report: (report) => port.postMessage(report),
});
