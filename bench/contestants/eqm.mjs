/** eqm itself, as built into dist/. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

export async function load(path, { dist }) {
  const eqm = await import(pathToFileURL(join(dist, "index.js")));
  const model = await eqm.load(new Uint8Array(readFileSync(path)), { threads: 1 });
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

/** The runtime's plain build, which the entry carries inside. */
export function modules({ dist }) {
  return [join(dist, "plain.wasm"), join(dist, "../build/plain.wasm")].filter((path) => existsSync(path)).slice(0, 1);
}
