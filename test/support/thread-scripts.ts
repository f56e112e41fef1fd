/** Scripts of further threads for tests under Node: the real one, bundled from source, and ones that misbehave. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

/** Scripts in a folder of their own. */
export interface ThreadScripts {
  /** Path of the real script. */
  readonly real: string;
  /** Writes a script; gives its path. */
  write(name: string, text: string): string;
  remove(): void;
}

/** Bundles the real script. */
export async function threadScripts(): Promise<ThreadScripts> {
  const folder = mkdtempSync(join(tmpdir(), "eqm-threads-"));
  const real = join(folder, "thread.mjs");
  await build({
    entryPoints: [fileURLToPath(new URL("../../host/thread.node.ts", import.meta.url))],
    bundle: true,
    platform: "node",
    format: "esm",
    outfile: real,
    logLevel: "silent",
  });
  return {
    real,
    write(name, text) {
      writeFileSync(join(folder, name), text);
      return join(folder, name);
    },
    remove: () => rmSync(folder, { recursive: true }),
  };
}
