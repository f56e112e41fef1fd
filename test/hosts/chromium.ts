/**
 * Headless Chromium as an engine: each run serves the module and its files on the loopback interface, opens one page under a strict
 * content security policy (no eval, no inline script, nothing from elsewhere) in a browser with a fresh profile, and closes both.
 */

import { mkdtempSync, rmSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { basename, dirname, extname, join, resolve, sep } from "node:path";
import { fileURLToPath } from "node:url";
import type { Engine } from "./engines.ts";

const POLICY = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; connect-src 'self'";

const FLAGS: readonly string[] = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

const MEDIA_TYPES: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".mjs": "text/javascript; charset=utf-8",
  ".json": "application/json",
  ".wasm": "application/wasm",
};

const DRIVER = fileURLToPath(new URL("page.mjs", import.meta.url));
const PAGE = '<!doctype html><meta charset="utf-8"><title>eqm</title><script type="module" src="/page.mjs"></script>';

// The part of puppeteer-core that is used; the package itself is there only after `npm run hosts:install`.
interface Puppeteer {
  launch(options: Readonly<Record<string, unknown>>): Promise<Browser>;
}
interface Browser {
  version(): Promise<string>;
  newPage(): Promise<Page>;
  close(): Promise<void>;
}
interface Page {
  goto(url: string): Promise<unknown>;
  on(event: "pageerror" | "error", listener: (error: Error) => void): void;
}

/** What page.mjs posts when the module has ended. */
interface Outcome {
  readonly lines: readonly string[];
  readonly error?: string;
}

/** Opens the browser once to learn its version. Rejects when puppeteer-core is missing or the browser does not start. */
export async function chromium(binary: string, timeoutMs: number): Promise<Engine> {
  const puppeteer = await importPuppeteer();
  const version = await withBrowser(puppeteer, binary, timeoutMs, (browser) => browser.version());
  return {
    name: "chromium",
    version: version.replace(/^.*\//, ""),
    run: (scriptUrl, args) => runInPage(puppeteer, binary, timeoutMs, scriptUrl, args),
  };
}

async function importPuppeteer(): Promise<Puppeteer> {
  const specifier: string = "puppeteer-core";
  try {
    const module: { default: Puppeteer } = await import(specifier);
    return module.default;
  } catch {
    throw new Error("puppeteer-core is not installed");
  }
}

async function withBrowser<T>(
  puppeteer: Puppeteer,
  executablePath: string,
  timeoutMs: number,
  use: (browser: Browser) => Promise<T>,
): Promise<T> {
  const userDataDir = mkdtempSync(join(tmpdir(), "eqm-chromium-"));
  let browser: Browser | undefined;
  try {
    browser = await puppeteer.launch({ executablePath, userDataDir, args: FLAGS, headless: true, timeout: timeoutMs });
    return await use(browser);
  } finally {
    await browser?.close();
    rmSync(userDataDir, { recursive: true, force: true, maxRetries: 5 });
  }
}

async function runInPage(
  puppeteer: Puppeteer,
  binary: string,
  timeoutMs: number,
  scriptUrl: URL | string,
  args: readonly string[],
): Promise<string> {
  const folders: string[] = [];
  const serve = (fileUrl: URL | string): string => {
    const file = fileURLToPath(fileUrl);
    if (!folders.includes(dirname(file))) folders.push(dirname(file));
    return `/files/${folders.indexOf(dirname(file))}/${encodeURIComponent(basename(file))}`;
  };
  const script = serve(scriptUrl);
  const paths = args.map((arg) => (arg.startsWith("file:") ? { file: serve(arg) } : { text: arg }));

  const outcome = deferred<Outcome>();
  const server = await listen(folders, JSON.stringify({ script, args: paths }), outcome.resolve);
  const timer = setTimeout(() => outcome.reject(new Error(`chromium: no end after ${timeoutMs / 1000} s`)), timeoutMs);
  try {
    const { lines, error } = await withBrowser(puppeteer, binary, timeoutMs, async (browser) => {
      const page = await browser.newPage();
      page.on("pageerror", outcome.reject);
      page.on("error", outcome.reject);
      await Promise.race([page.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`), outcome.promise]);
      return outcome.promise;
    });
    if (error !== undefined) throw new Error(`chromium: ${error}`);
    return lines.map((line) => `${line}\n`).join("");
  } finally {
    clearTimeout(timer);
    server.closeAllConnections();
    server.close();
  }
}

async function listen(folders: readonly string[], task: string, finish: (outcome: Outcome) => void): Promise<Server> {
  const server = createServer(async (request, response) => {
    const path = new URL(request.url ?? "/", "http://127.0.0.1").pathname;
    const reply = (status: number, type: string, body: string | Uint8Array): void => {
      response.writeHead(status, { "content-type": type, "content-security-policy": POLICY, "cache-control": "no-store" });
      response.end(body);
    };
    try {
      if (path === "/") return reply(200, "text/html; charset=utf-8", PAGE);
      if (path === "/task") return reply(200, "application/json", task);
      if (path === "/page.mjs") return reply(200, "text/javascript; charset=utf-8", await readFile(DRIVER));
      if (path === "/outcome" && request.method === "POST") {
        const chunks: Uint8Array[] = [];
        for await (const chunk of request) chunks.push(chunk);
        reply(204, "text/plain", "");
        return finish(JSON.parse(Buffer.concat(chunks).toString("utf8")));
      }
      const file = servedFile(folders, path);
      if (file === undefined) return reply(404, "text/plain", "");
      reply(200, MEDIA_TYPES[extname(file)] ?? "application/octet-stream", await readFile(file));
    } catch (error) {
      reply(404, "text/plain", String(error));
    }
  });
  await new Promise<void>((ready, failed) => server.once("error", failed).listen(0, "127.0.0.1", ready));
  return server;
}

// /files/<index of a folder>/<path below it>
function servedFile(folders: readonly string[], path: string): string | undefined {
  const [, index, rest] = /^\/files\/(\d+)\/(.+)$/.exec(path) ?? [];
  const folder = folders[Number(index)];
  if (folder === undefined || rest === undefined) return undefined;
  const file = resolve(folder, decodeURIComponent(rest));
  return file.startsWith(folder + sep) ? file : undefined;
}

function deferred<T>(): { promise: Promise<T>; resolve: (value: T) => void; reject: (error: Error) => void } {
  let resolve: (value: T) => void = () => {};
  let reject: (error: Error) => void = () => {};
  const promise = new Promise<T>((accept, refuse) => {
    resolve = accept;
    reject = refuse;
  });
  return { promise, resolve, reject };
}
