/** The builds of the runtime that the package carries. All give identical bytes out. */
import { base64 as plain } from "../build/plain.ts";
import { decodeBase64 } from "./base64.ts";
import { LoadError } from "./errors.ts";

/** Builds by name, the most portable first. */
const BUILDS = { plain } as const;

/** A build's name. */
export type BuildName = keyof typeof BUILDS;

const modules = new Map<BuildName, Promise<WebAssembly.Module>>();

/**
 * The compiled module of a build, compiled once in a process. Throws LoadError `no-simd` where the engine lacks what the build
 * needs, `wasm-refused` where it may not compile at all (a content security policy without 'wasm-unsafe-eval').
 */
export function runtimeModule(name: BuildName = "plain"): Promise<WebAssembly.Module> {
  let module = modules.get(name);
  if (!module) {
    module = compile(name);
    modules.set(name, module);
  }
  return module;
}

async function compile(name: BuildName): Promise<WebAssembly.Module> {
  if (typeof WebAssembly === "undefined") throw new LoadError("wasm-refused", "This engine has no WebAssembly.");
  const bytes = decodeBase64(BUILDS[name]);
  if (!WebAssembly.validate(bytes)) {
    throw new LoadError(
      "no-simd",
      "This engine lacks WebAssembly SIMD: eqm needs Chrome 91, Firefox 89, Safari 16.4, Node 16.4 or later.",
      { build: name },
    );
  }
  try {
    return await WebAssembly.compile(bytes);
  } catch (cause) {
    modules.delete(name);
    throw new LoadError(
      "wasm-refused",
      "This page or engine refuses to compile WebAssembly: allow 'wasm-unsafe-eval' in its content security policy.",
      { build: name },
      cause,
    );
  }
}
