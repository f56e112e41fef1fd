/** The builds of the runtime that the package carries. All give identical bytes out. */
import { OPCODE } from "../format/plan.ts";
import { decodeBase64 } from "./base64.ts";
import { MISSING_STEPS, plain, relaxed } from "./carried.ts";
import { InputError, LoadError } from "./errors.ts";
import { layoutOf } from "./layouts.ts";
import { type Program, programsOf } from "./program.ts";
import { instantiate } from "./runtime.ts";
import { withSharedMemory } from "./shared-module.ts";

/** Builds by name, the most portable first. */
const BUILDS = { plain, relaxed } as const;

/** A build's name. */
export type BuildName = keyof typeof BUILDS;

/** A build that runs here. */
export interface ChosenBuild {
  readonly name: BuildName;
  readonly module: WebAssembly.Module;
}

/** Throws LoadError `missing-steps` where a program has steps that the builds of this entry, `eqm/core`, do not have. */
export function checkSteps(program: Program): void {
  const opcodes = new Set(programsOf(program).flatMap(({ plan }) => plan.steps.map((words) => words[OPCODE] as number)));
  const steps = [...opcodes].filter((opcode) => MISSING_STEPS.has(opcode)).map((opcode) => layoutOf(opcode)!.name);
  if (steps.length === 0) return;
  throw new LoadError(
    "missing-steps",
    `The model has steps that eqm/core, the entry for int8 convolutional networks, does not have (${steps.join(", ")}): import load from "eqm".`,
    { steps, entry: "eqm" },
  );
}

let fastest: Promise<ChosenBuild> | undefined;

/**
 * The build named, or the fastest that runs right here: relaxed where the engine takes it and its instructions, executed, give exact
 * results; validating it alone says nothing of that. Found out once in a process. Throws LoadError as `runtimeModule`, `no-build`
 * for a named build that does not run right here; InputError `bad-option` for a name that no build has.
 */
export async function chooseBuild(name?: BuildName): Promise<ChosenBuild> {
  if (name !== undefined) {
    if (!Object.hasOwn(BUILDS, name)) {
      const known = Object.keys(BUILDS).join(", ");
      throw new InputError("bad-option", `There is no build ${JSON.stringify(name)}; there are ${known}.`, { option: "build", got: name });
    }
    if (name === "relaxed" && !(await runsRight(name)))
      throw new LoadError("no-build", "This engine does not run the relaxed build right: leave the choice to eqm.", { build: name });
    return { name, module: await runtimeModule(name) };
  }
  fastest ??= chooseFastest();
  try {
    return await fastest;
  } catch (error) {
    fastest = undefined;
    throw error;
  }
}

async function chooseFastest(): Promise<ChosenBuild> {
  const name = (await runsRight("relaxed")) ? "relaxed" : "plain";
  return { name, module: await runtimeModule(name) };
}

/** Whether the engine takes a build and its probe (runtime-wasm/simd/dot.ts) finds it exact. */
async function runsRight(name: BuildName): Promise<boolean> {
  let module: WebAssembly.Module;
  try {
    module = await runtimeModule(name);
  } catch (error) {
    if (error instanceof LoadError && error.code === "no-simd") return false;
    throw error;
  }
  return instantiate(module, new WebAssembly.Memory({ initial: 1, maximum: 1 })).probe() === 1;
}

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
  try {
    return await WebAssembly.compile(bytes);
  } catch (cause) {
    modules.delete(name);
    // Validating goes over the whole module once more: it is worth it only to name the cause.
    if (!WebAssembly.validate(bytes)) {
      throw new LoadError(
        "no-simd",
        "This engine lacks WebAssembly SIMD: eqm needs Chrome 91, Firefox 89, Safari 16.4, Node 16.4 or later.",
        { build: name },
        cause,
      );
    }
    throw new LoadError(
      "wasm-refused",
      "This page or engine refuses to compile WebAssembly: allow 'wasm-unsafe-eval' in its content security policy.",
      { build: name },
      cause,
    );
  }
}

const sharedModules = new Map<BuildName, Promise<WebAssembly.Module>>();

/**
 * The compiled module of a build that runs here, for shared memory; compiled once in a process. Rejects with the engine's own error where it has
 * no threads in WebAssembly.
 */
export function sharedModule(name: BuildName): Promise<WebAssembly.Module> {
  let module = sharedModules.get(name);
  if (!module) {
    module = WebAssembly.compile(withSharedMemory(decodeBase64(BUILDS[name])));
    sharedModules.set(name, module);
    module.catch(() => sharedModules.delete(name));
  }
  return module;
}
