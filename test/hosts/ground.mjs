/** What the probes stand on, in every engine: their arguments, files by URL, and a hash. */

/** What the engine was told behind the script. */
export const scriptArguments = globalThis.scriptArguments ?? globalThis.Deno?.args ?? globalThis.process.argv.slice(2);

/** The bytes of a file: or http: URL. */
export async function readBytes(url) {
  if (new URL(url).protocol === "file:") {
    const { readFile } = await import("node:fs/promises");
    return new Uint8Array(await readFile(new URL(url)));
  }
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${url}: HTTP ${response.status}`);
  return new Uint8Array(await response.arrayBuffer());
}

/** FNV-1a, 32 bits, and the length: enough to tell files apart, and quick on every engine. */
export function hashOf(data) {
  let hash = 0x811c9dc5;
  for (const byte of data) hash = Math.imul(hash ^ byte, 0x01000193);
  return `${(hash >>> 0).toString(16).padStart(8, "0")}-${data.length}`;
}
