/**
 * Measures one shared model with `npm run accuracy`, and holds it against the bars: top-1 in float32 within one sample of what
 * was published, top-1 in int8, the floor of the SQNR, and float32 outputs like onnxruntime's where that is installed. A claim may be
 * missed only for a reason that bench/accuracy/reasons.json gives, and none that is met may have one.
 */
import { spawn } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";

const ROOT = join(import.meta.dirname, "../..");
const ASSETS = process.env["EQM_ASSETS"] ?? join(ROOT, "../shared");
const isPresent = existsSync(join(ASSETS, "models/MANIFEST.json"));
const hasPeer = existsSync(join(ROOT, "bench/node_modules/onnxruntime-node"));
const reasons: Readonly<Record<string, Readonly<Record<string, string>>>> = JSON.parse(
  readFileSync(join(ROOT, "bench/accuracy/reasons.json"), "utf8"),
);

interface Verdict {
  readonly claim: string;
  readonly measured: string;
  readonly met: boolean;
}
interface Row {
  readonly error?: string;
  readonly outputs: readonly { readonly name: string; readonly sqnrDb: number }[];
  readonly verdicts: readonly Verdict[];
}

/** What is claimed of a model beside the floor and its agreement with onnxruntime. */
export type Claim = "float" | "int8" | "faces" | "SQNR";

/** One test for each model; `claims` says what has to be judged, so that nothing is left out unseen. */
export function testModels(title: string, claims: Readonly<Record<string, readonly Claim[]>>): void {
  if (!isPresent) console.log(`skipped: the shared models are not at ${ASSETS} (EQM_ASSETS)`);
  else if (!hasPeer) console.log("onnxruntime-node is not installed (npm run bench:install): float32 outputs are not held against it");
  describe.skipIf(!isPresent)(title, () => {
    for (const [name, wanted] of Object.entries(claims)) {
      test(`${name} reaches its bars, or a reason is given`, async () => {
        const { error, outputs, verdicts } = await measure(name);
        expect(error).toBeUndefined();
        expect(verdicts.map(({ claim }) => claim)).toEqual([...wanted, "floor", ...(hasPeer ? ["agreement"] : [])]);
        for (const { sqnrDb } of outputs) expect(sqnrDb).toBeGreaterThan(0);
        const given = reasons[name] ?? {};
        expect(verdicts.filter(({ claim, met }) => !met && given[claim] === undefined)).toEqual([]);
        expect(verdicts.filter(({ claim, met }) => met && given[claim] !== undefined)).toEqual([]);
      });
    }
  });
}

function measure(name: string): Promise<Row> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, ["bench/accuracy.mjs", "--models", name, "--json"], { cwd: ROOT });
    let [stdout, stderr] = ["", ""];
    child.stdout.on("data", (chunk) => {
      stdout += chunk;
    });
    child.stderr.on("data", (chunk) => {
      stderr += chunk;
    });
    child.on("error", reject);
    child.on("close", () => {
      if (stdout === "") reject(new Error(`bench/accuracy.mjs gave nothing: ${stderr}`));
      else resolve((JSON.parse(stdout) as { readonly rows: readonly [Row] }).rows[0]);
    });
  });
}
