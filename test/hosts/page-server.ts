/**
 * One ES module run in one page of any browser: serves the module and its files on the loopback interface, under a strict content
 * security policy (no eval, no inline script, nothing from elsewhere), in a page that is cross-origin isolated, and waits until the
 * page has posted what the module printed.
 */

import { readFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { basename, dirname, extname, resolve, sep } from "node:path";
import { fileURLToPath } from "node:url";

const HEADERS: Readonly<Record<string, string>> = {
  "content-security-policy":
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; connect-src 'self'; img-src 'self'",
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-embedder-policy": "require-corp",
  "cache-control": "no-store",
};

const MEDIA_TYPES: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".mjs": "text/javascript; charset=utf-8",
  ".json": "application/json",
  ".wasm": "application/wasm",
};

const DRIVER = fileURLToPath(new URL("page.mjs", import.meta.url));
const PAGE = '<!doctype html><meta charset="utf-8"><title>eqm</title><script type="module" src="/page.mjs"></script>';

/** What page.mjs posts when the module has ended. */
interface Outcome {
  readonly lines: readonly string[];
  readonly error?: string;
}

/**
 * Opens `url` in one page of a fresh browser and resolves, once the page is on its way, to what closes that browser again. Calls `fail` when
 * the page dies.
 */
export type OpenPage = (url: string, fail: (error: Error) => void) => Promise<() => Promise<void>>;

/**
 * Runs a module as Engine.run does (engines.ts), in the page that `open` opens. Rejects with `engine` and the reason when the module
 * throws, the page dies or `timeoutMs` have passed.
 */
export async function runInPage(
  engine: string,
  timeoutMs: number,
  open: OpenPage,
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
  // Failing while the browser still opens is no unhandled rejection: it is awaited below.
  outcome.promise.catch(() => {});
  const server = await listen(folders, JSON.stringify({ script, args: paths }), outcome.resolve);
  const timer = setTimeout(() => outcome.reject(new Error(`no end after ${timeoutMs / 1000} s`)), timeoutMs);
  let close: (() => Promise<void>) | undefined;
  try {
    close = await open(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`, outcome.reject);
    const { lines, error } = await outcome.promise;
    if (error !== undefined) throw new Error(error);
    return lines.map((line) => `${line}\n`).join("");
  } catch (error) {
    throw new Error(`${engine}: ${error instanceof Error ? error.message : error}`);
  } finally {
    clearTimeout(timer);
    await close?.();
    server.closeAllConnections();
    server.close();
  }
}

async function listen(folders: readonly string[], task: string, finish: (outcome: Outcome) => void): Promise<Server> {
  const server = createServer(async (request, response) => {
    const path = new URL(request.url ?? "/", "http://127.0.0.1").pathname;
    const reply = (status: number, type: string, body: string | Uint8Array): void => {
      response.writeHead(status, { ...HEADERS, "content-type": type });
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
