/**
 * The build. `node build.mjs wasm` makes build/: the runtime's modules (asconfig.json says how), each also as base64 in a
 * TypeScript file, and the checksum of the layouts in format/. `node build.mjs` makes dist/ as well.
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";

const root = new URL("./", import.meta.url);
const file = (path) => new URL(path, root);
const require = createRequire(import.meta.url);

/** Writes `text` unless the file already holds it, so that nothing downstream is rebuilt in vain. */
function writeIfChanged(path, text) {
  if (!existsSync(file(path)) || readFileSync(file(path), "utf8") !== text) writeFileSync(file(path), text);
}

/** FNV-1a over every integer constant that both sides compile. */
function layoutChecksum() {
  const steps = readdirSync(file("format/steps")).filter((name) => name.endsWith(".ts")).sort();
  const sources = ["opcodes", "plan", "memory", "packings", "dtypes"].map((name) => `format/${name}.ts`).concat(steps.map((name) => `format/steps/${name}`));
  let hash = 0x811c9dc5;
  for (const source of sources) {
    for (const match of readFileSync(file(source), "utf8").matchAll(/^export const (\w+) = (.+);$/gm)) {
      for (const c of `${source}:${match[1]}=${match[2]}\n`) hash = Math.imul(hash ^ c.codePointAt(0), 0x01000193);
    }
  }
  return hash | 0;
}

function buildWasm() {
  mkdirSync(file("build"), { recursive: true });
  writeIfChanged("build/abi.ts", `/** Checksum of the layouts in format/. */\nexport const ABI = ${layoutChecksum()};\n`);
  const { targets } = JSON.parse(readFileSync(file("asconfig.json"), "utf8"));
  const asc = require.resolve("assemblyscript/bin/asc.js");
  for (const [target, { outFile }] of Object.entries(targets)) {
    const { status } = spawnSync(process.execPath, [asc, "--config", "asconfig.json", "--target", target], { cwd: root, stdio: "inherit" });
    if (status !== 0) process.exit(1);
    const base64 = readFileSync(file(outFile)).toString("base64");
    writeIfChanged(outFile.replace(/\.wasm$/, ".ts"), `/** ${outFile} in base64. */\nexport const base64 =\n  "${base64}";\n`);
  }
}

buildWasm();
