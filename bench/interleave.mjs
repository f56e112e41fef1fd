/**
 * Times all contestants on one model in one process of Node. Run by run.mjs as a process of its own: the task is one JSON argument, the
 * result one JSON line on stdout.
 */
import { importRuntime } from "./contestants/list.mjs";
import { takeTurns } from "./turns.mjs";

/** @type {{ contestants: { id: string, runtime: string, path: string, threads?: number, build?: string }[], dist: string }} and what takeTurns wants */
const task = JSON.parse(process.argv[2]);

const contestants = task.contestants.map(({ id, runtime, path, threads = 1, build }) => ({
  id,
  open: async () => (await importRuntime(runtime)).load(path, { ...task, threads, build }),
}));
console.log(
  JSON.stringify(await takeTurns(contestants, { ...task, references: ["ort-node-float32", "ort-node-float32-2", "ort-web-float32"] })),
);
