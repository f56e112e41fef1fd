/**
 * One model, compiled once in each precision, gives the same bytes on every engine that is here, on every build of the runtime that the
 * engine takes. Uses the built bundle (`npm run build`), since that is what ships.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { compile } from "../../compiler/index.ts";
import { randomNumbers } from "../passes/evaluation.ts";
import { floatTensor, ints, model, node, type TensorSpec, value } from "../support/onnx-model.ts";
import { type Engine, listEmulatedEngines, listEngines } from "./engines.ts";

/** The model that every engine runs. */
const MODEL = new URL("../../examples/doodles/model.onnx", import.meta.url);
const BUNDLE = new URL("../../dist/index.js", import.meta.url);
const PROBE = new URL("probe.mjs", import.meta.url);
const COMPILER = new URL("../../dist/compiler.js", import.meta.url);
const COMPILE_PROBE = new URL("compile-probe.mjs", import.meta.url);
const WORKERS_PROBE = new URL("workers-probe.mjs", import.meta.url);

/** Engines that have relaxed SIMD and compute it right; of others it is not asked. */
const RELAXED: readonly string[] = ["node24", "deno", "chromium", "firefox", "node24-arm64", "deno-arm64"];

const PRECISIONS = ["int8", "float32"] as const;

/** What probe.mjs prints. */
interface Report {
  readonly hashes: Readonly<Record<"plain" | "relaxed", string | null>>;
  readonly outputs: number;
  readonly distinct: number;
}

const folder = mkdtempSync(join(tmpdir(), "eqm-engines-"));
const compiled = Object.fromEntries(PRECISIONS.map((precision) => [precision, join(folder, `${precision}.eqm`)]));
let engines: readonly Engine[] = [];

beforeAll(async () => {
  if (!existsSync(BUNDLE)) throw new Error("dist/index.js is missing: npm run build");
  for (const precision of PRECISIONS) {
    // Pair-safe, so that the relaxed build takes the instructions that machines disagree on.
    const { bytes, report } = await compile(new Uint8Array(readFileSync(MODEL)), { precision, pairSafe: precision === "int8" });
    if (precision === "int8") expect(report.pairSafety?.layers).toBeGreaterThan(0);
    writeFileSync(compiled[precision] ?? "", bytes);
  }
  engines = await listEngines();
  console.log(`engines: ${engines.map(({ name, version }) => `${name} (${version})`).join(", ")}`);
}, 120_000);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe("the engines", () => {
  for (const precision of PRECISIONS) {
    it(`give the same output bytes in ${precision} on every build`, async () => {
      const hashes = await hashesOn(engines, precision);
      expect(hashes).toEqual(allOf(Object.keys(hashes), hashes[`${engines[0]?.name} plain`]));
    }, 600_000);
  }

  it("compile a model to the same bytes", async () => {
    const hashes = await compiledOn(engines);
    expect(hashes).toEqual(allOf(Object.keys(hashes), hashes[engines[0]?.name ?? ""]));
  }, 600_000);

  it("compile with workers of their own to the same bytes as without", async () => {
    const path = join(folder, "wide.onnx");
    writeFileSync(path, wideModel());
    const hashes: Record<string, string> = {};
    for (const engine of engines) {
      const report: { readonly bytesHash: string; readonly workers: unknown } = JSON.parse(
        await engine.run(WORKERS_PROBE, [COMPILER.href, pathToFileURL(path).href]),
      );
      expect(report.workers, engine.name).toEqual({ count: 3, reason: null });
      hashes[engine.name] = report.bytesHash;
    }
    expect(hashes).toEqual(allOf(Object.keys(hashes), hashes[engines[0]?.name ?? ""]));
  }, 600_000);
});

/** Three convolutions of more than two million multiply-accumulates, so that there are workers. */
function wideModel(): Uint8Array {
  const random = randomNumbers(4);
  const weights = (name: string, dims: number[]): TensorSpec => {
    const count = dims.reduce((product, size) => product * size, 1);
    return floatTensor(
      name,
      dims,
      Array.from({ length: count }, () => Math.fround(random() - 0.5)),
    );
  };
  return model({
    nodes: [
      node("Conv", ["x", "w1"], ["a"], {}, { name: "first" }),
      node("Relu", ["a"], ["b"], {}, { name: "relu" }),
      node("Conv", ["b", "w2"], ["c"], { pads: ints(1, 1, 1, 1) }, { name: "middle" }),
      node("Conv", ["c", "w3"], ["y"], {}, { name: "last" }),
    ],
    inputs: [value("x", [1, 32, 24, 24])],
    initializers: [weights("w1", [16, 32, 1, 1]), weights("w2", [32, 16, 3, 3]), weights("w3", [8, 32, 1, 1])],
  });
}

describe("an emulated arm64", () => {
  let emulated: readonly Engine[] = [];
  beforeAll(async () => {
    emulated = await listEmulatedEngines();
  }, 120_000);

  for (const precision of PRECISIONS) {
    it(`gives the output bytes of this machine in ${precision} on every build`, async (context) => {
      if (emulated.length === 0) return context.skip();
      const hashes = await hashesOn([...engines.slice(0, 1), ...emulated], precision);
      expect(hashes).toEqual(allOf(Object.keys(hashes), hashes[`${engines[0]?.name} plain`]));
    }, 600_000);
  }

  it("compiles a model to the bytes of this machine", async (context) => {
    // One engine: a compilation is long there.
    const [first] = emulated;
    if (first === undefined) return context.skip();
    const hashes = await compiledOn([...engines.slice(0, 1), first]);
    expect(hashes).toEqual(allOf(Object.keys(hashes), hashes[engines[0]?.name ?? ""]));
  }, 600_000);
});

/** The compiled file's hashes by engine. */
async function compiledOn(engines: readonly Engine[]): Promise<Record<string, string>> {
  const hashes: Record<string, string> = {};
  for (const engine of engines) {
    const report: { readonly bytesHash: string } = JSON.parse(await engine.run(COMPILE_PROBE, [COMPILER.href, MODEL.href]));
    expect(report.bytesHash, engine.name).toMatch(/^[0-9a-f]{8}-[1-9][0-9]{4,}$/);
    hashes[engine.name] = report.bytesHash;
  }
  return hashes;
}

/** The outputs' hashes by engine and build. */
async function hashesOn(engines: readonly Engine[], precision: string): Promise<Record<string, string>> {
  const hashes: Record<string, string> = {};
  for (const engine of engines) {
    const report: Report = JSON.parse(await engine.run(PROBE, [BUNDLE.href, pathToFileURL(compiled[precision] ?? "").href]));
    expect(report.outputs, engine.name).toBeGreaterThan(0);
    expect(report.distinct, `${engine.name}: a constant output proves nothing`).toBeGreaterThan(1);
    if (RELAXED.includes(engine.name)) expect(report.hashes.relaxed, `${engine.name} takes the relaxed build`).not.toBeNull();
    for (const [build, hash] of Object.entries(report.hashes)) {
      if (hash === null) continue;
      expect(hash).toMatch(/^[0-9a-f]{16}$/);
      hashes[`${engine.name} ${build}`] = hash;
    }
  }
  return hashes;
}

function allOf(keys: readonly string[], value: string | undefined): Record<string, string | undefined> {
  return Object.fromEntries(keys.map((key) => [key, value]));
}
