/** The command `eqm`. Results go to stdout, everything else to stderr. */
import { judge } from "./exit.ts";
import { listenForInterrupts } from "./interruption.ts";
import { stopProgress } from "./output/progress.ts";
import { createProgram } from "./program.ts";

process.stdout.on("error", (error: Error & { readonly code?: string }) => {
  if (error.code === "EPIPE") process.exit(process.exitCode ?? 0);
  throw error;
});

listenForInterrupts();
const program = createProgram();
if (process.argv.length <= 2) {
  program.outputHelp({ error: true });
  process.exitCode = 2;
} else {
  await program.parseAsync(process.argv).catch(fail);
}

function fail(error: unknown): void {
  const { exitCode, code, message, details, printed } = judge(error);
  process.exitCode = exitCode;
  if (exitCode === 0) return;
  stopProgress();
  if (process.env["EQM_DEBUG"] === "1" && error instanceof Error && !printed) process.stderr.write(`${error.stack}\n`);
  else if (!printed) process.stderr.write(`eqm: ${message}\n`);
  if (process.argv.includes("--json")) process.stdout.write(`${JSON.stringify({ error: { code, message, exitCode, details } }, plain)}\n`);
}

function plain(_key: string, value: unknown): unknown {
  return typeof value === "bigint" ? Number(value) : value;
}
