/**
 * Runs inside an engine, a page among them: times the contestants of one model there and prints the result as one JSON line.
 *
 * Arguments, all as text: the task as JSON, then the URLs of files, which the task names by their index among these. See engines.mjs.
 */
import { takeTurns } from "./turns.mjs";

const [text, ...urls] = globalThis.scriptArguments ?? globalThis.Deno?.args ?? globalThis.process.argv.slice(2);
const task = JSON.parse(text);

const contestants = task.contestants.map(({ id, runtime, files, ports, options }) => ({
  id,
  open: async () => {
    const { load } = await import(`./contestants/${runtime}.page.mjs`);
    return load(Object.fromEntries(Object.entries(files).map(([name, index]) => [name, urls[index]])), { ports, options });
  },
}));
console.log(JSON.stringify(await takeTurns(contestants, { ...task, references: ["eqm-float32"] })));
