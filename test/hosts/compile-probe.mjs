/**
 * Compiles one ONNX model on the engine that executes this file, and prints one JSON line, { engine, bytesHash, bytes }.
 *
 * Arguments, all as text: the URL of eqm's compiler, the URL of an .onnx. No calibration data: the inputs are synthesised, by
 * arithmetic that is the same everywhere. Imports nothing from an engine but the reading of a file.
 */
const [bundleUrl, modelUrl] = globalThis.scriptArguments ?? globalThis.Deno?.args ?? globalThis.process.argv.slice(2);
const { compile } = await import(bundleUrl);
const { bytes } = await compile(await readBytes(modelUrl), { force: true });
console.log(JSON.stringify({ bytesHash: hashOf(bytes), bytes: bytes.length }));

async function readBytes(url) {
  if (new URL(url).protocol === "file:") {
    const { readFile } = await import("node:fs/promises");
    return new Uint8Array(await readFile(new URL(url)));
  }
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${url}: HTTP ${response.status}`);
  return new Uint8Array(await response.arrayBuffer());
}

/** FNV-1a, 32 bits, and the length: enough to tell files apart, and quick on every engine. */
function hashOf(data) {
  let hash = 0x811c9dc5;
  for (const byte of data) hash = Math.imul(hash ^ byte, 0x01000193);
  return `${(hash >>> 0).toString(16).padStart(8, "0")}-${data.length}`;
}
