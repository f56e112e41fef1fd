/** Runs the built command line. */
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { ROOT } from "./models.mjs";

/** Where the built eqm lies unless said otherwise. */
export const DIST = join(ROOT, "dist");

/**
 * Runs `eqm ARGS --json`.
 *
 * @param {string} dist folder of the built eqm
 * @param {readonly string[]} args
 * @returns {{ json: object, status: number, durationMs: number }} `json` may be `{ error }` where `status` is among `accept`
 * @throws {Error} with the first line of stderr for any other exit code
 */
export function runCommand(dist, args, accept = [0]) {
  const start = performance.now();
  const { status, signal, error, stdout, stderr } = spawnSync(process.execPath, [join(dist, "cli.js"), ...args, "--json"], {
    encoding: "utf8",
    maxBuffer: 1 << 28,
  });
  if (error !== undefined) throw error;
  if (!accept.includes(status)) {
    const line = stderr.split("\n").find((text) => /error|eqm:/i.test(text) && !/preprocessing as/.test(text)) ?? "";
    throw new Error(`eqm ${args[0]}: ${signal ?? `exit ${status}`}: ${line}`);
  }
  return { json: JSON.parse(stdout), status, durationMs: performance.now() - start };
}
