/**
 * The build. `node build.mjs wasm` makes build/: the runtime's modules (asconfig.json says how), the linear algebra of the compiler
 * (asconfig.compiler.json) and that of `eqm bench` (asconfig.peak.json), each also as base64 in a TypeScript file, and the checksum of the
 * layouts in format/. `node build.mjs bundle` makes the JavaScript of dist/ from that. `node build.mjs` makes everything: both, and the types.
 */
import { spawnSync } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build, transform } from "esbuild";
import { compileEagerly } from "./eager-functions.mjs";

const root = new URL("./", import.meta.url);
const file = (path) => new URL(path, root);
const require = createRequire(import.meta.url);

/** Writes `text` unless the file already holds it, so that nothing downstream is rebuilt in vain. */
function writeIfChanged(path, text) {
  if (!existsSync(file(path)) || readFileSync(file(path), "utf8") !== text) writeFileSync(file(path), text);
}

/** The integer constants of a file in format/, each as a line. */
function constantsOf(source) {
  return [...readFileSync(file(source), "utf8").matchAll(/^export const (\w+) = (.+);$/gm)].map(
    ([, name, value]) => `${source}:${name}=${value}\n`,
  );
}

/** FNV-1a. */
function checksum(lines) {
  let hash = 0x811c9dc5;
  for (const c of lines.join("")) hash = Math.imul(hash ^ c.codePointAt(0), 0x01000193);
  return hash | 0;
}

const stepFiles = () =>
  readdirSync(file("format/steps"))
    .filter((name) => name.endsWith(".ts"))
    .sort();

/** Over every integer constant that both sides compile: a runtime and a loader that differ in one were not built together. */
function abiChecksum() {
  const sources = ["opcodes", "plan", "memory", "packings", "entropy", "nibbles", "blocks", "groups", "dtypes"].map(
    (name) => `format/${name}.ts`,
  );
  return checksum([...sources, ...stepFiles().map((name) => `format/steps/${name}`)].flatMap(constantsOf));
}

/**
 * For each opcode the checksum of its words, up to and including WORDS, and of the memory map: what a plan that has such steps
 * relies on. The codes that follow WORDS, as the operations of UNARY, may grow in number without a change of layout.
 */
function stepChecksums() {
  const memory = ["format/plan.ts", "format/memory.ts"].flatMap(constantsOf);
  const opcodes = [...readFileSync(file("format/opcodes.ts"), "utf8").matchAll(/^export const (\w+) = (\d+);$/gm)];
  return opcodes.map(([, name, opcode]) => {
    const lines = constantsOf(`format/steps/${name.toLowerCase().replaceAll("_", "-")}.ts`);
    const words = lines.slice(0, lines.findIndex((line) => line.includes(":WORDS=")) + 1);
    if (words.length === 0) throw new Error(`the step ${name} has no WORDS`);
    return [opcode, checksum([...memory, ...words])];
  });
}

/**
 * Opcodes that the builds for `eqm/core` leave out: those whose case in the interpreter gives up where CORE is 1. So a build without a
 * step and a loader that refuses a model with it say the same.
 */
function missingInCore() {
  const numbers = new Map(
    [...readFileSync(file("format/opcodes.ts"), "utf8").matchAll(/^export const (\w+) = (\d+);$/gm)].map(([, ...row]) => row),
  );
  const cases = readFileSync(file("runtime-wasm/run.ts"), "utf8")
    .split(/\bcase Opcode\./)
    .slice(1);
  return cases.filter((text) => text.includes("if (CORE) return UNKNOWN_STEP;")).map((text) => numbers.get(/^\w+/.exec(text)[0]));
}

/** Modules of packages that the command line decodes images with, by the file in build/ that carries them as base64. */
const CODECS = {
  "build/mozjpeg.ts": "@jsquash/jpeg/codec/dec/mozjpeg_dec.wasm",
  "build/rust-png.ts": "@jsquash/png/codec/pkg/squoosh_png_bg.wasm",
};

function writeBase64(path, bytes, what) {
  writeIfChanged(path, `/** ${what} in base64. */\nexport const base64: string =\n  "${bytes.toString("base64")}";\n`);
}

