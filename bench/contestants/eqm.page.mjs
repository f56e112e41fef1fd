/** eqm in any engine: a page, Deno, Bun or Node. */

/** @param {{ bundle: string, model: string }} files URLs of dist/index.js and of the .eqm */
export async function load({ bundle, model }, { options = {} } = {}) {
  const eqm = await import(bundle);
  const loaded = await eqm.load(await readBytes(model), { threads: 1, ...options });
  const lacking = Object.keys(options).filter((name) => !loaded.features[name]);
  if (lacking.length > 0) {
    loaded.dispose();
    throw new Error(`${lacking.join(", ")} is not to be had here`);
  }
  return { inputs: loaded.inputs, features: loaded.features, run: (feeds) => loaded.run(feeds), dispose: () => loaded.dispose() };
}

async function readBytes(url) {
  if (new URL(url).protocol === "file:") {
    const { readFile } = await import("node:fs/promises");
    return new Uint8Array(await readFile(new URL(url)));
  }
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${url}: HTTP ${response.status}`);
  return new Uint8Array(await response.arrayBuffer());
}
