/** A script of this folder in a process of its own. */
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";

/**
 * Runs `script` with the task as JSON and returns its result, the JSON of its last line: a peer may print before it.
 *
 * @param {string} node the Node binary to run it with
 * @throws {Error} when it does not end well, with what it printed on stderr
 */
export function runChild(script, task, node) {
  const path = fileURLToPath(new URL(script, import.meta.url));
  const { status, signal, error, stdout, stderr } = spawnSync(node, [path, JSON.stringify(task)], {
    encoding: "utf8",
    maxBuffer: 1 << 28,
    timeout: 1_200_000,
  });
  if (error !== undefined) throw error;
  if (status !== 0) throw new Error(`${script}: ${signal ?? `exit ${status}`}\n${stderr}`);
  const lines = stdout.trimEnd().split("\n");
  return JSON.parse(lines.at(-1));
}