function buildWasm() {
  mkdirSync(file("build"), { recursive: true });
  writeIfChanged("build/abi.ts", `/** Checksum of the constants in format/. */\nexport const ABI = ${abiChecksum()};\n`);
  const rows = stepChecksums().map(([opcode, hash]) => `  [${opcode}, ${hash}],\n`);
  const type = "ReadonlyMap<number, number>";
  writeIfChanged(
    "build/step-checksums.ts",
    `/** Checksum of each step's layout, by opcode. */\nexport const STEP_CHECKSUMS: ${type} = new Map([\n${rows.join("")}]);\n`,
  );
  writeIfChanged(
    "build/core-steps.ts",
    `/** Opcodes that the builds for eqm/core do not have. */\nexport const MISSING_STEPS: ReadonlySet<number> = new Set([${missingInCore().join(", ")}]);\n`,
  );
  const asc = require.resolve("assemblyscript/bin/asc.js");
  for (const config of ["asconfig.json", "asconfig.compiler.json", "asconfig.peak.json"]) {
    const { targets } = JSON.parse(readFileSync(file(config), "utf8"));
    for (const [target, { outFile }] of Object.entries(targets)) {
      const { status } = spawnSync(process.execPath, [asc, "--config", config, "--target", target], { cwd: root, stdio: "inherit" });
      if (status !== 0) process.exit(1);
      writeBase64(outFile.replace(/\.wasm$/, ".ts"), readFileSync(file(outFile)), outFile);
    }
  }
  for (const [path, module] of Object.entries(CODECS)) writeBase64(path, readFileSync(require.resolve(module)), module);
}

/** What each entry is built from; `node` entries may use Node's modules. `eager` ones, which are minified too, compile what every load runs at once. */
const BUNDLES = [
  { outfile: "dist/index.js", entry: "host/index.ts", platform: "neutral", eager: true },
  { outfile: "dist/core.js", entry: "host/index.ts", platform: "neutral", eager: true, instead: ["./carried.ts", "carried.core.ts"] },
  { outfile: "dist/worker.js", entry: "host/worker.ts", platform: "neutral", eager: true },
  { outfile: "dist/worker.node.js", entry: "host/worker.node.ts", platform: "node", eager: true },
  { outfile: "dist/threads.js", entry: "host/threads.ts", platform: "neutral", minify: true, beside: "./index.ts" },
  { outfile: "dist/threads.node.js", entry: "host/threads.node.ts", platform: "node", minify: true, beside: "./index.ts" },
  { outfile: "dist/thread.js", entry: "host/thread.ts", platform: "neutral", minify: true },
  { outfile: "dist/thread.node.js", entry: "host/thread.node.ts", platform: "node", minify: true },
  { outfile: "dist/compiler.js", entry: "compiler/index.ts", platform: "neutral" },
  { outfile: "dist/compiler-worker.js", entry: "compiler/crew/worker.ts", platform: "neutral", minify: true },
  { outfile: "dist/compiler-worker.node.js", entry: "compiler/cli/crew/worker.ts", platform: "node", minify: true },
  { outfile: "dist/cli.js", entry: "compiler/cli/main.ts", platform: "node", executable: true },
];

/** Leaves an import of `specifier` to the bundle of that name beside this one. */
function importFromBeside(specifier) {
  const path = specifier.replace(/\.ts$/, ".js");
  const filter = new RegExp(`^${specifier.replaceAll(".", "\\.")}$`);
  return { name: "beside", setup: ({ onResolve }) => onResolve({ filter }, () => ({ path, external: true })) };
}

/** Takes another file of the same folder for an import of `specifier`. */
function takeInstead([specifier, name]) {
  const filter = new RegExp(`^${specifier.replaceAll(".", "\\.")}$`);
  return { name: "instead", setup: ({ onResolve }) => onResolve({ filter }, ({ resolveDir }) => ({ path: join(resolveDir, name) })) };
}

/** CommonJS packages inside the command line's bundle ask for Node's modules through `require`. */
const NODE_BANNER = `#!/usr/bin/env node
import { createRequire as eqmCreateRequire } from "node:module";
const require = eqmCreateRequire(import.meta.url);`;

