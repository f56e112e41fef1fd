/** A model on several threads of every engine that is here, pages and their main threads included: the same bytes, thousands of times. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, expect, it } from "vitest";
import { compile } from "../../compiler/index.ts";
import { listEngines } from "./engines.ts";

const MODEL = new URL("../../examples/doodles/model.onnx", import.meta.url);
const PROBE = new URL("threads-probe.mjs", import.meta.url);
const ENTRIES = ["threads.js", "threads.node.js"].map((name) => new URL(`../../dist/${name}`, import.meta.url).href);

/** What threads-probe.mjs prints. */
interface Report {
  readonly features: { readonly threads: number; readonly threadsReason?: string };
  readonly hashes: Readonly<Record<string, string>>;
  readonly runs: number;
  readonly worker: string;
}

const folder = mkdtempSync(join(tmpdir(), "eqm-threads-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

it("gives the same bytes on one, two and three threads of every engine, over thousands of runs", async () => {
  const { bytes } = await compile(new Uint8Array(readFileSync(MODEL)), { precision: "int8" });
  const file = join(folder, "model.eqm");
  writeFileSync(file, bytes);
  let reference: string | undefined;
  for (const engine of await listEngines()) {
    const report: Report = JSON.parse(await engine.run(PROBE, [...ENTRIES, pathToFileURL(file).href]));
    const { features, hashes, runs, worker } = report;
    reference ??= hashes["1"];
    // WebKitGTK has no shared memory, isolated or not.
    const without = engine.name === "webkit";
    if (without) expect(features.threadsReason).toMatch(/^There is no shared memory here/);
    else expect(features.threadsReason, engine.name).toBe(undefined);
    expect({ threads: features.threads, hashes, runs, worker }, engine.name).toEqual({
      threads: without ? 1 : 2,
      hashes: { 1: reference, 2: reference, 3: reference },
      runs: 2400,
      worker: reference?.split(" ")[0],
    });
  }
}, 600_000);
