/**
 * One model, compiled once in each precision, gives the same bytes on every engine that is here: this Node, Node 24, Deno, Bun and
 * headless Chromium. Uses the built bundle (`npm run build`), since that is what ships.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { compile } from "../../compiler/index.ts";
import { type Engine, listEngines } from "./engines.ts";

/** The model that every engine runs. */
const MODEL = new URL("../../examples/doodles/model.onnx", import.meta.url);
const BUNDLE = new URL("../../dist/index.js", import.meta.url);
const PROBE = new URL("probe.mjs", import.meta.url);
const COMPILER = new URL("../../dist/compiler.js", import.meta.url);
const COMPILE_PROBE = new URL("compile-probe.mjs", import.meta.url);

interface Report {
  readonly engine: string;
  readonly outputsHash: string;
  readonly outputs: number;
  readonly distinct: number;
}

describe("the engines", () => {
  const folder = mkdtempSync(join(tmpdir(), "eqm-engines-"));
  let engines: readonly Engine[] = [];

  beforeAll(async () => {
    if (!existsSync(BUNDLE)) throw new Error("dist/index.js is missing: npm run build");
    engines = await listEngines();
    console.log(`engines: ${engines.map(({ name, version }) => `${name} (${version})`).join(", ")}`);
  }, 60_000);
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  for (const precision of ["int8", "float32"] as const) {
    it(`give the same output bytes in ${precision}`, async () => {
      const { bytes } = await compile(new Uint8Array(readFileSync(MODEL)), { precision });
      const file = join(folder, `${precision}.eqm`);
      writeFileSync(file, bytes);

      const hashes: Record<string, string> = {};
      for (const engine of engines) {
        const report: Report = JSON.parse(await engine.run(PROBE, [BUNDLE.href, pathToFileURL(file).href]));
        expect(report.outputs, engine.name).toBeGreaterThan(0);
        expect(report.distinct, `${engine.name}: a constant output proves nothing`).toBeGreaterThan(1);
        hashes[engine.name] = report.outputsHash;
      }
      const reference = hashes[engines[0]?.name ?? ""];
      expect(reference).toMatch(/^[0-9a-f]{16}$/);
      expect(hashes).toEqual(Object.fromEntries(engines.map(({ name }) => [name, reference])));
    }, 180_000);
  }

  it("compile a model to the same bytes", async () => {
    const hashes: Record<string, string> = {};
    for (const engine of engines) {
      const report: { readonly bytesHash: string } = JSON.parse(await engine.run(COMPILE_PROBE, [COMPILER.href, MODEL.href]));
      hashes[engine.name] = report.bytesHash;
    }
    const reference = hashes[engines[0]?.name ?? ""];
    expect(reference).toMatch(/^[0-9a-f]{8}-[1-9][0-9]{4,}$/);
    expect(hashes).toEqual(Object.fromEntries(engines.map(({ name }) => [name, reference])));
  }, 180_000);
});
