/** `eqm verify`: whether a .eqm is whole, and whether this machine computes what the compiling one did. */
import { chooseBuild } from "../../../host/builds.ts";
import { describePlan } from "../../../host/description.ts";
import { FormatError } from "../../../host/errors.ts";
import { type GoldenVerdict, verifyGolden } from "../../../host/golden.ts";
import { openProgram } from "../../../host/inspection.ts";
import { programBytes } from "../../../host/memory-layout.ts";
import { planText } from "../../../host/plans.ts";
import { type Program, programsOf } from "../../../host/program.ts";
import { readEqm } from "../../../host/reader.ts";
import { createScanner, type Scanner } from "../../../host/scanner.ts";
import { readBytes } from "../data/file.ts";
import { badFile } from "../errors.ts";
import { modelKind, withPath } from "../model-file.ts";
import type { Result } from "../output/result.ts";
import { formatFacts } from "../output/table.ts";
import { formatBytes } from "../output/units.ts";

/** Codes for bytes that are not a file of this format at all, rather than a damaged one. */
const FOREIGN: readonly string[] = ["not-eqm", "newer-version", "other-layouts"];

/**
 * Runs the command. JSON: `{ ok, hashes, golden, builds, memoryBytes, problem? }`, `hashes` true or false, `golden` null for a file without a golden vector,
 * `builds` those of the runtime that it was tried on: all that run here.
 * Every plan of a file is tried; the verdict is that of the first one, or of the first that does not hold. Exit code 3 where a hash or the golden vector does not hold.
 *
 * @throws CompileError, EqmError where the file is no .eqm
 */
export async function verify(path: string): Promise<Result> {
  const bytes = readBytes(path);
  if (modelKind(bytes, path) !== "eqm") throw badFile(path, "it is no .eqm; only a compiled model can be verified.");
  const fastest = await chooseBuild();
  const builds = fastest.name === "plain" ? [fastest] : [fastest, await chooseBuild("plain")];
  const scanner = createScanner(fastest.module);
  const read = await withPath(path, () => readOrProblem(bytes, scanner));
  if (!("program" in read))
    return {
      json: { ok: false, hashes: false, golden: null, problem: read.problem.message, code: read.problem.code },
      text: `${path} is damaged: ${read.problem.message}\n`,
      exitCode: 3,
    };
  const programs = programsOf(read.program);
  const memoryBytes = programBytes(read.program);
  const verdicts = programs.flatMap((program) =>
    builds.map(({ name, module }) => ({ name, program, verdict: tried(program, module, scanner) })),
  );
  const { verdict, name, program } = verdicts.find(({ verdict }) => verdict?.holds === false) ?? (verdicts[0] as (typeof verdicts)[0]);
  const ok = verdict?.holds ?? true;
  const plan = programs.length > 1 ? `plan ${planText(describePlan(program.metadata))}, ` : "";
  const problem = verdict === undefined || ok ? undefined : `${plan}${name} build: ${describeProblem(verdict, program)}`;
  const names = builds.map(({ name }) => name);
  const stepCount = programs.reduce((sum, { plan }) => sum + plan.steps.length, 0);
  return {
    json: { ok, hashes: true, golden: verdict ?? null, builds: names, memoryBytes, ...(problem !== undefined && { problem }) },
    text: formatFacts([
      ["file", `${formatBytes(bytes.length)}, every hash holds`],
      ["memory", formatBytes(memoryBytes)],
      [
        "golden vector",
        verdict === undefined
          ? "none in this file"
          : (problem ??
            `all ${stepCount} steps and ${programs.length * program.metadata.outputs.length} outputs hold, on the ${names.join(" and the ")} build`),
      ],
    ]),
    exitCode: ok ? 0 : 3,
  };
}

/** What the golden vector of a plan gives on one build; no verdict for one without. */
function tried(program: Program, module: WebAssembly.Module, scanner: Scanner): GoldenVerdict | undefined {
  if (program.golden === undefined) return undefined;
  const model = openProgram(program, module);
  try {
    return verifyGolden(model, program.golden, scanner);
  } finally {
    model.dispose();
  }
}

function readOrProblem(bytes: Uint8Array, scanner: Scanner): { readonly program: Program } | { readonly problem: FormatError } {
  try {
    return { program: readEqm(bytes, scanner) };
  } catch (error) {
    if (error instanceof FormatError && !FOREIGN.includes(error.code)) return { problem: error };
    throw error;
  }
}

function describeProblem({ inputsHold, firstWrongStep }: GoldenVerdict, { metadata }: Program): string {
  if (!inputsHold) return "this machine draws other golden inputs than the one that compiled the file.";
  if (firstWrongStep === undefined) return "every step holds, but the outputs do not.";
  const origin = metadata.steps[firstWrongStep];
  return `step ${firstWrongStep}${origin === undefined ? "" : ` (${origin.op} ${origin.nodes.join(", ")})`} is the first to give another result than when compiled.`;
}
