/** The package as npm would publish it: its files, and that it works when it is installed from its own tarball, types included. */
import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { classifier, createScratch, type Scratch } from "./scratch.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const manifest = JSON.parse(readFileSync(`${root}package.json`, "utf8")) as {
  readonly dependencies?: unknown;
  readonly scripts: Readonly<Record<string, string>>;
};
let scratch: Scratch;
let files: readonly string[];

function run(command: string, args: readonly string[], cwd: string): string {
  const { status, stdout, stderr, error } = spawnSync(command, args, { cwd, encoding: "utf8", shell: process.platform === "win32" });
  if (status !== 0) throw new Error(`${command} ${args.join(" ")}: ${status ?? error}\n${stdout}\n${stderr}`);
  return stdout;
}

beforeAll(() => {
  scratch = createScratch();
  const [packed] = JSON.parse(run("npm", ["pack", "--json", "--ignore-scripts", "--pack-destination", scratch.folder], root)) as readonly {
    readonly filename: string;
    readonly files: readonly { readonly path: string }[];
  }[];
  files = (packed?.files ?? []).map(({ path }) => path);
  mkdirSync(scratch.path("app"));
  writeFileSync(scratch.path("app/package.json"), '{ "name": "app", "private": true, "type": "module" }');
  run("npm", ["install", "--offline", "--ignore-scripts", "--no-audit", "--no-fund", `../${packed?.filename}`], scratch.path("app"));
});

afterAll(() => scratch.remove());

describe("the package", () => {
  it("holds the entries, their types, the licences, and no sources", () => {
    const fixed = files.filter((path) => !path.startsWith("dist/types/"));
    expect(fixed.filter((path) => path.startsWith("dist/")).sort()).toEqual([
      "dist/THIRD-PARTY-LICENSES.txt",
      "dist/cli.js",
      "dist/compile.js",
      "dist/compiler-worker.js",
      "dist/compiler-worker.node.js",
      "dist/compiler.js",
      "dist/core.js",
      "dist/index.js",
      "dist/thread.js",
      "dist/thread.node.js",
      "dist/threads.js",
      "dist/threads.node.js",
      "dist/worker.js",
      "dist/worker.node.js",
    ]);
    expect(
      fixed.filter((path) => !path.startsWith("dist/") && !["package.json", "README.md", "LICENSE", "CHANGELOG.md"].includes(path)),
    ).toEqual([]);
    for (const path of files)
      if (path.startsWith("dist/types/")) expect(path).toMatch(/^dist\/types\/(host|compiler|format|build)\/[\w./-]+\.d\.ts$/);
  });

  it("depends on nothing and runs nothing when it is installed", () => {
    expect(manifest.dependencies).toBeUndefined();
    expect(Object.keys(manifest.scripts).filter((name) => /^(pre|post)?install$|^prepare$/.test(name))).toEqual([]);
  });

  it("generates no code, and the runtime's entries import nothing", () => {
    for (const name of ["index", "core", "worker", "thread", "compiler", "compiler-worker"]) {
      const text = readFileSync(`${root}dist/${name}.js`, "utf8");
      expect(text).not.toMatch(/\beval\s*\(|\bnew Function\b|\bFunction\s*\(\s*["'`]/);
      expect(text).not.toMatch(/\bimport\s*\(|^import\b|\brequire\s*\(\s*["'`]/m);
    }
  });

  it("carries a licence text for all that it bundles", () => {
    const text = readFileSync(`${root}dist/THIRD-PARTY-LICENSES.txt`, "utf8");
    for (const name of ["assemblyscript", "protobufjs", "commander", "fflate", "cli-progress", "@jsquash/jpeg", "@jsquash/png"])
      expect(text).toMatch(new RegExp(`^${name} \\d+\\.\\d+\\.\\d+ \\([\\w.-]+\\)$`, "m"));
  });

  it("compiles and runs a model once installed", () => {
    writeFileSync(scratch.path("app/m.onnx"), classifier());
    writeFileSync(
      scratch.path("app/app.js"),
      `import { readFileSync } from "node:fs";
import { EqmError, load } from "eqm";
import { compile } from "eqm/compiler";
import * as core from "eqm/core";
import * as threads from "eqm/threads";
if (threads.EqmError !== EqmError) throw new Error("eqm/threads has errors of its own");
const { bytes, report } = await compile(readFileSync("m.onnx"));
const model = await load(bytes);
const { scores } = model.run({ image: new Float32Array(192).fill(0.5) });
const small = await core.load(bytes);
const sameInCore = small.run({ image: new Float32Array(192).fill(0.5) }).scores.every((score, i) => score === scores[i]);
const shared = await threads.load(bytes, { threads: 2 });
const { threadsReason } = shared.features;
console.log(JSON.stringify({ precision: report.precision, scores: scores.length, finite: [...scores].every(Number.isFinite), sameInCore, threadsReason }));
`,
    );
    expect(JSON.parse(run(process.execPath, ["app.js"], scratch.path("app")))).toEqual({
      ...{ precision: "int8", scores: 4, finite: true, sameInCore: true },
      threadsReason: "No step of the model is large enough to be shared.",
    });
    run(scratch.path("app/node_modules/.bin/compile"), ["m.onnx", "-o", "m.eqm"], scratch.path("app"));
    expect(run(scratch.path("app/node_modules/.bin/eqm"), ["verify", "m.eqm"], scratch.path("app"))).toContain("every hash holds");
  });

  it("has types that a strict program can use without skipping library checks", () => {
    writeFileSync(
      scratch.path("app/app.ts"),
      `import { type Model, load } from "eqm";
import { compile, type Report } from "eqm/compiler";
import { load as loadSmall } from "eqm/core";
import { load as loadShared } from "eqm/threads";
export async function use(onnx: Uint8Array): Promise<Report> {
  const { bytes, report } = await compile(onnx, { precision: "int8", shapes: { N: 1 } });
  const model: Model = await (report.precision === "int8" ? load(bytes) : report.macs < 1e6 ? loadSmall(bytes) : loadShared(bytes, { threads: 2 }));
  const scores = model.run({ image: new Float32Array(4) })["scores"];
  // @ts-expect-error there is no such precision
  await compile(onnx, { precision: "int9" });
  if (scores === undefined || scores.length === model.memoryBytes) model.dispose();
  return report;
}
`,
    );
    const options = {
      strict: true,
      noUncheckedIndexedAccess: true,
      module: "NodeNext",
      target: "ES2022",
      lib: ["ES2022", "DOM"],
      types: [],
      skipLibCheck: false,
      noEmit: true,
    };
    writeFileSync(scratch.path("app/tsconfig.json"), JSON.stringify({ compilerOptions: options, files: ["app.ts"] }));
    const tsc = createRequire(import.meta.url)
      .resolve("typescript/package.json")
      .replace("package.json", "bin/tsc");
    run(process.execPath, [tsc, "-p", "tsconfig.json"], scratch.path("app"));
  });
});
