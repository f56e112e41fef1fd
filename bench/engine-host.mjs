/**
 * Drives the engines that test/hosts finds, one after the other, each with one model's contestants. Run by engines.mjs as a process of its
 * own, in a Node that reads TypeScript: the task is one JSON argument, the result one JSON line on stdout:
 *
 *   [{ engine, version, results, errors }]
 */
import { listEngines } from "../test/hosts/engines.ts";

/**
 * And what takeTurns wants; `minSeconds` by engine, as `default` unless an engine is named.
 *
 * @type {{ contestants: { id: string, runtime: string, engine?: string, files: Record<string, string>, ports?: object, options?: object }[],
 *   minSeconds: Record<string, number> }}
 */
const task = JSON.parse(process.argv[2]);

const measured = [];
for (const { name, version, run } of await listEngines()) {
  const urls = [];
  const contestants = task.contestants
    .filter(({ engine }) => engine === undefined || engine === name)
    .map(({ id, runtime, files, ports, options }) => ({
      id,
      runtime,
      ports,
      options,
      files: Object.fromEntries(Object.entries(files).map(([key, url]) => [key, urls.push(url) - 1])),
    }));
  const minSeconds = task.minSeconds[name] ?? task.minSeconds.default;
  try {
    const output = await run(new URL("engine-turns.mjs", import.meta.url), [JSON.stringify({ ...task, minSeconds, contestants }), ...urls]);
    measured.push({ engine: name, version, ...JSON.parse(output.trimEnd().split("\n").at(-1)) });
  } catch (error) {
    const reason = String(error?.message ?? error).split("\n")[0];
    measured.push({ engine: name, version, results: [], errors: Object.fromEntries(contestants.map(({ id }) => [id, reason])) });
  }
}
console.log(JSON.stringify(measured));
