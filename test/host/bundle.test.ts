/** The entry `eqm` as a bundle: on its own in a context that has WebAssembly and the language, as an AudioWorklet has. */
import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { createContext, runInContext } from "node:vm";
import { build } from "esbuild";
import { beforeAll, expect, it } from "vitest";
import type { load as Load } from "../../host/index.ts";
import { smallFile } from "../support/small-model.ts";

const host = new URL("../../host/", import.meta.url);
let code: string;

async function bundle(format: "iife" | "esm"): Promise<string> {
  const { outputFiles } = await build({
    absWorkingDir: fileURLToPath(new URL("../", host)),
    entryPoints: ["host/index.ts"],
    bundle: true,
    platform: "neutral",
    format,
    globalName: "eqm",
    write: false,
    logLevel: "silent",
  });
  return outputFiles[0]!.text;
}

beforeAll(async () => {
  code = await bundle("iife");
});

/** `load` in a context of its own, with a changed WebAssembly. */
function loadIn(change = ""): typeof Load {
  const context = createContext({});
  runInContext(change, context);
  return runInContext(`${code}; eqm.load`, context) as typeof Load;
}

it("runs where there is nothing but the language and WebAssembly, on arrays of another realm", async () => {
  const load = loadIn();
  const model = await load(smallFile());
  const { y, z } = model.run({ x: new Int8Array([1, 2, 3, 4, 5, 6]) });
  expect([...(y as Int8Array)]).toEqual([-2, -5, -3, -6, -4, -7]);
  expect([...(z as Float32Array)]).toEqual(new Array(7).fill(1.5));
  model.dispose();
});

it.each([
  [
    "this engine has no SIMD",
    "WebAssembly.validate = () => false; WebAssembly.compile = () => Promise.reject(new WebAssembly.CompileError('SIMD'))",
    "no-simd",
  ],
  ["the page may not compile", "WebAssembly.compile = () => Promise.reject(new WebAssembly.CompileError('blocked'))", "wasm-refused"],
  ["there is no WebAssembly", "delete globalThis.WebAssembly", "wasm-refused"],
])("says that %s", async (_name, change, code) => {
  await expect(loadIn(change)(smallFile())).rejects.toMatchObject({ name: "LoadError", code });
});

it("imports nothing but format/, build/ and itself, and evaluates no text", () => {
  const outside: string[] = [];
  for (const file of readdirSync(host).filter((name) => name.endsWith(".ts"))) {
    const text = readFileSync(new URL(file, host), "utf8");
    for (const [, from] of text.matchAll(/(?:\bfrom|^import) "([^"]+)";$/gm)) {
      const isNodes = file.endsWith(".node.ts") && from!.startsWith("node:");
      if (!/^\.\/[\w.-]+\.ts$|^\.\.\/(format|build)\/[\w/-]+\.ts$/.test(from!) && !isNodes) outside.push(`${file}: ${from}`);
    }
    if (/\beval\(|new Function|\bimport\(|\brequire\(|TextDecoder\(|TextEncoder\(|\batob\(/.test(text))
      outside.push(`${file}: forbidden call`);
  }
  expect(outside).toEqual([]);
  expect(code).not.toMatch(/\bimport\b\s*[("{]/);
});

it("is compiled with the functions that every load runs, and in ASCII", async () => {
  const { compileEagerly } = (await import(new URL("../../eager-functions.mjs", import.meta.url).href)) as {
    readonly compileEagerly: (bundle: string) => string;
  };
  const eager = compileEagerly(await bundle("esm"));
  const isEager = (name: string): boolean => new RegExp(`^var ${name} = \\((async )?function ${name}\\(`, "m").test(eager);
  const isLazy = (name: string): boolean => new RegExp(`^(async )?function ${name}\\(`, "m").test(eager);
  expect(["load", "readEqm", "verifySteps", "decodeWords", "packConstants", "resizeBilinear"].filter(isEager)).toHaveLength(5);
  expect(["load", "readEqm", "verifySteps", "decodeWords", "packConstants", "resizeBilinear"].filter(isLazy)).toEqual(["resizeBilinear"]);
  expect(() => compileEagerly("// host/load.ts\nasync function load() {\n}\n")).toThrow("lacks host/source.ts, ");
  const shipped = readFileSync(new URL("../../dist/index.js", import.meta.url), "latin1");
  expect(shipped.match(/=\((async )?function/g)!.length).toBeGreaterThan(100);
  expect(/^[\0-\x7f]*$/.test(shipped)).toBe(true);
});
