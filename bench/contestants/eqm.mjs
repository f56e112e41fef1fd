/** eqm itself, as built into dist/. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

/** Entries by address: Node takes a while to find even a module that it has. */
const entries = new Map();

/** The entry that starts threads is apart from the one for a single thread. */
export function prepare({ dist, threads = 1 }) {
  const { href } = pathToFileURL(join(dist, threads > 1 ? "threads.node.js" : "index.js"));
  if (!entries.has(href)) entries.set(href, import(href));
  return entries.get(href);
}

export async function load(path, { dist, threads = 1, build }) {
  const eqm = await prepare({ dist, threads });
  const model = await eqm.load(readFileSync(path), { threads, ...(build && { build }) });
  if (model.features.threads !== threads) {
    model.dispose();
    throw new Error(`on ${model.features.threads} thread: ${model.features.threadsReason}`);
  }
  return { inputs: model.inputs, features: model.features, run: (feeds) => model.run(feeds), dispose: () => model.dispose() };
}

/** URLs of the files that eqm.page.mjs takes, models apart. */
export function pageFiles({ dist }) {
  return { bundle: pathToFileURL(join(dist, "index.js")).href };
}

export function version() {
  return JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")).version;
}

export function downloads({ dist }) {
  return [join(dist, "index.js")];
}

/** The runtime's builds, which the entry carries inside. */
export function modules({ dist }) {
  return ["plain", "relaxed"].map((name) => join(dist, `../build/${name}.wasm`)).filter((path) => existsSync(path));
}
