/**
 * WebKitGTK as an engine: Debian's MiniBrowser under its WebKitWebDriver, spoken to in plain WebDriver over the loopback interface, on a
 * display of its own (Xvfb). Each run starts all three with a fresh home folder and ends them.
 *
 * Source: W3C WebDriver, sections 8.1 (new session), 8.2 (delete session), 10.1 (navigate to).
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Readable } from "node:stream";
import type { Engine } from "./engines.ts";
import { runInPage } from "./page-server.ts";

/** The programs that it takes. */
export interface WebKitBinaries {
  readonly driver: string;
  readonly display: string;
  readonly browser: string;
}

interface Session {
  readonly version: string;
  readonly goTo: (url: string) => Promise<void>;
  readonly close: () => Promise<void>;
}

interface NewSession {
  readonly sessionId: string;
  readonly capabilities: { readonly browserVersion: string };
}

const STARTUP_MS = 30_000;

/** Where Debian keeps MiniBrowser, which is on no PATH: `<libraries>/<machine>/webkit2gtk-<version>/MiniBrowser`. */
export function findMiniBrowser(libraries = "/usr/lib"): string | undefined {
  const folders = (path: string): string[] =>
    existsSync(path)
      ? readdirSync(path, { withFileTypes: true }).flatMap((entry) => (entry.isDirectory() ? [join(path, entry.name)] : []))
      : [];
  return folders(libraries)
    .flatMap(folders)
    .filter((folder) => /\/webkit2?gtk-[\d.]+$/.test(folder))
    .map((folder) => join(folder, "MiniBrowser"))
    .find((path) => existsSync(path));
}

/** Opens the browser once to learn its version. Rejects when it does not start. */
export async function webkit(binaries: WebKitBinaries, timeoutMs: number): Promise<Engine> {
  const first = await openSession(binaries);
  await first.close();
  return {
    name: "webkit",
    version: first.version,
    run: (scriptUrl, args) =>
      runInPage(
        "webkit",
        timeoutMs,
        async (url, fail) => {
          const { goTo, close } = await openSession(binaries);
          goTo(url).catch(fail);
          return close;
        },
        scriptUrl,
        args,
      ),
  };
}

async function openSession({ driver, display, browser }: WebKitBinaries): Promise<Session> {
  const home = mkdtempSync(join(tmpdir(), "eqm-webkit-"));
  const processes: ChildProcess[] = [];
  const start = (binary: string, args: readonly string[], env: NodeJS.ProcessEnv): ChildProcess => {
    // A group of its own: the browser's helpers end with it.
    const child = spawn(binary, args, { env, detached: true, stdio: ["ignore", "ignore", "ignore", "pipe"] });
    child.on("error", () => {});
    processes.push(child);
    return child;
  };
  const end = async (): Promise<void> => {
    await Promise.all(processes.reverse().map(endGroup));
    rmSync(home, { recursive: true, force: true, maxRetries: 5 });
  };
  try {
    const screen = start(display, ["-displayfd", "3", "-screen", "0", "800x600x24", "-nolisten", "tcp"], { PATH: process.env.PATH });
    const env = {
      PATH: process.env.PATH,
      HOME: home,
      DISPLAY: `:${await firstLine(screen)}`,
      NO_AT_BRIDGE: "1",
      LIBGL_ALWAYS_SOFTWARE: "1",
    };
    const port = await freePort();
    const root = `http://127.0.0.1:${port}`;
    start(driver, ["--host=127.0.0.1", `--port=${port}`], env);
    await answers(`${root}/status`);
    const options = { binary: browser, args: ["--automation"] };
    const { sessionId, capabilities } = await command<NewSession>("POST", `${root}/session`, {
      capabilities: { alwaysMatch: { "webkitgtk:browserOptions": options } },
    });
    const session = `${root}/session/${sessionId}`;
    return {
      version: capabilities.browserVersion,
      goTo: (url) => command("POST", `${session}/url`, { url }),
      close: async () => {
        // What does not end in good order is ended below.
        await command("DELETE", session).catch(() => {});
        await end();
      },
    };
  } catch (error) {
    await end();
    throw error;
  }
}

async function command<T>(method: string, url: string, body?: object): Promise<T> {
  const response = await fetch(url, {
    method,
    signal: AbortSignal.timeout(STARTUP_MS),
    ...(body && { headers: { "content-type": "application/json" }, body: JSON.stringify(body) }),
  });
  const { value } = (await response.json()) as { readonly value: T & { readonly error?: string; readonly message?: string } };
  if (!response.ok) throw new Error(`WebDriver: ${value?.error}: ${value?.message}`);
  return value;
}

async function answers(url: string): Promise<void> {
  for (const started = Date.now(); ; ) {
    try {
      await fetch(url);
      return;
    } catch (error) {
      if (Date.now() - started > STARTUP_MS) throw error;
      await new Promise((resume) => setTimeout(resume, 50));
    }
  }
}

/** What the process first writes to descriptor 3. */
async function firstLine(child: ChildProcess): Promise<string> {
  const pipe = child.stdio[3] as Readable;
  pipe.setEncoding("utf8");
  const text = await Promise.race([
    once(pipe, "data").then(([data]) => String(data).trim()),
    once(child, "exit").then(([code]) => Promise.reject(new Error(`${child.spawnfile} ended with ${code}`))),
  ]);
  pipe.resume();
  return text;
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((ready, failed) => server.once("error", failed).listen(0, "127.0.0.1", ready));
  const address = server.address();
  await new Promise((closed) => server.close(closed));
  if (address === null || typeof address === "string") throw new Error("unreachable: a port has a number");
  return address.port;
}

async function endGroup(child: ChildProcess): Promise<void> {
  const { pid } = child;
  if (pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, "exit");
  process.kill(-pid, "SIGTERM");
  const timer = setTimeout(() => process.kill(-pid, "SIGKILL"), 5_000);
  await exited;
  clearTimeout(timer);
}