const COMPILE_BIN = `#!/usr/bin/env node
process.argv.splice(2, 0, "compile");
await import("./cli.js");
`;

async function buildBundles() {
  mkdirSync(file("dist"), { recursive: true });
  const packages = new Set();
  for (const { outfile, entry, platform, minify, executable, eager, beside, instead } of BUNDLES) {
    const target = platform === "node" ? "node20.19" : "es2022";
    const { metafile, outputFiles } = await build({
      absWorkingDir: fileURLToPath(root),
      entryPoints: [entry],
      outfile,
      platform,
      mainFields: ["module", "main"],
      bundle: true,
      format: "esm",
      target,
      charset: "utf8",
      minify: minify === true,
      write: !eager,
      legalComments: "none",
      metafile: true,
      logLevel: "warning",
      ...(instead && { plugins: [takeInstead(instead)] }),
      ...(beside && { plugins: [importFromBeside(beside)] }),
      ...(executable && { banner: { js: NODE_BANNER } }),
    });
    if (eager) {
      // Engines keep a text of ASCII alone in half the memory.
      const { code } = await transform(compileEagerly(outputFiles[0].text), { format: "esm", target, charset: "ascii", minify: true });
      writeFileSync(file(outfile), code);
    }
    if (executable) chmodSync(file(outfile), 0o755);
    for (const input of Object.keys(metafile.inputs)) {
      const found = /^(.*node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(input);
      if (found !== null) packages.add(found[1]);
    }
  }
  writeFileSync(file("dist/compile.js"), COMPILE_BIN, { mode: 0o755 });
  writeFileSync(file("dist/THIRD-PARTY-LICENSES.txt"), licences([...packages, "node_modules/assemblyscript"].sort()));
}

/** The licence texts of everything that is bundled; AssemblyScript's standard library is compiled into the WebAssembly. */
function licences(folders) {
  const entries = folders.map((folder) => {
    const { name, version, license } = JSON.parse(readFileSync(file(`${folder}/package.json`), "utf8"));
    const texts = readdirSync(file(folder), { recursive: true })
      .filter((entry) => /^(licen[cs]e|copying|notice)/i.test(basename(entry)) && !entry.includes("node_modules"))
      .sort();
    if (texts.length === 0) throw new Error(`${name} is bundled and carries no licence text`);
    return `${name} ${version} (${license})\n\n${texts.map((text) => readFileSync(file(`${folder}/${text}`), "utf8").trim()).join("\n\n")}\n`;
  });
  const ijg = "This software is based in part on the work of the Independent JPEG Group.";
  return `eqm contains the following software. ${ijg}\n\n${entries.join(`\n${"-".repeat(80)}\n\n`)}`;
}

/** Copies the declarations that the entries reach, with specifiers that resolve in a package. */
function buildTypes() {
  const { status } = spawnSync(
    process.execPath,
    [require.resolve("typescript/package.json").replace("package.json", "bin/tsc"), "--build", "host", "compiler"],
    { cwd: root, stdio: "inherit" },
  );
  if (status !== 0) process.exit(1);
  rmSync(file("dist/types"), { recursive: true, force: true });
  const pending = ["host/index.d.ts", "host/worker.d.ts", "host/threads.d.ts", "compiler/index.d.ts", "compiler/crew/worker.d.ts"];
  for (const path of pending) {
    const text = readFileSync(file(`build/types/${path}`), "utf8");
    mkdirSync(dirname(fileURLToPath(file(`dist/types/${path}`))), { recursive: true });
    const rewritten = text.replace(/(from |import\()"(\.[^"]+)\.ts"/g, (_, keyword, specifier) => {
      const target = join(dirname(path), `${specifier}.d.ts`);
      if (!pending.includes(target)) pending.push(target);
      return `${keyword}"${specifier}.js"`;
    });
    writeFileSync(file(`dist/types/${path}`), rewritten.replace(/^\/\/# sourceMappingURL=.*\n?/m, ""));
  }
}

const stage = process.argv[2];
if (stage === undefined || stage === "wasm") buildWasm();
if (stage === undefined || stage === "bundle") await buildBundles();
if (stage === undefined || stage === "types") buildTypes();
