/** The script of a further thread in a `Worker` of node:worker_threads; `eqm/threads` starts it. */
import { parentPort } from "node:worker_threads";
import type { Order } from "./thread-protocol.ts";
import { serveThread } from "./thread-serve.ts";

const port = parentPort;
if (!port) throw new Error("dist/thread.node.js is the script of a worker that eqm/threads starts");
serveThread({
  onOrder: (handler) => port.on("message", (order: Order) => handler(order)),
  report: (report) => port.postMessage(report),
});
