/**
 * Headless Chromium and Firefox as engines, driven by puppeteer-core: each run opens one page in a browser with a fresh profile and
 * closes both.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Engine } from "./engines.ts";
import { runInPage } from "./page-server.ts";

const CHROMIUM: Readonly<Record<string, unknown>> = {
  args: [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
  ],
};

/** Firefox over WebDriver BiDi. Nothing is fetched from elsewhere; puppeteer-core's own preferences see to most of that. */
const FIREFOX: Readonly<Record<string, unknown>> = {
  browser: "firefox",
  extraPrefsFirefox: {
    "network.captive-portal-service.enabled": false,
    "network.connectivity-service.enabled": false,
    "services.settings.server": "",
  },
};

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

interface OpenBrowser {
  readonly browser: Browser;
  readonly close: () => Promise<void>;
}

/** Opens the browser once to learn its version. Rejects when puppeteer-core is missing or the browser does not start. */
export function chromium(binary: string, timeoutMs: number): Promise<Engine> {
  return browserEngine("chromium", binary, timeoutMs, CHROMIUM);
}

/** As `chromium`. */
export function firefox(binary: string, timeoutMs: number): Promise<Engine> {
  return browserEngine("firefox", binary, timeoutMs, FIREFOX);
}

async function browserEngine(name: string, binary: string, timeoutMs: number, options: Readonly<Record<string, unknown>>): Promise<Engine> {
  const puppeteer = await importPuppeteer();
  const launch = (): Promise<OpenBrowser> => launchBrowser(puppeteer, name, { ...options, executablePath: binary, timeout: timeoutMs });
  const first = await launch();
  let version: string;
  try {
    version = await first.browser.version();
  } finally {
    await first.close();
  }
  return {
    name,
    version: version.replace(/^.*\//, ""),
    run: (scriptUrl, args) =>
      runInPage(
        name,
        timeoutMs,
        async (url, fail) => {
          const { browser, close } = await launch();
          try {
            const page = await browser.newPage();
            page.on("pageerror", fail);
            page.on("error", fail);
            page.goto(url).catch(fail);
          } catch (error) {
            await close();
            throw error;
          }
          return close;
        },
        scriptUrl,
        args,
      ),
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

// The profile is the home folder too: Firefox refuses one that belongs to another user.
async function launchBrowser(puppeteer: Puppeteer, name: string, options: Readonly<Record<string, unknown>>): Promise<OpenBrowser> {
  const folder = mkdtempSync(join(tmpdir(), `eqm-${name}-`));
  const remove = (): void => rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  try {
    const env = { ...process.env, HOME: folder };
    const browser = await puppeteer.launch({ ...options, userDataDir: folder, headless: true, env });
    return { browser, close: () => browser.close().finally(remove) };
  } catch (error) {
    remove();
    throw error;
  }
}
